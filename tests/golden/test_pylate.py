"""Vectors of a PyLate checkpoint are those that PyLate 1.6 gave: see make_pylate.py."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.encoders import Encoders
from lexmax.types import TokenBatch

FOLDER = Path(__file__).parent / "pylate"


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return json.loads((FOLDER / "texts.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def expected() -> Mapping[str, Any]:
    with np.load(FOLDER / "vectors.npz") as file:
        return dict(file)


def check(found: TokenBatch, expected: Mapping[str, Any], side: str) -> None:
    assert found.dim == 8
    for i in range(len(found)):
        wanted = expected[f"{side}_{i}"]
        assert found.row(i).shape == wanted.shape
        np.testing.assert_allclose(found.row(i), wanted, atol=1e-5)


def test_queries_are_those_of_pylate(texts: list[str], expected: Mapping[str, Any]) -> None:
    check(
        Encoders().multivector(f"colbert:{FOLDER}/model").encode_queries(texts), expected, "query"
    )


def test_documents_are_those_of_pylate(texts: list[str], expected: Mapping[str, Any]) -> None:
    found = Encoders().multivector(f"colbert:{FOLDER}/model").encode_documents(texts)
    check(found, expected, "document")
