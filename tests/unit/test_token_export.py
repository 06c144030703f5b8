"""What is exported, sentence-transformers encodes alike."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sentence_transformers import MultiVectorEncoder

from lexmax.encoders.colbert import Expansion
from lexmax.encoders.heads.projection import ProjectionShape
from lexmax.encoders.marked_texts import Prompt
from lexmax.encoders.pooling import Count, Pooling
from lexmax.encoders.token_encoder import TokenEncoder, TokenParts, token_parts
from lexmax.encoders.token_export import export_sentence_transformers
from lexmax.encoders.token_model import TokenReading
from lexmax.encoders.trunk import open_trunk
from lexmax.errors import EncoderError

TEXTS = ["the cat and the dog", "vitamin d lowers the risk of falls!", "tokyo, tokyo"]
LINEAR = ProjectionShape("linear", 32, 8)
COLBERT = {
    "queries": TokenReading(max_tokens=12, marker=190, expansion=Expansion(4, length=12)),
    "documents": TokenReading(max_tokens=9, marker=191, skipped=(29, 30, 31)),
}


@pytest.fixture(scope="module", params=["bert", "distilbert", "roberta"])
def folder(
    request: pytest.FixtureRequest,
    tiny_checkpoints: ModuleType,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    path = tmp_path_factory.mktemp(request.param)
    return Path(tiny_checkpoints.save_masked_lm(path, request.param, seed=3))


def _parts(folder: Path, shape: ProjectionShape = LINEAR, **sides: Any) -> TokenParts:
    return token_parts(open_trunk(str(folder)), shape, seed=2, **sides)


def _assert_same(parts: TokenParts, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    export_sentence_transformers(parts, folder)
    assert capfd.readouterr() == ("", "")
    theirs = MultiVectorEncoder(str(folder), device="cpu", local_files_only=True)
    ours = TokenEncoder(parts, spec="here", fingerprint="")
    pairs: list[tuple[Any, Any]] = [
        (ours.encode_queries(TEXTS), theirs.encode_query(TEXTS, convert_to_numpy=True)),
        (ours.encode_documents(TEXTS), theirs.encode_document(TEXTS, convert_to_numpy=True)),
    ]
    for tokens, rows in pairs:
        assert [len(row) for row in rows] == np.diff(tokens.offsets).tolist()
        np.testing.assert_allclose(tokens.vectors, np.concatenate(rows), atol=1e-4)


@pytest.mark.parametrize(
    "shape",
    [
        LINEAR,
        replace(LINEAR, bias=True),
        ProjectionShape("residual", 32, 8),
        ProjectionShape("ffn", 32, 8, activation="gelu", bias=True),
        ProjectionShape("upscaled", 32, 8, activation="silu"),
    ],
    ids=["linear", "bias", "residual", "ffn", "upscaled"],
)
def test_projections(
    folder: Path, shape: ProjectionShape, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _assert_same(_parts(folder, shape), tmp_path, capfd)


def test_markers_expansion_and_skip_list(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if "roberta" in folder.name:
        pytest.skip("its tokenizer has no tokens to spare for markers")
    _assert_same(_parts(folder, LINEAR, **COLBERT), tmp_path, capfd)


@pytest.mark.parametrize("attended", [True, False])
def test_longer_queries_may_stay_as_they_are(
    folder: Path, attended: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    by = Expansion(4, length=6, attended=attended)
    _assert_same(_parts(folder, queries=TokenReading(max_tokens=20, expansion=by)), tmp_path, capfd)


def test_prompts(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    reading = TokenReading(max_tokens=20, prompt=Prompt((), "the cat: "))
    _assert_same(_parts(folder, queries=reading), tmp_path, capfd)


@pytest.mark.parametrize(
    ("shape", "sides", "message"),
    [
        (ProjectionShape("glu", 32, 8), {}, "no module for a projection of kind glu"),
        (ProjectionShape("residual", 32, 8, activation="relu"), {}, "kind residual"),
        (
            LINEAR,
            {"documents": TokenReading(max_tokens=9, pooling=Pooling("ward", Count(factor=2)))},
            "the model pools tokens",
        ),
        (
            LINEAR,
            {
                "documents": TokenReading(max_tokens=9, skipped=(2,)),
                "queries": TokenReading(max_tokens=9, skipped=(3,)),
            },
            "leave out different tokens",
        ),
        (
            LINEAR,
            {"queries": TokenReading(max_tokens=9, expansion=Expansion(4, scored=False))},
            "counts what it fills up with",
        ),
    ],
)
def test_what_the_library_has_no_words_for(
    folder: Path, shape: ProjectionShape, sides: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(EncoderError, match=message):
        export_sentence_transformers(_parts(folder, shape, **sides), tmp_path)
    assert not list(tmp_path.iterdir())
