"""What a training configuration may say of a sparse model."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from lexmax.encoders.bm25 import idf
from lexmax.encoders.training.presets import named
from lexmax.encoders.training.sparse_kind import SPARSE, SparseSection, count_idf
from lexmax.encoders.training.sparse_task import SparseTask
from lexmax.encoders.training.tasks import Place
from lexmax.encoders.trunk import open_trunk
from lexmax.errors import EncoderError


@pytest.fixture
def place(tmp_path: Path, tiny_checkpoints: ModuleType) -> Place:
    tiny_checkpoints.save_masked_lm(tmp_path / "masked-lm")
    return Place(tmp_path, tmp_path / "cache")


def section(**given: Any) -> SparseSection:
    model = {"query": "table", "document": "mlm"}
    return SparseSection(
        **{
            "model": model,
            "transformer": "masked-lm",
            "limits": {"query": 32, "document": 48},
            **given,
        }
    )


def made(place: Place, **given: Any) -> SparseTask:
    task = SPARSE.make(section(**given), place)
    assert isinstance(task, SparseTask)
    return task


def test_presets_are_values_of_the_task() -> None:
    assert SPARSE.presets["splade-max"] == named("splade-max").task()
    for values in SPARSE.presets.values():
        assert SPARSE.values.model_validate(dict(values))


def test_a_task_is_made_as_the_values_say(place: Place) -> None:
    model = {"query": {"name": "table", "weights": "linear"}, "document": "mlm"}
    task = made(place, model=model, layers=0, sampled_terms=20, head_lr=0.1)
    assert task.parts.limits.document == 48
    assert {group["lr"] for group in task.parameter_groups(0.5, 0)} == {0.1}
    assert not any(one.requires_grad for one in task.parts.documents.backbone.model.parameters())


def test_seeds_decide_about_new_parameters(place: Place) -> None:
    model = {"query": "mlp", "document": "mlp"}
    weights = [
        made(place, model=model, seed=seed).parts.document.state_dict()["head.linear.weight"]
        for seed in (0, 0, 1)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_queries_may_have_a_transformer_of_their_own(place: Place) -> None:
    model = {"query": "mlp", "document": "mlm", "shared": False}
    parts = made(place, model=model).parts
    assert parts.queries.backbone.model is not parts.documents.backbone.model
    with pytest.raises(EncoderError, match="query_transformer is given"):
        made(
            place,
            idf=None,
            query_transformer="masked-lm",
            model={"query": "mlp", "document": "mlm"},
        )


def test_idf_is_counted_in_documents(place: Place) -> None:
    lines = [{"_id": "1", "text": "cat dog cat"}, {"_id": "2", "text": "cat"}]
    text = "\n".join(json.dumps(line) for line in lines)
    (place.folder / "corpus.jsonl").write_text(text + "\nbroken\n", encoding="utf-8")
    parts = made(place, idf="corpus.jsonl").parts
    table = parts.query.state_dict()["head.weights"]
    ids = {name: i for i, name in parts.documents.pieces.names.items()}
    expected = idf(np.array([2, 1, 0]), 2)
    found = [table[ids[name]].item() for name in ("cat", "dog", "risk")]
    assert found == pytest.approx(expected.tolist())


def test_idf_is_read_from_a_table(place: Place) -> None:
    trunk = open_trunk(str(place.folder / "masked-lm"))
    (place.folder / "table").mkdir()
    np.save(place.folder / "table" / "idf.npy", np.arange(trunk.n_terms, dtype=np.float32))
    (place.folder / "table" / "tokenizer.json").write_bytes(trunk.tokenizer)
    table = made(place, idf="table").parts.query.state_dict()["head.weights"]
    assert table.tolist() == list(range(trunk.n_terms))


def test_a_table_of_idf_needs_it_and_others_have_no_use_for_it(place: Place) -> None:
    with pytest.raises(EncoderError, match="has no idf"):
        made(place)
    with pytest.raises(EncoderError, match="idf is given"):
        made(place, model={"query": "mlp", "document": "mlm"}, idf="table")
    trunk = open_trunk(str(place.folder / "masked-lm"))
    with pytest.raises(EncoderError, match="in no documents"):
        count_idf([], trunk, limit=5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": {"query": "mlp", "document": "mln"}}, "did you mean ml"),
        ({"limits": {"documents": 3}}, "did you mean document"),
        ({"layers": -1}, "greater than or equal to 0"),
        ({"sampled_terms": 0}, "greater than or equal to 1"),
        ({"trainable": True}, "not permitted"),
    ],
)
def test_mistakes_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        section(**given)


def test_a_folder_that_is_not_there_is_refused(place: Place) -> None:
    with pytest.raises(EncoderError, match="nowhere"):
        made(place, transformer="./nowhere", model={"query": "mlp", "document": "mlm"})
