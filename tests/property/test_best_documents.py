import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.errors import CorruptionError
from lexmax.index import _native
from lexmax.index.token_codec import Codec
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch, best_first

PATHS = _native.available_paths()
_SEEDS = st.integers(0, 2**32 - 1)
_CODECS: st.SearchStrategy[Codec] = st.sampled_from(["int8", "fp16", "residual4", "residual2"])


def _store(rng: np.random.Generator, n_docs: int, dim: int, codec: Codec) -> TokenStore:
    # Few small integers: many scores tie.
    rows = [rng.integers(-1, 2, (int(rng.integers(0, 5)), dim)) for _ in range(n_docs)]
    batch = TokenBatch.from_rows([row.astype(np.float32) for row in rows], dim)
    if codec in ("int8", "fp16"):
        return TokenStore.from_batch(batch, codec=codec)
    centroids = rng.integers(-1, 2, (3, dim)).astype(np.float32)
    assigned = rng.integers(0, 3, len(batch.vectors)).astype(np.uint16)
    plain = TokenStore.from_batch(batch)
    with tempfile.TemporaryDirectory() as folder:
        mapped = TokenStore.recoded(
            Path(folder), plain, codec=codec, centroids=centroids, assigned=assigned
        )
        return mapped.rows(np.arange(n_docs))


def _query(rng: np.random.Generator, n: int, dim: int) -> NDArray[np.float32]:
    # The first tokens decide, so that the rest of a query can be left out.
    weights = np.where(np.arange(n) < 20, 8.0, rng.choice([0.0, 0.1, 1.0]))
    return (rng.integers(-1, 2, (n, dim)) * weights[:, None]).astype(np.float32)


def _expected(
    store: TokenStore,
    query: NDArray[np.float32],
    ordinals: NDArray[np.int64],
    k: int,
    alive: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    wanted = store.offsets[ordinals + 1] > store.offsets[ordinals]
    if alive is not None:
        wanted &= alive[ordinals]
    some = ordinals[wanted & (len(query) > 0)]
    return best_first(some, store.maxsim(query, some), k)


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=40, deadline=None)
@given(
    seed=_SEEDS,
    codec=_CODECS,
    n_query=st.one_of(st.integers(0, 40), st.sampled_from([64, 65, 100, 200])),
    k=st.integers(0, 30),
    threads=st.sampled_from([1, 3]),
    chosen=st.booleans(),
    masked=st.booleans(),
)
def test_the_best_are_those_of_all_scores(
    path: str,
    seed: int,
    codec: Codec,
    n_query: int,
    k: int,
    threads: int,
    chosen: bool,
    masked: bool,
) -> None:
    rng = np.random.default_rng(seed)
    n_docs, dim = int(rng.integers(0, 150)), int(rng.integers(1, 20))
    store, query = _store(rng, n_docs, dim, codec), _query(rng, n_query, dim)
    ordinals = rng.permutation(n_docs)[: n_docs // 2] if chosen else None
    alive = rng.random(n_docs) < 0.6 if masked else None
    found = store.best(query, ordinals, k, alive=alive, path=path, threads=threads)
    some = np.arange(n_docs) if ordinals is None else ordinals
    expected = _expected(store, query, some, k, alive)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60, deadline=None)
@given(
    seed=_SEEDS,
    codec=_CODECS,
    threads=st.sampled_from([1, 2, 3]),
    n_lists=st.integers(0, 4),
    masked=st.booleans(),
)
def test_a_batch_is_its_queries(
    path: str, seed: int, codec: Codec, threads: int, n_lists: int, masked: bool
) -> None:
    rng = np.random.default_rng(seed)
    store = _store(rng, 60, 6, codec)
    rows = [_query(rng, int(rng.integers(0, 50)), 6) for _ in range(int(rng.integers(0, 30)))]
    alive = rng.random(60) < 0.6 if masked else None
    # Neighbours in a batch may look at the same documents, and then stand side by side.
    lists = [rng.permutation(60)[: int(rng.integers(0, 60))] for _ in range(n_lists)]
    ordinals = [lists[int(rng.integers(0, n_lists))] for _ in rows] if lists else None
    hits = store.best_of_batch(
        TokenBatch.from_rows(rows, 6), ordinals, 7, alive=alive, path=path, threads=threads
    )
    assert hits.ordinals.shape == (len(rows), 7)
    for i, row in enumerate(rows):
        some = np.arange(60) if ordinals is None else ordinals[i]
        one, scores = _expected(store, row, some, 7, alive)
        np.testing.assert_array_equal(hits.ordinals[i, : len(one)], one)
        np.testing.assert_array_equal(hits.scores[i, : len(one)], scores)
        assert (hits.scores[i, len(one) :] == -np.inf).all()


def test_long_queries_beside_short_ones_in_one_batch() -> None:
    # More tokens than one tile holds, in queries that begin and end within blocks.
    rng = np.random.default_rng(3)
    store = _store(rng, 40, 5, "int8")
    rows = [_query(rng, n, 5) for n in (0, 700, 3, 29, 0, 1, 31, 32, 33, 64, 500, 600, 2, 0)]
    hits = store.best_of_batch(TokenBatch.from_rows(rows, 5), None, 9)
    for i, row in enumerate(rows):
        one, scores = _expected(store, row, np.arange(40), 9, None)
        np.testing.assert_array_equal(hits.ordinals[i, : len(one)], one)
        np.testing.assert_array_equal(hits.scores[i, : len(one)], scores)


def test_a_batch_tells_of_numbers_that_are_none() -> None:
    batch = TokenBatch.from_rows([np.eye(4, dtype=np.float32)] * 3, 4)
    store = TokenStore.from_batch(batch)
    assert store.scales is not None
    store.scales[4:8] = np.nan
    with pytest.raises(CorruptionError, match="NaN"):
        store.best_of_batch(batch, None, 2)


@settings(max_examples=40, deadline=None)
@given(seed=_SEEDS, n_query=st.integers(33, 150), path=st.sampled_from(PATHS))
def test_documents_like_the_query_are_not_dropped(seed: int, n_query: int, path: str) -> None:
    # The bound is met exactly: every query token is a document's token, and all norms are equal.
    rng = np.random.default_rng(seed)
    query = np.eye(8, dtype=np.float32)[rng.integers(0, 8, n_query)]
    rows = [
        np.eye(8, dtype=np.float32)[rng.permutation(8)[: rng.integers(5, 9)]] for _ in range(90)
    ]
    for codec in ("int8", "fp16"):
        store = TokenStore.from_batch(
            TokenBatch.from_rows(rows, 8), codec="fp16" if codec == "fp16" else "int8"
        )
        found = store.best(query, None, 5, path=path)
        expected = _expected(store, query, np.arange(90), 5, None)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


@settings(max_examples=30, deadline=None)
@given(seed=_SEEDS, codec=_CODECS, threads=st.sampled_from([2, 3, 5]))
def test_threads_change_no_score(seed: int, codec: Codec, threads: int) -> None:
    rng = np.random.default_rng(seed)
    store, query = _store(rng, 200, 9, codec), _query(rng, 40, 9)
    ordinals = rng.integers(0, 200, 300)
    one = store.maxsim(query, ordinals)
    np.testing.assert_array_equal(store.maxsim(query, ordinals, threads=threads), one)
