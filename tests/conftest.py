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

    def token_texts(self, texts: Sequence[str], *, queries: bool) -> list[list[str]]:
        return [text.lower().split() for text in texts]

    def _vector(self, word: str) -> np.ndarray:
        seed = xxhash.xxh32_intdigest(word.encode())
        vector = np.random.default_rng(seed).standard_normal(self.dim)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


class MeanVectors:
    """A dense encoder that costs nothing: the mean of a text's word vectors."""

    dim = WordVectors.dim
    spec = "minilm-pooled"
    fingerprint = "means of word vectors"

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        batch = WordVectors().encode_documents(texts)
        means = [batch.row(i).sum(axis=0) / max(1, len(batch.row(i))) for i in range(len(batch))]
        return np.array(means, np.float32).reshape(-1, self.dim)

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self.encode_documents(texts)


@pytest.fixture
def cheap_encoders() -> Encoders:
    """The real bm25, and word vectors in the place of neural encoders."""
    return Encoders(
        multivector={"minilm": Recipe({}, lambda values: WordVectors())},
        dense={"minilm-pooled": Recipe({}, lambda values: MeanVectors())},
    )
