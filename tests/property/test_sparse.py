import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.index import oracle_sparse
from lexmax.index.sparse import SparseIndex
from lexmax.types import Hits, SparseBatch

_TERMS = st.one_of(st.integers(0, 12), st.integers(2**32 - 4, 2**32 - 1))
_ROUND = st.sampled_from([0.25, 0.5, 1.0, 1.0000001, 2.0])
_ANY = st.floats(min_value=2.0**-149, max_value=3.4028234663852886e38, width=32)
_CLOSE = st.floats(min_value=1.0, max_value=1.00390625, width=32)
_WEIGHTS = st.sampled_from([_ROUND, _CLOSE, _ANY])


def _batches(max_rows: int) -> st.SearchStrategy[SparseBatch]:
    rows = _WEIGHTS.flatmap(
        lambda weights: st.lists(st.dictionaries(_TERMS, weights, max_size=8), max_size=max_rows)
    )
    return rows.map(SparseBatch.from_rows)


def _assert_same(found: Hits, expected: Hits) -> None:
    np.testing.assert_array_equal(found.ordinals, expected.ordinals)
    np.testing.assert_array_equal(found.scores.view(np.uint32), expected.scores.view(np.uint32))


@settings(max_examples=300, deadline=None)
@given(
    documents=_batches(40),
    queries=_batches(4),
    k=st.integers(1, 45),
    window_docs=st.sampled_from([1, 2, 3, 7, 16, 65_536]),
    deleted=st.sets(st.integers(0, 39)),
)
def test_native_equals_oracle(
    documents: SparseBatch, queries: SparseBatch, k: int, window_docs: int, deleted: set[int]
) -> None:
    index = SparseIndex.build(documents, window_docs=window_docs)
    alive = np.array([ordinal not in deleted for ordinal in range(len(documents))], dtype=np.bool_)
    _assert_same(index.search(queries, k), oracle_sparse.search(documents, queries, k))
    _assert_same(
        index.search(queries, k, alive=alive),
        oracle_sparse.search(documents, queries, k, alive=alive),
    )


def _weights(rng: np.random.Generator, kind: str, n: int) -> NDArray[np.float32]:
    drawn = {
        "spread": lambda: rng.lognormal(0, 1, n),
        "close": lambda: 1 + rng.random(n) / 300,
        "tied": lambda: rng.integers(1, 4, n),
        "wild": lambda: 10.0 ** rng.uniform(-44, 38, n),
    }
    return np.asarray(drawn[kind](), dtype=np.float32)


def _random_batch(rng: np.random.Generator, n: int, vocabulary: int, kind: str) -> SparseBatch:
    held = rng.random((n, vocabulary)) < rng.uniform(0.02, 0.8, vocabulary)
    indptr = np.concatenate([[0], np.cumsum(held.sum(axis=1))]).astype(np.int64)
    term_ids = np.nonzero(held)[1].astype(np.uint32)
    return SparseBatch(indptr, term_ids, _weights(rng, kind, len(term_ids)))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["spread", "close", "tied", "wild"]),
    query_kind=st.sampled_from(["spread", "close", "tied", "wild"]),
    k=st.sampled_from([1, 10, 300, 2499, 2500]),
    window_docs=st.sampled_from([100, 1000, 65_536]),
)
def test_native_equals_oracle_where_candidates_are_cut(
    seed: int, kind: str, query_kind: str, k: int, window_docs: int
) -> None:
    # The candidate buffer is first cut at 1,024 documents.
    rng = np.random.default_rng(seed)
    documents = _random_batch(rng, 2500, 24, kind)
    queries = _random_batch(rng, 3, 24, query_kind)
    alive = rng.random(2500) < 0.7
    index = SparseIndex.build(documents, window_docs=window_docs)
    _assert_same(
        index.search(queries, k, alive=alive),
        oracle_sparse.search(documents, queries, k, alive=alive),
    )


@settings(deadline=None)
@given(documents=_batches(20), window_docs=st.integers(1, 8))
def test_forward_rows_and_doc_freqs_are_what_was_indexed(
    documents: SparseBatch, window_docs: int
) -> None:
    index = SparseIndex.build(documents, window_docs=window_docs)
    rows = index.weights(np.arange(len(documents)))
    np.testing.assert_array_equal(rows.indptr, documents.indptr)
    np.testing.assert_array_equal(rows.term_ids, documents.term_ids)
    np.testing.assert_array_equal(rows.weights, documents.weights)
    term_ids, counts = np.unique(documents.term_ids, return_counts=True)
    np.testing.assert_array_equal(index.doc_freqs(term_ids), counts)


@settings(deadline=None)
@given(documents=_batches(20))
def test_every_weight_lies_within_the_proven_error_of_its_impact(documents: SparseBatch) -> None:
    index = SparseIndex.build(documents)
    steps = index.steps.astype(np.float64)[index.forward_terms]
    # One window: postings are the forward rows, ordered by term.
    by_term = np.argsort(index.forward_terms, kind="stable")
    weights, steps = index.forward_weights.astype(np.float64)[by_term], steps[by_term]
    impacts = index.impacts.astype(np.float64)
    assert np.all(weights <= steps * (impacts + 0.5) * (1 + 1e-12))
    assert np.all(weights >= steps * (impacts - 1))
