"""Folders of late-interaction models: what is written is what is read, and damage is named."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lexmax.encoders.colbert import ColBert, Expansion
from lexmax.encoders.contract import MultiVectorEncoder
from lexmax.encoders.heads.projection import ProjectionShape
from lexmax.encoders.marked_texts import Prompt
from lexmax.encoders.minilm import MiniLm
from lexmax.encoders.pooling import Count, Pooling
from lexmax.encoders.shared_pass import SharedPass
from lexmax.encoders.token_encoder import TokenEncoder, TokenParts, token_parts
from lexmax.encoders.token_folder import load_token_folder, load_token_parts, save_token_folder
from lexmax.encoders.token_model import TokenReading
from lexmax.encoders.training.own_trunk import own_trunk
from lexmax.encoders.trunk import Trunk, open_trunk
from lexmax.errors import EncoderError

TEXTS = ["the cat and the dog", "", "vitamin d lowers the risk of falls!", "tokyo"]


@pytest.fixture(scope="module")
def trunk(tiny_checkpoints: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Trunk:
    path = tiny_checkpoints.save_masked_lm(tmp_path_factory.mktemp("bert"), seed=3)
    return open_trunk(str(path))


def _encoder(parts: TokenParts) -> TokenEncoder:
    return TokenEncoder(parts, spec="here", fingerprint="these")


def _same(ours: MultiVectorEncoder, theirs: MultiVectorEncoder, *, atol: float = 1e-5) -> None:
    for encode in ("encode_queries", "encode_documents"):
        one, other = getattr(ours, encode)(TEXTS), getattr(theirs, encode)(TEXTS)
        np.testing.assert_array_equal(one.offsets, other.offsets)
        np.testing.assert_allclose(one.vectors, other.vectors, atol=atol)


@pytest.mark.parametrize(
    "shape",
    [
        ProjectionShape("linear", 32, 8),
        ProjectionShape("ffn", 32, 8, activation="gelu", bias=True),
        ProjectionShape("glu", 32, 8, activation="sigmoid"),
        ProjectionShape("residual", 32, 8, activation="silu"),
        ProjectionShape("upscaled", 32, 8),
    ],
    ids=lambda shape: shape.kind,
)
def test_a_folder_gives_the_encoder_that_was_saved(
    trunk: Trunk, shape: ProjectionShape, tmp_path: Path
) -> None:
    parts = token_parts(trunk, shape, seed=2)
    save_token_folder(parts, tmp_path)
    loaded = load_token_folder(tmp_path)
    _same(loaded, _encoder(parts))
    assert loaded.spec == f"colbert:{tmp_path}"
    assert loaded.dim == 8
    assert isinstance(loaded, MultiVectorEncoder)
    collapses = shape.activation == "identity" and shape.kind != "glu"
    assert (load_token_parts(tmp_path).model.projection.kind == "linear") == collapses


def test_half_precision_halves_the_folder(trunk: Trunk, tmp_path: Path) -> None:
    parts = token_parts(trunk, ProjectionShape("linear", 32, 8))
    sizes = []
    for dtype in (torch.float32, torch.float16):
        folder = tmp_path / str(dtype)
        folder.mkdir()
        save_token_folder(parts, folder, dtype=dtype)
        sizes.append(sum((folder / n).stat().st_size for n in ("backbone.safetensors",)))
        _same(load_token_folder(folder), _encoder(parts), atol=3e-3)
    assert sizes[1] < 0.6 * sizes[0]


def test_every_value_of_a_model_is_kept(trunk: Trunk, tmp_path: Path) -> None:
    parts = token_parts(
        trunk,
        ProjectionShape("linear", 32, 8),
        queries=TokenReading(
            max_tokens=12, marker=7, expansion=Expansion(4, length=12), skipped=(3,)
        ),
        documents=TokenReading(
            max_tokens=20,
            prompt=Prompt((9,), "the "),
            skipped=(2, 3, 30),
            pooling=Pooling("kmeans", Count(ratio=0.5), seed=4),
        ),
    )
    parts = replace(parts, model=replace(parts.model, objective="xtr"))
    save_token_folder(parts, tmp_path)
    loaded = load_token_folder(tmp_path)
    assert loaded.parts.model == parts.model
    _same(loaded, _encoder(parts))
    assert "objective=xtr" in loaded.fingerprint
    assert np.diff(loaded.encode_queries(TEXTS).offsets).tolist() == [11, 0, 11, 11]


def test_a_model_on_the_installed_transformer_is_its_projection(tmp_path: Path) -> None:
    parts = token_parts(open_trunk("minilm"), ProjectionShape("linear", 384, 384))
    parts.projection.start_from(torch.eye(384))
    save_token_folder(parts, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"encoder.json", "projection.safetensors"}
    # The identity over states as minilm reads texts is minilm.
    loaded, minilm = load_token_folder(tmp_path), MiniLm()
    one, other = loaded.encode_documents(TEXTS), minilm.encode_documents(TEXTS)
    np.testing.assert_array_equal(one.offsets, other.offsets)
    np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-6)


def test_a_trained_transformer_is_written_though_one_is_installed(
    trunk: Trunk, tmp_path: Path
) -> None:
    own = own_trunk(replace(trunk, shipped="minilm"))
    parts = token_parts(own, ProjectionShape("linear", 32, 8))
    save_token_folder(parts, tmp_path)
    assert (tmp_path / "backbone.safetensors").is_file()
    _same(load_token_folder(tmp_path), _encoder(parts))


def test_fingerprints_follow_what_vectors_depend_on(trunk: Trunk, tmp_path: Path) -> None:
    parts = token_parts(trunk, ProjectionShape("linear", 32, 8))
    save_token_folder(parts, tmp_path)
    loaded = load_token_folder(tmp_path)
    moved = tmp_path.with_name("moved")
    tmp_path.rename(moved)
    assert load_token_folder(moved).fingerprint == loaded.fingerprint
    shorter = load_token_folder(moved, document_length=8)
    assert shorter.spec == f"colbert:{moved}?document_length=8"
    assert shorter.fingerprint != loaded.fingerprint
    assert np.diff(shorter.encode_documents(TEXTS).offsets).max() == 6
    with torch.no_grad():
        parts.projection.outer.weight[0, 0] += 1
    save_token_folder(parts, moved)
    assert load_token_folder(moved).fingerprint != loaded.fingerprint


def test_queries_are_filled_up_to_a_length_that_is_asked_for(trunk: Trunk, tmp_path: Path) -> None:
    reading = TokenReading(max_tokens=12, expansion=Expansion(4, length=12))
    parts = token_parts(trunk, ProjectionShape("linear", 32, 8), queries=reading)
    save_token_folder(parts, tmp_path)
    found = load_token_folder(tmp_path, query_length=16).encode_queries(["cat"])
    assert len(found.vectors) == 16


def _json(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    said = json.loads((folder / "encoder.json").read_text())
    change(said)
    (folder / "encoder.json").write_text(json.dumps(said))


def _projection(folder: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    path = folder / "projection.safetensors"
    save_file({n: change(t).contiguous() for n, t in load_file(path).items()}, path)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "lacks projection.safetensors": lambda f: (f / "projection.safetensors").unlink(),
    "projection.safetensors is damaged": lambda f: _cut(f / "projection.safetensors"),
    "outer.weight holds NaN": lambda f: _projection(f, lambda t: t * float("nan")),
    r"holds \{'outer.weight': \(7, 32\)\}; expected": lambda f: _projection(f, lambda t: t[:7]),
    "backbone.safetensors is damaged": lambda f: _cut(f / "backbone.safetensors"),
    "lacks tokenizer.json": lambda f: (f / "tokenizer.json").unlink(),
    "no late-interaction model of lexmax": lambda f: (f / "encoder.json").unlink(),
    "no late-interaction model": lambda f: _json(f, lambda said: said.update(kind="dense")),
    "version 2; *\n?expected": lambda f: _json(f, lambda said: said.update(version=2)),
    "model is None": lambda f: _json(f, lambda said: said.pop("model")),
    "no key 'pages'": lambda f: _json(f, lambda said: said["model"].update(pages=1)),
    "no projection is called 'conv'": lambda f: _json(
        f, lambda said: said["model"]["projection"].update(kind="conv")
    ),
    "no room|takes? 2; expected room": lambda f: _json(
        f, lambda said: said["model"]["documents"].update(max_tokens=2)
    ),
    "the transformer is None": lambda f: _json(f, lambda said: said.pop("transformer")),
    "the transformer is 'other'": lambda f: _json(
        f, lambda said: said.update(transformer={"shipped": "other"})
    ),
    "was trained on minilm with fingerprint 0": lambda f: _json(
        f, lambda said: said.update(transformer={"shipped": "minilm", "fingerprint": "0"})
    ),
    "the transformer is None; expected 'minilm'": lambda f: _json(
        f, lambda said: said["transformer"].update(file="../backbone.safetensors")
    ),
    "takes states of 32 coordinates|expected|cannot be built": lambda f: _json(
        f, lambda said: said["transformer"]["config"].update(model_type="none")
    ),
}


@pytest.mark.parametrize("message", DAMAGE)
def test_damage_is_named(trunk: Trunk, message: str, tmp_path: Path) -> None:
    save_token_folder(token_parts(trunk, ProjectionShape("linear", 32, 8)), tmp_path)
    DAMAGE[message](tmp_path)
    with pytest.raises(EncoderError, match=message):
        load_token_folder(tmp_path)


def test_a_pass_is_shared_with_minilm(tmp_path: Path) -> None:
    parts = token_parts(open_trunk("minilm"), ProjectionShape("linear", 384, 8))
    parts = replace(
        parts,
        model=replace(
            parts.model,
            documents=replace(parts.model.documents, pooling=Pooling("ward", Count(factor=2))),
        ),
    )
    ours, minilm = _encoder(parts), MiniLm(max_tokens=256)
    heads = [ours.document_head(), minilm.document_head()]
    assert heads[0].reading == heads[1].reading
    runs = []
    backbone = parts.trunk.backbone
    original = backbone.run

    def counted(*given: Any, **named: Any) -> None:
        runs.append(len(given[1]))
        original(*given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbone, "run", counted)
        vectors, states = SharedPass(heads, TEXTS).run()
    assert runs == [2]
    alone = ours.encode_documents(TEXTS)
    np.testing.assert_array_equal(vectors.offsets, alone.offsets)
    np.testing.assert_allclose(vectors.vectors, alone.vectors, atol=1e-6)
    np.testing.assert_allclose(states.vectors, minilm.encode_documents(TEXTS).vectors, atol=1e-6)


@pytest.mark.parametrize("scored", [True, False])
@pytest.mark.parametrize("attended", [True, False])
def test_the_same_tokens_are_kept_as_by_colbert(trunk: Trunk, scored: bool, attended: bool) -> None:
    by = Expansion(4, length=8, attended=attended, scored=scored)
    reading = TokenReading(max_tokens=9, marker=7, expansion=by, skipped=(3, 29))
    parts = token_parts(trunk, ProjectionShape("linear", 32, 8), queries=reading)
    side = reading.side(trunk.pieces)
    colbert = ColBert(
        trunk.backbone,
        parts.projection,
        spec="",
        fingerprint="",
        dim=8,
        queries=side,
        documents=side,
    )
    one, other = _encoder(parts).encode_queries(TEXTS), colbert.encode_queries(TEXTS)
    np.testing.assert_array_equal(one.offsets, other.offsets)
    np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-6)
