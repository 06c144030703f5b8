"""Every kernel over centroids gives the oracle's answer, on every instruction set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.index import _native
from lexmax.index import oracle_centroids as oracle
from lexmax.index.centroid_index import CentroidIndex, CentroidLists
from lexmax.index.centroid_training import train_centroids
from lexmax.index.centroids import Centroids, QuantisedRows, unit

PATHS = _native.available_paths()


def vectors(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    return unit(rng.standard_normal((n, dim)).astype(np.float32))


def index_of(rng: np.random.Generator, *, n_docs: int, n_centroids: int, dim: int) -> CentroidIndex:
    centroids = Centroids(
        vectors(rng, n_centroids, dim).astype(np.float16),
        vectors(rng, 1, dim).astype(np.float16),
        np.array([0, n_centroids]),
    )
    lengths = rng.integers(0, 9, n_docs)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    codes = rng.integers(0, n_centroids, offsets[-1]).astype(np.uint16)
    starts = np.empty(n_centroids * -(-n_docs // 65536) + 1, np.int64)
    _native.centroid_count_lists(codes, offsets, n_centroids, starts)
    docs = np.empty(starts[-1], np.uint16)
    _native.centroid_fill_lists(codes, offsets, n_centroids, starts, docs)
    return CentroidIndex(centroids, codes, offsets, 0.0, CentroidLists(starts, docs))


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 90), st.integers(1, 150), st.integers(1, 200))
def test_tokens_go_to_the_nearest_centroid(
    path: str, seed: int, n: int, n_centroids: int, dim: int
) -> None:
    rng = np.random.default_rng(seed)
    found = vectors(rng, n_centroids, dim)
    # Equal centroids must tie to the smaller.
    found[n_centroids // 2 :: 3] = found[0]
    centroids = Centroids(
        found.astype(np.float16), found[:1].astype(np.float16), np.array([0, n_centroids])
    )
    rows = QuantisedRows.of(vectors(rng, n, dim))
    assigned = centroids.assign(rows, path=path, threads=1 + seed % 3)
    directions = QuantisedRows.of(unit(centroids.vectors.astype(np.float32)))
    assert np.array_equal(assigned, oracle.nearest(rows, directions))


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 70), st.integers(1, 100), st.integers(1, 140))
def test_the_table_has_the_oracles_bytes(
    path: str, seed: int, n_queries: int, n_centroids: int, dim: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = QuantisedRows.of(vectors(rng, n_centroids, dim))
    queries = QuantisedRows.of(vectors(rng, n_queries, dim))
    low = rng.uniform(-0.2, 0.2, n_queries).astype(np.float32)
    table = np.full((n_centroids, -(-n_queries // 32) * 32), 7, np.uint8)
    args = rows.codes, rows.scales, queries.codes, queries.scales, low, 0.004
    _native.centroid_table(*args, table, path)
    assert np.array_equal(table[:, :n_queries], oracle.table(rows, queries, low, 0.004))
    assert not table[:, n_queries:].any()


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 40), st.integers(1, 70))
def test_scans_and_probes_find_the_oracles_documents(
    path: str, seed: int, n_docs: int, n_centroids: int, n_queries: int
) -> None:
    rng = np.random.default_rng(seed)
    index = index_of(rng, n_docs=n_docs, n_centroids=n_centroids, dim=8)
    # Few different bytes, so that there are ties.
    table = np.zeros((n_centroids, -(-n_queries // 32) * 32), np.uint8)
    table[:, :n_queries] = rng.integers(0, 6, (n_centroids, n_queries))
    alive = None if seed % 2 else rng.random(n_docs) < 0.6
    living = np.ones(n_docs, bool) if alive is None else alive
    n = int(rng.integers(1, n_docs + 1))
    scores = oracle.scores(table, index.codes, index.offsets)
    expected = oracle.best(scores, n, findable=living & (np.diff(index.offsets) > 0))
    assert_equal(index.scan(table, n, alive=alive, path=path), expected)

    some = np.flatnonzero(rng.random(n_docs) < 0.5)
    of_some = np.isin(np.arange(n_docs), some)
    found = index.scan(table, n, ordinals=some, path=path)
    assert_equal(found, oracle.best(scores, n, findable=of_some))

    n_probes = int(rng.integers(1, n_centroids + 2))
    wanted = {"n_queries": n_queries, "n_probes": n_probes}
    gained = oracle.probe_scores(table, index.codes, index.offsets, **wanted)
    found = index.probe(table, n, **wanted, alive=alive, path=path)
    assert_equal(found, oracle.best(gained, n, findable=living & (gained > 0)))


def assert_equal(found: tuple[np.ndarray, ...], expected: tuple[np.ndarray, ...]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 200), st.integers(1, 300))
def test_training_gives_what_was_asked_for(seed: int, n: int, n_centroids: int) -> None:
    sample = QuantisedRows.of(vectors(np.random.default_rng(seed), n, 12))
    centroids = train_centroids(sample, n_centroids, seed=seed)
    again = train_centroids(sample, n_centroids, seed=seed, threads=3)
    assert len(centroids) == min(n, n_centroids)
    assert np.array_equal(centroids.vectors, again.vectors)
    assert np.isfinite(centroids.vectors).all()
