"""A few documents pay for the centroids that they meet, and score what they would among all."""

import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.index import _native
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch

N_DOCS = 24


def store_of(
    rng: np.random.Generator, dim: int, codec: Literal["residual4", "residual2"], n_centroids: int
) -> TokenStore:
    rows = [rng.standard_normal((int(rng.integers(0, 20)), dim)) for _ in range(N_DOCS)]
    batch = TokenBatch.from_rows([row.astype(np.float32) for row in rows], dim)
    centroids = rng.standard_normal((n_centroids, dim)).astype(np.float32)
    # The last one too, which stands for those that there are not.
    assigned = rng.integers(0, n_centroids, len(batch.vectors)).astype(np.uint16)
    assigned[:1] = n_centroids - 1
    plain = TokenStore.from_batch(batch, codec="fp16")
    with tempfile.TemporaryDirectory() as folder:
        mapped = TokenStore.recoded(
            Path(folder), plain, codec=codec, centroids=centroids, assigned=assigned
        )
        return mapped.rows(np.arange(N_DOCS))


@pytest.mark.parametrize("path", _native.available_paths())
@settings(max_examples=25, deadline=None)
@given(
    dim=st.sampled_from([3, 32, 65, 128]),
    n_query=st.sampled_from([0, 1, 17, 32, 33]),
    codec=st.sampled_from(["residual4", "residual2"]),
    n_centroids=st.integers(100, 400),
    seed=st.integers(0, 2**32 - 1),
)
def test_one_document_scores_as_it_does_among_all(
    path: str,
    dim: int,
    n_query: int,
    codec: Literal["residual4", "residual2"],
    n_centroids: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    store = store_of(rng, dim, codec, n_centroids)
    query = rng.standard_normal((n_query, dim)).astype(np.float32)
    # Twice as many tokens as centroids and more, so that all centroids are met.
    several = np.tile(np.arange(N_DOCS), 3)
    together = store.maxsim(query, several, path=path)[:N_DOCS]
    for ordinal in range(N_DOCS):
        alone = store.maxsim(query, np.array([ordinal]), path=path)
        np.testing.assert_array_equal(alone, together[ordinal : ordinal + 1])
    some = rng.permutation(N_DOCS)[:3]
    ordinals, scores = store.best(query, some, 3, path=path)
    np.testing.assert_array_equal(scores, together[ordinals])
