"""Fixtures that every kind of test shares."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xxhash

from lexmax.encoders import Encoders
from lexmax.encoders.loading import Recipe
from lexmax.types import TokenBatch

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real collections (BEIR layout); they do not come with the repository."""
    path = Path(os.environ.get("LEXMAX_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(
            f"no collections at {path}; set LEXMAX_TEST_DATA to a folder of BEIR collections"
        )
    return path


class WordVectors:
    """A token encoder that costs nothing: each word has a random unit vector of its own."""

    dim = 16
    spec = "minilm"
    fingerprint = "word vectors"

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        rows = [
            np.array([self._vector(word) for word in text.lower().split()], np.float32)
            for text in texts
        ]
        return TokenBatch.from_rows([row.reshape(-1, self.dim) for row in rows], self.dim)

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        return self.encode_documents(texts)

    def _vector(self, word: str) -> np.ndarray:
        seed = xxhash.xxh32_intdigest(word.encode())
        vector = np.random.default_rng(seed).standard_normal(self.dim)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.fixture
def cheap_encoders() -> Encoders:
    """The real bm25, and word vectors in the place of a neural encoder."""
    return Encoders(multivector={"minilm": Recipe({}, lambda values: WordVectors())})
