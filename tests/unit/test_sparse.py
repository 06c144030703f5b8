from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import QueryError, ShapeError
from lexmax.index import _native, oracle_sparse
from lexmax.index.sparse import SparseIndex
from lexmax.types import Hits, SparseBatch

LARGEST = 2**32 - 1
DOCUMENTS = SparseBatch.from_rows(
    [{1: 1.0, 5: 2.0}, {5: 0.5}, {}, {1: 3.0, LARGEST: 1.0}, {LARGEST: 0.25}]
)
Search = Callable[..., Hits]


def _native_search(documents: SparseBatch, queries: SparseBatch, k: int, **options: Any) -> Hits:
    return SparseIndex.build(documents, window_docs=2).search(queries, k, **options)


@pytest.fixture(params=["oracle", *_native.available_paths()])
def search(request: pytest.FixtureRequest) -> Search:
    if request.param == "oracle":
        return oracle_sparse.search
    return partial(_native_search, path=request.param)


def _query(row: dict[int, float]) -> SparseBatch:
    return SparseBatch.from_rows([row])


def test_scores_and_order_by_hand(search: Search) -> None:
    hits = search(DOCUMENTS, _query({1: 2.0, 5: 1.0, 9: 4.0}), 10)
    assert hits.ordinals.tolist() == [[3, 0, 1, -1, -1]]
    assert hits.scores.tolist() == [[6.0, 4.0, 0.5, -np.inf, -np.inf]]


def test_each_query_of_a_batch_stands_alone(search: Search) -> None:
    queries = SparseBatch.from_rows([{5: 1.0}, {}, {77: 1.0}, {LARGEST: 4.0}, {5: 1.0}])
    hits = search(DOCUMENTS, queries, 2)
    assert hits.ordinals.tolist() == [[0, 1], [-1, -1], [-1, -1], [3, 4], [0, 1]]
    assert hits.scores.tolist()[3] == [4.0, 1.0]


def test_ties_go_to_the_smaller_ordinal(search: Search) -> None:
    documents = SparseBatch.from_rows([{3: 1.0}, {1: 0.5, 2: 0.5}, {3: 1.0}, {2: 1.0}])
    hits = search(documents, _query({1: 1.0, 2: 1.0, 3: 1.0}), 3)
    assert hits.ordinals.tolist() == [[0, 1, 2]]


def test_scores_that_differ_only_below_float32_are_ties(search: Search) -> None:
    documents = SparseBatch.from_rows([{1: 1.0, 2: 1e-9}, {1: 1.0, 2: 2e-9}])
    hits = search(documents, _query({1: 1.0, 2: 1.0}), 1)
    assert hits.ordinals.tolist() == [[0]]
    assert hits.scores.tolist() == [[1.0]]


def test_weights_are_added_in_ascending_term_order(search: Search) -> None:
    """In float64 the small ones vanish one by one; added up first, they would round up."""
    documents = SparseBatch.from_rows(
        [{0: 1.0}, {0: 1.0, 1: 2.0**-24} | {term: 2.0**-55 for term in range(2, 60)}]
    )
    hits = search(documents, _query({term: 1.0 for term in range(60)}), 2)
    assert hits.scores.tolist() == [[1.0, 1.0]]
    assert hits.ordinals.tolist() == [[0, 1]]


def test_weights_closer_than_a_quantisation_step_are_told_apart(search: Search) -> None:
    documents = SparseBatch.from_rows([{1: 0.999}, {1: 0.9995}, {1: 1.0}, {1: 0.9999}])
    assert search(documents, _query({1: 1.0}), 2).ordinals.tolist() == [[2, 3]]


def test_deleted_documents_are_no_hits(search: Search) -> None:
    alive = np.array([True, True, True, False, True])
    hits = search(DOCUMENTS, _query({1: 2.0, 5: 1.0}), 5, alive=alive)
    assert hits.row(0)[0].tolist() == [0, 1]
    assert search(DOCUMENTS, _query({1: 1.0}), 5, alive=~alive).row(0)[0].tolist() == [3]


def test_a_filter_that_lets_nothing_through_finds_nothing(search: Search) -> None:
    hits = search(DOCUMENTS, _query({1: 1.0}), 2, alive=np.zeros(5, dtype=np.bool_))
    assert hits.ordinals.tolist() == [[-1, -1]]
    assert hits.scores.tolist() == [[-np.inf, -np.inf]]


def test_sums_beyond_float32_are_infinite_and_below_it_zero(search: Search) -> None:
    documents = SparseBatch.from_rows([{1: 1e-45}, {2: 3e38}, {2: 2.9e38, 3: 1e38}])
    hits = search(documents, _query({1: 1e-45, 2: 3e38, 3: 1.0}), 3)
    assert hits.ordinals.tolist() == [[1, 2, 0]]
    assert hits.scores.tolist() == [[np.inf, np.inf, 0.0]]


def test_nothing_to_search(search: Search) -> None:
    assert search(SparseBatch.from_rows([]), _query({1: 1.0}), 3).ordinals.shape == (1, 0)
    bare = SparseBatch.from_rows([{}, {}, {}])
    assert search(bare, _query({1: 1.0}), 2).ordinals.tolist() == [[-1, -1]]
    assert search(DOCUMENTS, SparseBatch.from_rows([]), 3).ordinals.shape == (0, 3)


@pytest.mark.parametrize("k", [5, 6, 2**40])
def test_k_above_the_number_of_documents_is_that_number(search: Search, k: int) -> None:
    assert search(DOCUMENTS, _query({1: 1.0}), k).ordinals.tolist() == [[3, 0, -1, -1, -1]]


@pytest.mark.parametrize("threads", [0, 1, 2, 64])
def test_more_threads_than_work_find_the_same(threads: int) -> None:
    hits = _native_search(DOCUMENTS, _query({1: 2.0, 5: 1.0}), 2, threads=threads)
    assert hits.ordinals.tolist() == [[3, 0]]


def test_rare_terms_leave_nothing_behind() -> None:
    rows = [{9: 1.0} for _ in range(100)]
    rows[3], rows[45] = {1: 1.0, 2: 1.0}, {2: 0.5}
    index = SparseIndex.build(SparseBatch.from_rows(rows), window_docs=32)
    hits = index.search(SparseBatch.from_rows([{1: 1.0, 2: 1.0}, {2: 1.0}, {1: 3.0}]), 3)
    assert hits.ordinals.tolist() == [[3, 45, -1], [3, 45, -1], [3, -1, -1]]
    assert hits.scores.tolist()[0][:2] == [2.0, 0.5]


@pytest.mark.parametrize("n", [32_768, 32_769, 200_000])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_query_of_very_many_terms_does_not_overflow(n: int, threads: int) -> None:
    """Sums are 16 bits wide as long as a query has at most 32,768 terms."""
    term_ids = np.arange(n, dtype=np.uint32)
    documents = SparseBatch(
        np.array([0, n // 2, n // 2 + n]),
        np.concatenate([term_ids[: n // 2], term_ids]),
        np.ones(n // 2 + n, dtype=np.float32),
    )
    weights = (1 + (term_ids % 7) / 7).astype(np.float32)
    index = SparseIndex.build(documents, window_docs=1)
    hits = index.search(SparseBatch(np.array([0, n]), term_ids, weights), 2, threads=threads)
    sums = np.cumsum(weights, dtype=np.float64).astype(np.float32)
    assert hits.ordinals.tolist() == [[1, 0]]
    assert hits.scores.tolist() == [[sums[-1], sums[n // 2 - 1]]]


@pytest.mark.parametrize("n_terms", [65_536, 65_537])
def test_more_terms_than_16_bits_can_number(n_terms: int) -> None:
    rng = np.random.default_rng(n_terms)
    term_ids = np.sort(rng.choice(2**32, n_terms, replace=False)).astype(np.uint32)
    # Every document has 100 terms of its own and the last one of all.
    own = np.array_split(term_ids[:-1], 656)
    rows = [np.append(part, term_ids[-1]) for part in own]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    weights = rng.lognormal(0, 1, indptr[-1]).astype(np.float32)
    documents = SparseBatch(indptr, np.concatenate(rows), weights)
    index = SparseIndex.build(documents, window_docs=256)
    picked = [*own[0][:3], *own[327], own[655][-1], term_ids[-1]]
    queries = SparseBatch.from_rows([{int(t): 1.5 for t in picked}, {int(own[655][-1]): 2.0}])
    expected = oracle_sparse.search(documents, queries, 9)
    for path in _native.available_paths():
        hits = index.search(queries, 9, path=path)
        np.testing.assert_array_equal(hits.ordinals, expected.ordinals)
        np.testing.assert_array_equal(hits.scores, expected.scores)


@pytest.mark.parametrize("largest", [1e-45, 3e-43, 0.3, 1.0, 3.4e38])
def test_255_steps_reach_the_largest_weight(largest: float) -> None:
    index = SparseIndex.build(SparseBatch.from_rows([{1: largest}]))
    step = index.arrays["sparse.steps"].astype(np.float64)[0]
    below = np.float64(np.nextafter(index.arrays["sparse.steps"][0], np.float32(0)))
    assert step * 255 >= np.float32(largest)
    assert below * 255 < np.float32(largest)


def test_the_best_of_several_spans_of_full_windows() -> None:
    """A span is 16 windows of 32,768 documents."""
    n = 16 * 32_768 + 3
    weights = np.ones(n, dtype=np.float32)
    weights[[32_767, 32_768, n - 4, n - 3, n - 1]] = [3.0, 2.0, 5.0, 6.0, 4.0]
    index = SparseIndex.build(SparseBatch(np.arange(n + 1), np.full(n, 7, np.uint32), weights))
    for threads in (1, 2):
        hits = index.search(_query({7: 1.0}), 6, threads=threads)
        assert hits.ordinals.tolist() == [[n - 3, n - 4, n - 1, 32_767, 32_768, 0]]


def test_doc_freqs_count_documents() -> None:
    index = SparseIndex.build(DOCUMENTS, window_docs=2)
    term_ids = np.array([LARGEST, 0, 5, 1, 6], dtype=np.uint32)
    assert index.doc_freqs(term_ids).tolist() == [2, 0, 2, 2, 0]
    assert SparseIndex.build(SparseBatch.from_rows([])).doc_freqs(term_ids).tolist() == [0] * 5


def test_weights_are_what_was_indexed() -> None:
    rows = SparseIndex.build(DOCUMENTS).weights(np.array([3, 2, 0, 3]))
    assert rows.indptr.tolist() == [0, 2, 2, 4, 6]
    assert rows.term_ids.tolist() == [1, LARGEST, 1, 5, 1, LARGEST]
    assert rows.weights.tolist() == [3.0, 1.0, 1.0, 2.0, 3.0, 1.0]
    assert len(SparseIndex.build(DOCUMENTS).weights(np.array([], dtype=np.int64))) == 0


def test_touched_bytes_are_those_of_the_queries_terms() -> None:
    index = SparseIndex.build(DOCUMENTS)
    assert index.touched_bytes(_query({9: 1.0})) == 0
    one, other = (index.touched_bytes(_query({term: 1.0})) for term in (1, LARGEST))
    # Two documents each, two bytes a posting at the least.
    assert one >= 4
    assert index.touched_bytes(_query({1: 1.0, LARGEST: 1.0})) == one + other
    postings = index.arrays["sparse.postings"].nbytes + index.arrays["sparse.rows"].nbytes
    assert index.touched_bytes(_query({1: 1.0, 5: 1.0, LARGEST: 1.0})) == postings


def test_threads_share_an_index() -> None:
    rng = np.random.default_rng(5)
    documents = SparseBatch.from_rows(
        [{int(t): float(rng.random() + 0.1) for t in rng.choice(40, 8)} for _ in range(500)]
    )
    index = SparseIndex.build(documents, window_docs=64)
    expected = index.search(documents, 20)
    with ThreadPoolExecutor(4) as pool:
        for hits in pool.map(lambda _: index.search(documents, 20), range(8)):
            np.testing.assert_array_equal(hits.ordinals, expected.ordinals)
            np.testing.assert_array_equal(hits.scores, expected.scores)


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(k: int) -> None:
    with pytest.raises(QueryError, match=f"k is {k}; expected 1 or more"):
        SparseIndex.build(DOCUMENTS).search(_query({1: 1.0}), k)


@pytest.mark.parametrize(
    "alive", [np.ones(4, np.bool_), np.ones(5, np.uint8), np.ones((5, 1), np.bool_)]
)
def test_alive_that_does_not_fit_is_refused(alive: NDArray[Any]) -> None:
    with pytest.raises(ShapeError, match=r"expected bool \(5,\)"):
        SparseIndex.build(DOCUMENTS).search(_query({1: 1.0}), 1, alive=alive)


@pytest.mark.parametrize("ordinals", [[5], [-1], [0, 7]])
def test_weights_of_documents_that_are_not_there_are_refused(ordinals: list[int]) -> None:
    with pytest.raises(ShapeError, match="expected 0 to 4"):
        SparseIndex.build(DOCUMENTS).weights(np.array(ordinals))


@pytest.mark.parametrize("window_docs", [0, -1, 3, 96, 65_536])
def test_windows_of_another_size_are_refused(window_docs: int) -> None:
    with pytest.raises(ShapeError, match=f"window_docs is {window_docs}; expected a power of two"):
        SparseIndex.build(DOCUMENTS, window_docs=window_docs)


def test_more_windows_than_16_bits_can_number_are_refused() -> None:
    bare = SparseBatch(np.zeros(65_538, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.float32))
    with pytest.raises(ShapeError, match="65537 documents fill 65537 windows; expected at most"):
        SparseIndex.build(bare, window_docs=1)


@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf, -1.0, 0.0])
def test_weights_that_no_index_can_rank_are_refused(weight: float) -> None:
    with pytest.raises(ShapeError, match="NaN, infinity, zero or a negative"):
        SparseBatch(
            np.array([0, 2]), np.array([1, 2], np.uint32), np.array([1, weight], np.float32)
        )


@pytest.mark.parametrize("term_ids", [[2, 1], [1, 1]])
def test_terms_that_do_not_ascend_are_refused(term_ids: list[int]) -> None:
    with pytest.raises(ShapeError, match="ascend strictly inside a row"):
        SparseBatch(np.array([0, 2]), np.array(term_ids, np.uint32), np.ones(2, np.float32))


def test_a_path_that_cannot_run_here_is_named() -> None:
    with pytest.raises(ValueError, match="path 'sse' cannot run here; expected one of auto"):
        SparseIndex.build(DOCUMENTS).search(_query({1: 1.0}), 1, path="sse")


@pytest.mark.parametrize("path", _native.available_paths())
def test_bounds_that_are_exact_for_a_sample_are_still_bounds(path: str) -> None:
    # All but a few scores are so small that each has the bound 1, and a sample of them says that
    # bounds are scores: more must be looked at than the first k all the same.
    random = np.random.default_rng(0)
    documents = SparseBatch.from_rows(
        [
            {1: float(random.integers(1, 3)), **({4: 1.0} if random.random() < 0.03 else {})}
            for _ in range(2500)
        ]
    )
    query = SparseBatch.from_rows([{1: 2.5e-37, 4: 0.8}])
    index = SparseIndex.build(documents)
    for _ in range(20):
        alive = random.random(2500) < 0.055
        found = index.search(query, 8, alive=alive, path=path)
        expected = oracle_sparse.search(documents, query, 8, alive=alive)
        assert found.ordinals.tolist() == expected.ordinals.tolist()
        assert found.scores.tobytes() == expected.scores.tobytes()
