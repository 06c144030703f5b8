import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.index import _native, oracle_pooled
from lexmax.index.pooled import PooledCodec, PooledIndex, PooledPlan, PooledWriter, digits
from lexmax.types import Hits

PATHS = _native.available_paths()
CODECS: tuple[PooledCodec, ...] = ("int8", "fp16")
DIMS = st.one_of(st.integers(1, 140), st.sampled_from([384, 1100]))
SEEDS = st.integers(0, 2**32 - 1)
SEARCHES: dict[str, Any] = {
    "seed": SEEDS,
    "n": st.one_of(st.integers(1, 80), st.integers(1020, 2100)),
    "dim": DIMS,
    "n_queries": st.one_of(st.integers(0, 12), st.sampled_from([31, 33, 70, 300])),
    "k": st.integers(1, 40),
    "share": st.sampled_from([None, 0.0, 0.03, 0.6]),
    "threads": st.integers(1, 3),
}


def _floats(rng: np.random.Generator, n: int, dim: int) -> NDArray[np.float32]:
    """Vectors of very different lengths, some of them zero."""
    lengths = rng.choice([0.0, 1e-3, 1.0, 30.0], (n, 1))
    return (rng.standard_normal((n, dim)) * lengths).astype(np.float32)


def _whole(rng: np.random.Generator, n: int, dim: int) -> NDArray[np.float32]:
    """Vectors of few whole numbers: products are exact in any order, and many are equal."""
    return (rng.integers(-1, 2, (n, dim)) * (rng.random((n, 1)) < 0.9)).astype(np.float32)


def _alive(rng: np.random.Generator, n: int, share: float | None) -> NDArray[np.bool_] | None:
    return None if share is None else rng.random(n) < share


def _same(found: Hits, expected: Hits) -> None:
    np.testing.assert_array_equal(found.ordinals, expected.ordinals)
    np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=40, deadline=None)
@given(**SEARCHES)
def test_bytes_are_searched_as_the_oracle_does(
    path: str,
    seed: int,
    n: int,
    dim: int,
    n_queries: int,
    k: int,
    share: float | None,
    threads: int,
) -> None:
    rng = np.random.default_rng(seed)
    make = _whole if seed % 2 else _floats
    index, queries = PooledIndex.from_vectors(make(rng, n, dim)), make(rng, n_queries, dim)
    alive = _alive(rng, n, share)
    found = index.search(queries, k, alive=alive, threads=threads, path=path)
    _same(found, oracle_pooled.search(queries, index.codes, index.scales, k, alive=alive))


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=40, deadline=None)
@given(**SEARCHES)
def test_halves_are_searched_as_the_oracle_does(
    path: str,
    seed: int,
    n: int,
    dim: int,
    n_queries: int,
    k: int,
    share: float | None,
    threads: int,
) -> None:
    rng = np.random.default_rng(seed)
    index = PooledIndex.from_vectors(_whole(rng, n, dim), codec="fp16")
    queries, alive = _whole(rng, n_queries, dim), _alive(rng, n, share)
    found = index.search(queries, k, alive=alive, threads=threads, path=path)
    _same(found, oracle_pooled.search(queries, index.codes, None, k, alive=alive))


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, n=st.integers(1, 90), dim=DIMS)
def test_scores_are_products_with_what_is_stored(
    codec: PooledCodec, seed: int, n: int, dim: int
) -> None:
    rng = np.random.default_rng(seed)
    index, query = PooledIndex.from_vectors(_floats(rng, n, dim), codec=codec), _floats(rng, 1, dim)
    ordinals = rng.integers(0, n, 50)
    stored = index.vectors(ordinals).astype(np.float64)
    scores = index.score(query[0], ordinals)
    empty = ~stored.any(axis=1)
    assert np.all(scores[empty] == -np.inf)
    # What float32 may be off by: half a unit in the last place for every product and sum.
    error = (dim + 2) * 2.0**-24 * (np.abs(stored) @ np.full(dim, np.abs(query).max()))
    exact = stored @ query[0].astype(np.float64)
    assert np.all(np.abs(scores - exact)[~empty] <= error[~empty] + 1e-40)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, n=st.integers(1, 200), dim=DIMS, n_queries=st.integers(1, 80))
def test_a_batch_finds_what_each_query_finds_alone(
    codec: PooledCodec, path: str, seed: int, n: int, dim: int, n_queries: int
) -> None:
    rng = np.random.default_rng(seed)
    index = PooledIndex.from_vectors(_floats(rng, n, dim), codec=codec)
    queries = _floats(rng, n_queries, dim)
    hits = index.search(queries, 10, path=path)
    for i in (0, n_queries // 2, n_queries - 1):
        alone = index.search(queries[i : i + 1], 10, path=path)
        _same(Hits(hits.ordinals[i : i + 1], hits.scores[i : i + 1]), alone)
        ordinals, scores = alone.row(0)
        np.testing.assert_array_equal(index.score(queries[i], ordinals, path=path), scores)


@given(seed=SEEDS, dim=DIMS)
def test_digits_are_24_bits_of_a_query(seed: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    queries = _floats(rng, 5, dim)
    (first, second, last), units = (part.astype(np.float64) for part in digits(queries))
    stood_for = (first * 65536 + second * 256 + last) * units[:, None]
    assert np.all(np.abs(stood_for - queries) <= 0.500001 * units[:, None])


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, n=st.integers(0, 40), cuts=st.lists(st.integers(0, 40), max_size=4))
def test_what_is_written_in_parts_is_read_whole(
    codec: PooledCodec, seed: int, n: int, cuts: list[int]
) -> None:
    vectors = _floats(np.random.default_rng(seed), n, 7)
    bounds = sorted({0, n, *(min(cut, n) for cut in cuts)})
    expected = PooledIndex.from_vectors(vectors, codec=codec)
    with tempfile.TemporaryDirectory() as folder:
        writer = PooledWriter(Path(folder), PooledPlan(7, codec))
        for start, stop in pairwise(bounds):
            state = writer.checkpoint()
            writer.append(np.ones((3, 7), np.float32))  # Lost in a crash.
            writer = PooledWriter.resume(Path(folder), state)
            if seed % 2:
                writer.append(vectors[start:stop])
            else:
                writer.append_stored(expected.rows(np.arange(start, stop)))
        writer.close()
        index = PooledIndex.open(Path(folder), writer.parameters())
        np.testing.assert_array_equal(index.codes, expected.codes)
        np.testing.assert_array_equal(index.vectors(np.arange(n)), expected.vectors(np.arange(n)))
