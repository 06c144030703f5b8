from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.index.pooled import PooledIndex
from lexmax.index.segment import Segment
from lexmax.index.snapshot import Snapshot
from lexmax.index.token_codec import decode, encode
from lexmax.types import SparseBatch, TokenBatch

DIM = 5
CASES = {
    "seed": st.integers(0, 2**32 - 1),
    "sizes": st.lists(st.integers(1, 9), min_size=1, max_size=4),
    "lacking": st.booleans(),
}


class Documents:
    """Random documents in segments, of which one may lack every signal."""

    def __init__(self, seed: int, sizes: list[int], *, lacking: bool) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.n = n = sum(sizes)
        self.sparse = SparseBatch.from_rows([_terms(rng) for _ in range(n)])
        rows = [rng.standard_normal((rng.integers(0, 4), DIM)) for _ in range(n)]
        self.tokens = TokenBatch.from_rows([row.astype(np.float32) for row in rows], DIM)
        empty = rng.random((n, 1)) < 0.2
        self.pooled = np.where(empty, 0, rng.standard_normal((n, DIM))).astype(np.float32)
        bounds = np.concatenate([[0], np.cumsum(sizes)])
        segments = [self._segment(a, b) for a, b in pairwise(bounds.tolist())]
        self.has = np.ones(n, np.bool_)
        if lacking:
            segments[0] = Segment(segments[0].serials, None, None)
            self.has[: sizes[0]] = False
        self.deleted = np.flatnonzero(rng.random(n) < 0.2)
        self.snapshot = Snapshot.of(1, segments, self.deleted)

    def _segment(self, start: int, stop: int) -> Segment:
        return Segment.in_memory(
            np.arange(start, stop),
            self.sparse.slice(start, stop),
            self.tokens.slice(start, stop),
            self.pooled[start:stop],
        )

    @property
    def some(self) -> NDArray[np.int64]:
        return self.rng.integers(0, self.n, self.rng.integers(0, 12))


def _terms(rng: np.random.Generator) -> dict[int, float]:
    terms = rng.choice(12, rng.integers(0, 6), replace=False)
    return {int(term): float(rng.random() + 0.01) for term in terms}


@settings(deadline=None)
@given(**CASES)
def test_rows_are_what_was_encoded(seed: int, sizes: list[int], lacking: bool) -> None:
    documents = Documents(seed, sizes, lacking=lacking)
    ordinals, snapshot = documents.some, documents.snapshot
    terms, tokens = snapshot.sparse_rows(ordinals), snapshot.token_rows(ordinals)
    vectors = snapshot.pooled_rows(ordinals)
    stored = decode(*encode(documents.tokens.vectors, "int8"))
    assert (len(terms), len(tokens), len(vectors)) == (len(ordinals),) * 3
    for i, ordinal in enumerate(ordinals):
        if not documents.has[ordinal]:
            assert (len(terms.row(i)[0]), len(tokens.row(i)), vectors[i].any()) == (0, 0, False)
            continue
        for found, expected in zip(terms.row(i), documents.sparse.row(ordinal), strict=True):
            np.testing.assert_array_equal(found, expected)
        first, last = documents.tokens.offsets[ordinal], documents.tokens.offsets[ordinal + 1]
        np.testing.assert_array_equal(tokens.row(i), stored[first:last])
        expected = decode(*encode(documents.pooled[ordinal][None], "int8"))[0]
        np.testing.assert_array_equal(vectors[i], expected)


@settings(deadline=None)
@given(**CASES)
def test_scores_are_the_bits_of_searches(seed: int, sizes: list[int], lacking: bool) -> None:
    documents = Documents(seed, sizes, lacking=lacking)
    snapshot, rng = documents.snapshot, documents.rng
    terms = SparseBatch.from_rows([_terms(rng)])
    query = rng.standard_normal((1, DIM)).astype(np.float32)
    everything = np.arange(documents.n)
    for hits, scores, none in (
        (
            snapshot.search_sparse(terms, documents.n),
            snapshot.score_sparse(terms.row(0), everything),
            0.0,
        ),
        (
            snapshot.search_pooled(query, documents.n),
            snapshot.score_pooled(query[0], everything),
            -np.inf,
        ),
    ):
        ordinals, found = hits.row(0)
        np.testing.assert_array_equal(found, scores[ordinals])
        left = np.setdiff1d(everything, np.union1d(ordinals, documents.deleted))
        assert (scores[left] == none).all()
        assert (scores[~documents.has] == none).all()


@settings(deadline=None)
@given(**CASES)
def test_segments_find_what_one_would_find(seed: int, sizes: list[int], lacking: bool) -> None:
    documents = Documents(seed, sizes, lacking=lacking)
    queries = documents.rng.standard_normal((3, DIM)).astype(np.float32)
    vectors = np.where(documents.has[:, None], documents.pooled, 0).astype(np.float32)
    whole = PooledIndex.from_vectors(vectors)
    alive = ~np.isin(np.arange(documents.n), documents.deleted)
    found = documents.snapshot.search_pooled(queries, 7, threads=2)
    expected = whole.search(queries, 7, alive=alive)
    np.testing.assert_array_equal(found.ordinals, expected.ordinals)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_a_snapshot_without_a_signal_has_empty_rows() -> None:
    snapshot = Snapshot.of(1, [Segment(np.arange(3), None, None)], np.zeros(0, np.int64))
    ordinals = np.array([2, 0])
    assert len(snapshot.sparse_rows(ordinals)) == 2
    assert len(snapshot.token_rows(ordinals)) == 2
    assert snapshot.pooled_rows(ordinals).shape == (2, 0)
    assert (
        snapshot.search_pooled(np.ones((2, 4), np.float32), 2).ordinals.tolist() == [[-1] * 2] * 2
    )
    nobody = replace(snapshot, parts=())
    assert nobody.pooled_rows(np.zeros(0, np.int64)).shape == (0, 0)
