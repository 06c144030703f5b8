"""Compressed encoders over a tiny transformer: their sides, their folders, and damage."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from lexmax.encoders.compressed import CompressedEncoder, CompressedParts, in_use
from lexmax.encoders.compressed_folder import (
    load_compressed_folder,
    load_compressed_parts,
    save_compressed_folder,
)
from lexmax.encoders.contract import DenseEncoder
from lexmax.encoders.dense_sides import GivenSide, PooledSide
from lexmax.encoders.heads.projection import Projection, ProjectionShape
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.coded_corpus import CodedCorpus, warm_start
from lexmax.encoders.training.jpq import Jpq, JpqTask
from lexmax.encoders.training.opq import Fit
from lexmax.encoders.training.repconc_task import RepconcTask
from lexmax.encoders.trunk import Trunk, open_trunk
from lexmax.errors import EncoderError

WORDS = ("vitamin", "risk", "fall", "cat", "dog", "search", "query", "document", "index", "sparse")
DOCUMENTS = [f"the {a} and the {b}" for a in WORDS for b in WORDS if a < b]
QUERIES = ["cat and dog", "risk of fall", ""]


@pytest.fixture(scope="module")
def trunk(tiny_checkpoints: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Trunk:
    path = tiny_checkpoints.save_masked_lm(tmp_path_factory.mktemp("bert"), seed=3)
    return open_trunk(str(path))


def _head(*, bias: bool = False, seed: int = 0) -> Projection:
    return Projection(ProjectionShape("linear", 32, 16, bias=bias), seed=seed)


def _start(trunk: Trunk, **values: Any) -> tuple[CompressedParts, CodedCorpus]:
    queries = PooledSide(trunk, _head(seed=1), max_tokens=16, **values)
    documents = PooledSide(trunk, _head(seed=1), max_tokens=32, **values)
    return warm_start(queries, documents, DOCUMENTS, Fit(4, 8, rounds=3))


def _encoder(parts: CompressedParts) -> CompressedEncoder:
    return CompressedEncoder(parts, spec="here", fingerprint="here")


def _same(ours: DenseEncoder, theirs: DenseEncoder) -> None:
    texts = [*DOCUMENTS[:7], "", *QUERIES]
    for encode in ("encode_queries", "encode_documents"):
        found = getattr(ours, encode)(texts)
        np.testing.assert_allclose(found, getattr(theirs, encode)(texts), atol=1e-5)


def _batch() -> TrainingBatch:
    groups = torch.tensor([[0, 1], [2, 3]])
    return TrainingBatch(QUERIES[:2], DOCUMENTS[:4], groups, None, torch.ones(2))


def test_a_side_is_the_mean_of_states_through_its_head(trunk: Trunk) -> None:
    side = PooledSide(trunk, _head(bias=True), max_tokens=32)
    found = side.vectors(["the cat", ""]).detach()
    ids = [*trunk.pieces.before, *trunk.pieces.first("the cat", 9), *trunk.pieces.after]
    given = torch.tensor([ids])
    hidden = trunk.backbone.model(given, torch.ones_like(given)).last_hidden_state
    expected = side.head(hidden[0].mean(dim=0)).detach()
    torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=0)
    assert torch.equal(found[1], torch.zeros(16))
    longer = replace(side, unit=False).vectors(["the cat"]).detach()
    torch.testing.assert_close(torch.nn.functional.normalize(longer[0], dim=0), found[0])
    assert longer[0].norm() != pytest.approx(1, abs=1e-3)


def test_an_empty_document_is_zeros_and_no_code(trunk: Trunk) -> None:
    encoder = _encoder(_start(trunk)[0])
    assert isinstance(encoder, DenseEncoder)
    found = encoder.encode_documents(["", "the cat"])
    assert found.dtype == np.float32
    assert np.all(found[0] == 0)
    assert np.any(found[1] != 0)
    assert encoder.encode_documents([]).shape == (0, 16)
    assert encoder.codes(["the cat", "the dog"]).shape == (2, 4)


@pytest.mark.parametrize("layers", [0, 1])
@pytest.mark.parametrize("kind", ["jpq", "repconc"])
def test_a_trained_encoder_is_the_same_from_its_folder(
    trunk: Trunk, kind: str, layers: int, tmp_path: Path
) -> None:
    parts, corpus = _start(trunk, layers=layers)
    before = trunk.backbone.model.state_dict()["encoder.layer.1.output.dense.weight"].clone()
    how = Jpq(depth=20, temperature=0.1)
    task = JpqTask(parts, corpus, how) if kind == "jpq" else RepconcTask(parts)
    optimiser = torch.optim.AdamW(task.parameter_groups(1e-3, 0.01))
    first = _encoder(parts).encode_queries(QUERIES)
    task.module.train()
    for step in range(3):
        optimiser.zero_grad()
        task.loss(_batch(), step=step)["total"].backward()
        optimiser.step()
    # The transformer that others may use is as it was, and so is the side that is not trained.
    after = trunk.backbone.model.state_dict()["encoder.layer.1.output.dense.weight"]
    assert torch.equal(before, after)
    assert not np.allclose(task.encoder().encode_queries(QUERIES), first, atol=1e-4)
    task.save(tmp_path)
    loaded = load_compressed_folder(tmp_path)
    _same(loaded, task.encoder())
    assert loaded.spec == f"dense:{tmp_path}"
    files = {path.name for path in tmp_path.glob("*.safetensors")}
    assert files == {"vectors.safetensors", "queries.safetensors", "documents.safetensors"}


def test_modes_of_training_are_as_before_after_encoding(trunk: Trunk) -> None:
    task = RepconcTask(_start(trunk)[0])
    task.module.train()
    modes = [part.training for part in task.module.modules()]
    assert not trunk.backbone.model.training
    task.encoder().encode_queries(QUERIES)
    assert [part.training for part in task.module.modules()] == modes
    module = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout().eval())
    with in_use(module):
        assert not module[0].training
    assert [part.training for part in module] == [True, False]


def test_one_transformer_cannot_be_trained_two_ways(trunk: Trunk) -> None:
    parts, _ = _start(trunk)
    assert isinstance(parts.queries, PooledSide)
    with pytest.raises(EncoderError, match="queries train 1 layers and documents 0"):
        RepconcTask(replace(parts, queries=replace(parts.queries, layers=1)))


def _given(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.array([[len(text) + i for i in range(6)] for text in texts], np.float32)


def test_vectors_from_elsewhere_are_given_again(tmp_path: Path) -> None:
    texts = [f"text {'x' * i}" for i in range(20)]
    head = Projection(ProjectionShape("residual", 6, 6, ratio=1 / 3), seed=2)
    queries, documents = GivenSide(_given, 6, head), GivenSide(_given, 6, unit=True)
    parts, _ = warm_start(queries, documents, texts, Fit(3, 4, rounds=3))
    save_compressed_folder(parts, tmp_path)
    loaded = load_compressed_parts(tmp_path, queries=_given, documents=_given)
    np.testing.assert_allclose(
        _encoder(loaded).encode_queries(texts), _encoder(parts).encode_queries(texts), atol=1e-4
    )
    np.testing.assert_allclose(
        _encoder(loaded).encode_documents(texts), _encoder(parts).encode_documents(texts)
    )
    with pytest.raises(EncoderError, match="vectors of queries come from elsewhere"):
        load_compressed_folder(tmp_path)


def test_parameters_are_those_of_the_folder(trunk: Trunk, tmp_path: Path) -> None:
    save_compressed_folder(_start(trunk)[0], tmp_path)
    given: list[dict[str, Any]] = [{"max_tokens": 8}, {"pooling": "cls"}]
    for values in given:
        with pytest.raises(EncoderError, match=r"expected no parameters; leave"):
            load_compressed_folder(tmp_path, **values)


def _json(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    said = json.loads((folder / "encoder.json").read_text())
    change(said)
    (folder / "encoder.json").write_text(json.dumps(said))


def _vectors(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(folder / "vectors.safetensors")
    change(tensors)
    save_file(tensors, folder / "vectors.safetensors")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "lacks vectors.safetensors": lambda f: (f / "vectors.safetensors").unlink(),
    "vectors.safetensors is damaged": lambda f: (f / "vectors.safetensors").write_bytes(b"none"),
    "holds .*expected .*quantizer.rotation": lambda f: _vectors(
        f, lambda tensors: tensors.pop("quantizer.rotation")
    ),
    "quantizer.centroids holds NaN": lambda f: _vectors(
        f, lambda tensors: tensors["quantizer.centroids"].fill_(torch.nan)
    ),
    "queries.safetensors is damaged": lambda f: (f / "queries.safetensors").write_bytes(b""),
    "no dense encoder of lexmax": lambda f: _json(f, lambda said: said.update(kind="sparse")),
    "16 coordinates in 5 subspaces": lambda f: _json(
        f, lambda said: said["model"].update(subspaces=5)
    ),
    "model lacks subspaces": lambda f: _json(f, lambda said: said["model"].pop("subspaces")),
    "queries have no head": lambda f: _json(
        f, lambda said: said["model"]["queries"].update(head=None)
    ),
    "the transformer is None": lambda f: _json(
        f, lambda said: said["transformers"].pop("documents")
    ),
}


@pytest.mark.parametrize("message", DAMAGE)
def test_damage_is_named(trunk: Trunk, message: str, tmp_path: Path) -> None:
    save_compressed_folder(_start(trunk)[0], tmp_path)
    DAMAGE[message](tmp_path)
    with pytest.raises(EncoderError, match=message):
        load_compressed_folder(tmp_path)
