"""Whatever the documents, queries, path and threads, hits are the oracle's, to the last bit."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.index import _native, oracle_sparse
from lexmax.index.engines import parse_engine
from lexmax.index.sparse import SparseIndex
from lexmax.types import SparseBatch

_TERMS = st.one_of(st.integers(0, 12), st.integers(2**32 - 4, 2**32 - 1))
_ROUND = st.sampled_from([0.25, 0.5, 1.0, 1.0000001, 2.0])
_ANY = st.floats(min_value=2.0**-149, max_value=3.4028234663852886e38, width=32)
_CLOSE = st.floats(min_value=1.0, max_value=1.00390625, width=32)
_WEIGHTS = st.sampled_from([_ROUND, _CLOSE, _ANY])
_SEEDS = st.integers(0, 2**32 - 1)
_KINDS = st.sampled_from(["spread", "skewed", "close", "tied", "levels", "above", "wild"])


def _batches(max_rows: int) -> st.SearchStrategy[SparseBatch]:
    rows = _WEIGHTS.flatmap(
        lambda weights: st.lists(st.dictionaries(_TERMS, weights, max_size=8), max_size=max_rows)
    )
    return rows.map(SparseBatch.from_rows)


def _assert_exact(
    documents: SparseBatch,
    queries: SparseBatch,
    k: int,
    *,
    window_docs: int,
    alive: NDArray[np.bool_] | None = None,
) -> None:
    """Every path and number of threads gives the oracle's ordinals and bits."""
    expected = oracle_sparse.search(documents, queries, k, alive=alive)
    index = SparseIndex.build(documents, window_docs=window_docs)
    for path in _native.available_paths():
        for threads in (1, 2, 3):
            found = index.search(queries, k, alive=alive, threads=threads, path=path)
            where = f"{path}, {threads} threads"
            np.testing.assert_array_equal(found.ordinals, expected.ordinals, where)
            np.testing.assert_array_equal(
                found.scores.view(np.uint32), expected.scores.view(np.uint32), where
            )


@settings(max_examples=200, deadline=None)
@given(
    documents=_batches(40),
    queries=_batches(4),
    k=st.integers(1, 45),
    window_docs=st.sampled_from([1, 2, 4, 16, 32_768]),
    deleted=st.none() | st.sets(st.integers(0, 39)),
)
def test_small_collections(
    documents: SparseBatch,
    queries: SparseBatch,
    k: int,
    window_docs: int,
    deleted: set[int] | None,
) -> None:
    alive = None
    if deleted is not None:
        alive = np.array([i not in deleted for i in range(len(documents))], dtype=np.bool_)
    _assert_exact(documents, queries, k, window_docs=window_docs, alive=alive)


def _weights(rng: np.random.Generator, kind: str, n: int) -> NDArray[np.float32]:
    drawn = {
        "spread": lambda: rng.lognormal(0, 1, n),
        "skewed": lambda: rng.lognormal(0, 4, n),
        "close": lambda: 1 + rng.random(n) / 300,
        "tied": lambda: rng.integers(1, 4, n),
        # Whole levels, if a term's largest weight is 255: upper bounds are scores.
        "levels": lambda: rng.choice([1, 2, 3, 50, 254, 255], n),
        # Just above a level: scores lie as far below their upper bounds as they can.
        "above": lambda: rng.choice([1.001, 2.001, 255], n, p=[0.7, 0.2, 0.1]),
        "wild": lambda: 10.0 ** rng.uniform(-44, 38, n),
    }
    return np.asarray(drawn[kind](), dtype=np.float32)


def _collection(
    rng: np.random.Generator, n: int, shares: NDArray[np.floating], kind: str
) -> SparseBatch:
    """n rows; term t is in about `shares[t]` of them."""
    held = rng.random((n, len(shares))) < shares
    indptr = np.concatenate([[0], np.cumsum(held.sum(axis=1))]).astype(np.int64)
    term_ids = np.nonzero(held)[1].astype(np.uint32)
    return SparseBatch(indptr, term_ids, _weights(rng, kind, len(term_ids)))


@settings(max_examples=300, deadline=None)
@given(
    seed=_SEEDS,
    kind=_KINDS,
    query_kind=_KINDS,
    n_docs=st.sampled_from([127, 128, 129, 700, 2500]),
    n_queries=st.sampled_from([1, 3, 33, 70]),
    k=st.sampled_from([1, 2, 10, 64, 300, 2499, 2500, 2501]),
    window_docs=st.sampled_from([1, 16, 128, 512, 2048, 32_768]),
    share_alive=st.sampled_from([1.0, 0.7, 0.05, 0.003, 0.0]),
)
def test_collections_with_rare_and_frequent_terms(
    seed: int,
    kind: str,
    query_kind: str,
    n_docs: int,
    n_queries: int,
    k: int,
    window_docs: int,
    share_alive: float,
) -> None:
    rng = np.random.default_rng(seed)
    # From terms in a few documents to those in most, which have dense rows.
    shares = 0.9 ** rng.uniform(1, 60, 24)
    documents = _collection(rng, n_docs, shares, kind)
    queries = _collection(rng, n_queries, rng.uniform(0.1, 1, 26), query_kind)
    alive = None if share_alive == 1 else rng.random(n_docs) < share_alive
    _assert_exact(documents, queries, k, window_docs=window_docs, alive=alive)


@settings(max_examples=150, deadline=None)
@given(
    seed=_SEEDS,
    kind=_KINDS,
    n_terms=st.integers(1, 3),
    n_docs=st.integers(128, 1500),
    k=st.sampled_from([1, 5, 100, 1500]),
    window_docs=st.sampled_from([128, 256, 32_768]),
)
def test_few_terms_of_nearly_all_documents(
    seed: int, kind: str, n_terms: int, n_docs: int, k: int, window_docs: int
) -> None:
    """One posting may add more than 8 bits to a sum."""
    rng = np.random.default_rng(seed)
    documents = _collection(rng, n_docs, rng.uniform(0.2, 1, n_terms), kind)
    queries = _collection(rng, 4, np.full(n_terms, 0.9), "spread")
    _assert_exact(documents, queries, k, window_docs=window_docs)


@settings(max_examples=40, deadline=None)
@given(
    seed=_SEEDS,
    k=st.sampled_from([1, 2, 7, 20]),
    n_heavy=st.integers(20, 90),
    window_docs=st.sampled_from([16, 256, 32_768]),
)
def test_scores_that_differ_in_their_last_digits(
    seed: int, k: int, n_heavy: int, window_docs: int
) -> None:
    """A heavy rare term lifts some documents; light terms decide among them."""
    rng = np.random.default_rng(seed)
    rows = [{9: 1.0} for _ in range(2000)]
    heavy = rng.choice(2000, n_heavy, replace=False)
    for ordinal in [*heavy, *rng.choice(2000, 10)]:
        rows[ordinal] = {t: 255.0 for t in range(1, 6) if rng.random() < 0.5}
    for ordinal in heavy:
        rows[ordinal][0] = 255.0
    queries = [{0: 1.0} | {t: 3e-4 * float(rng.random()) for t in range(1, 6)} for _ in range(4)]
    _assert_exact(
        SparseBatch.from_rows(rows), SparseBatch.from_rows(queries), k, window_docs=window_docs
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=_SEEDS,
    k=st.integers(32, 200),
    n_terms=st.integers(2, 8),
    window_docs=st.sampled_from([32, 128, 1024]),
)
def test_documents_that_mislead(seed: int, k: int, n_terms: int, window_docs: int) -> None:
    """The first k - 1 score as much as postings promise, those after them half of it.

    The k-th best come last and promise less than those: whoever expects the k-th score to be
    what the first documents suggest misses them.
    """
    rng = np.random.default_rng(seed)
    half = n_terms // 2
    promise = np.full(n_terms, 2.0)
    even = np.concatenate([promise[:half], np.ones(n_terms - half)])
    weights = [
        # A weight of 255 for each term makes levels of whole numbers.
        255 * np.eye(n_terms),
        np.tile(promise + 1, (k - 1 - n_terms, 1)),
        # A little above 1 is rounded up to 2.
        np.tile(promise / 2, (3 * k + 200, 1)) + rng.uniform(0.001, 0.01, (3 * k + 200, 1)),
        np.tile(even, (50, 1)),
    ]
    rows = [dict(enumerate(map(float, row))) for row in np.concatenate(weights)]
    queries = SparseBatch.from_rows([{t: 1.0 + t / 100 for t in range(n_terms)}] * 3)
    _assert_exact(SparseBatch.from_rows(rows), queries, k, window_docs=window_docs)


@settings(max_examples=60, deadline=None)
@given(
    seed=_SEEDS,
    k=st.integers(60, 1200),
    share=st.sampled_from([0.02, 0.1, 0.3, 0.9]),
    n_first=st.sampled_from([3000, 4100, 5000, 8000]),
    rest=st.sampled_from(["alike", "nothing", "worse", "better"]),
    window_docs=st.sampled_from([64, 1024, 4096, 32_768]),
    share_alive=st.sampled_from([1.0, 0.8]),
)
def test_a_beginning_that_the_rest_is_not_like(
    seed: int,
    k: int,
    share: float,
    n_first: int,
    rest: str,
    window_docs: int,
    share_alive: float,
) -> None:
    """Whoever takes the first thousands of documents for a sample is wrong about the others."""
    rng = np.random.default_rng(seed)
    shares = share * rng.uniform(0.2, 1, 6)
    first = _collection(rng, n_first, shares, "spread")
    factor = {"alike": 1.0, "nothing": 1.0, "worse": 0.2, "better": 5.0}[rest]
    others = _collection(rng, 4000, shares * (rest != "nothing"), "spread")
    others = SparseBatch(others.indptr, others.term_ids, others.weights * np.float32(factor))
    queries = _collection(rng, 2, np.full(6, 0.8), "spread")
    n_docs = n_first + 4000
    alive = None if share_alive == 1 else rng.random(n_docs) < share_alive
    documents = SparseBatch.concatenate([first, others])
    _assert_exact(documents, queries, k, window_docs=window_docs, alive=alive)


@settings(max_examples=60, deadline=None)
@given(
    seed=_SEEDS,
    kind=_KINDS,
    k=st.sampled_from([1, 10, 300, 2500]),
    window_docs=st.sampled_from([16, 128, 32_768]),
    places=st.lists(st.sampled_from([0, 1, 9, 299, 2499]), min_size=3, max_size=3),
)
def test_no_document_of_the_floor_or_above_is_missing(
    seed: int, kind: str, k: int, window_docs: int, places: list[int]
) -> None:
    """Floors are scores of this rank in the whole, so that some documents tie with them."""
    rng = np.random.default_rng(seed)
    documents = _collection(rng, 2500, 0.9 ** rng.uniform(1, 60, 24), kind)
    queries = _collection(rng, 5, rng.uniform(0.1, 1, 26), "spread")
    ranked = oracle_sparse.search(documents, queries, 2500).scores
    floors = np.append(ranked[[0, 1, 2], places], np.array([-np.inf, np.inf], np.float32))
    index = SparseIndex.build(documents, window_docs=window_docs)
    expected = oracle_sparse.search(documents, queries, k)
    for threads in (1, 2, 3, 7):
        found = index.search(queries, k, floors=floors, threads=threads)
        for i, floor in enumerate(floors):
            n = int(np.sum(expected.scores[i] >= floor))
            np.testing.assert_array_equal(found.ordinals[i, :n], expected.ordinals[i, :n])
            np.testing.assert_array_equal(found.scores[i, :n], expected.scores[i, :n])
            # What comes after it may be anything below the floor.
            assert np.all(found.scores[i, n:] < max(floor, np.float32(-1e38)))


@settings(max_examples=60, deadline=None)
@given(
    seed=_SEEDS,
    kind=_KINDS,
    k=st.sampled_from([1, 10, 300, 2500]),
    window_docs=st.sampled_from([16, 128, 32_768]),
    engine=st.sampled_from(["query-mass?share=0.01", "query-mass", "budget?postings=500"]),
)
def test_what_other_engines_find_is_scored_exactly(
    seed: int, kind: str, k: int, window_docs: int, engine: str
) -> None:
    rng = np.random.default_rng(seed)
    documents = _collection(rng, 2500, 0.9 ** rng.uniform(1, 60, 24), kind)
    queries = _collection(rng, 3, rng.uniform(0.1, 1, 26), "skewed")
    alive = rng.random(2500) < 0.8
    every = oracle_sparse.search(documents, queries, 2500, alive=alive)
    index = SparseIndex.build(documents, window_docs=window_docs)
    for threads in (1, 2, 5):
        found = index.search(queries, k, alive=alive, engine=parse_engine(engine), threads=threads)
        for i in range(3):
            ordinals, scores = found.row(i)
            kept = np.isin(every.ordinals[i], ordinals)
            np.testing.assert_array_equal(every.ordinals[i][kept], ordinals)
            np.testing.assert_array_equal(every.scores[i][kept], scores)


@settings(max_examples=30, deadline=None)
@given(documents=_batches(40), queries=_batches(3), k=st.integers(1, 45))
def test_engines_whose_knob_is_turned_up_are_exact(
    documents: SparseBatch, queries: SparseBatch, k: int
) -> None:
    index = SparseIndex.build(documents, window_docs=2)
    expected = oracle_sparse.search(documents, queries, k)
    for engine in ("query-mass?share=1", "budget?postings=1000000", "auto"):
        found = index.search(queries, k, engine=parse_engine(engine))
        np.testing.assert_array_equal(found.ordinals, expected.ordinals)
        np.testing.assert_array_equal(found.scores, expected.scores)


@settings(max_examples=50, deadline=None)
@given(
    documents=_batches(40),
    window_docs=st.sampled_from([1, 2, 8, 32_768]),
    threads=st.integers(1, 3),
)
def test_written_arrays_are_the_built_ones(
    documents: SparseBatch, window_docs: int, threads: int
) -> None:
    built = SparseIndex.build(documents, window_docs=window_docs)
    with tempfile.TemporaryDirectory() as name:
        SparseIndex.write(Path(name), documents, window_docs=window_docs, threads=threads)
        assert sorted(path.stem for path in Path(name).iterdir()) == sorted(built.arrays)
        for name_of_array, array in built.arrays.items():
            stored = np.load(Path(name) / f"{name_of_array}.npy")
            assert stored.dtype == array.dtype
            np.testing.assert_array_equal(stored, array)


@settings(deadline=None)
@given(documents=_batches(20), window_docs=st.sampled_from([1, 2, 8]))
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
