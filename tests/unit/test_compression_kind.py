"""Configurations of JPQ and RepCONC make tasks that train, one after the other."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from lexmax.encoders.dense_sides import PooledSide
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.compression_kind import (
    JPQ,
    REPCONC,
    JpqSection,
    RepconcSection,
    make_jpq,
    make_repconc,
)
from lexmax.encoders.training.jpq import JpqTask
from lexmax.encoders.training.repconc_task import RepconcTask
from lexmax.encoders.training.tasks import Place
from lexmax.errors import EncoderError

NOUNS = ("cat", "dog", "search", "query", "index")
DOCUMENTS = [f"the {a} and the {b}" for a in NOUNS for b in NOUNS]
CODE = {"subspaces": 4, "n_centroids": 8, "rounds": 2}


@pytest.fixture
def place(tiny_checkpoints: ModuleType, tmp_path: Path) -> Place:
    (tmp_path / "bert").mkdir()
    tiny_checkpoints.save_masked_lm(tmp_path / "bert", seed=3)
    lines = [json.dumps({"_id": f"d{i}", "text": text}) for i, text in enumerate(DOCUMENTS)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    return Place(tmp_path, tmp_path / "cache")


def _values(**more: Any) -> dict[str, Any]:
    dense = {"transformer": "bert", "query_tokens": 16, "document_tokens": 1000}
    return {"documents": "corpus.jsonl", "dense": dense, "code": CODE, **more}


def _loss(task: JpqTask | RepconcTask) -> torch.Tensor:
    groups = torch.tensor([[0], [1]])
    batch = TrainingBatch(["cat", "dog"], DOCUMENTS[:2], groups, None, torch.ones(2))
    return task.loss(batch, step=0)["total"]


def test_repconc_and_then_jpq(place: Place) -> None:
    first = make_repconc(RepconcSection(**_values(mse_weight=0.1)), place)
    assert isinstance(first, RepconcTask)
    _loss(first).backward()
    folder = place.folder / "repconc"
    folder.mkdir()
    first.save(folder)
    values = JpqSection(documents="corpus.jsonl", start="repconc", depth=5)
    then = make_jpq(values, place)
    assert isinstance(then, JpqTask)
    assert torch.equal(then.module.codes, first.coded(DOCUMENTS).codes)
    _loss(then).backward()
    assert (place.cache).is_dir()


def test_jpq_from_the_beginning(place: Place) -> None:
    task = make_jpq(JpqSection(**_values(depth=5, loss="contrastive", centroid_lr=4.0)), place)
    assert task.module.codes.shape == (25, 4)
    queries = task.parts.queries
    assert isinstance(queries, PooledSide)
    assert queries.max_tokens == 16
    assert [group["lr"] for group in task.parameter_groups(0.1, 0.0)] == [0.1, 0.4]
    _loss(task).backward()


def test_what_cannot_be_said(place: Place) -> None:
    both = JpqSection(**_values(start="repconc"))
    with pytest.raises(EncoderError, match="found dense or code beside it"):
        make_jpq(both, place)
    with pytest.raises(EncoderError, match="32 coordinates in 5 subspaces"):
        make_repconc(RepconcSection(**_values(code={"subspaces": 5, "n_centroids": 8})), place)
    with pytest.raises(ValidationError, match="n_centroids"):
        RepconcSection(**_values(code={"n_centroids": 300}))


def test_kinds_have_their_values() -> None:
    assert (JPQ.values, REPCONC.values) == (JpqSection, RepconcSection)
