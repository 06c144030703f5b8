from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import QueryError, ShapeError
from lexmax.index import _native, oracle_sparse
from lexmax.index.sparse import MAX_QUERY_TERMS, SparseIndex
from lexmax.types import Hits, SparseBatch

LARGEST = 2**32 - 1
DOCUMENTS = SparseBatch.from_rows(
    [{1: 1.0, 5: 2.0}, {5: 0.5}, {}, {1: 3.0, LARGEST: 1.0}, {LARGEST: 0.25}]
)
Search = Callable[..., Hits]


def _native_search(documents: SparseBatch, queries: SparseBatch, k: int, **options: Any) -> Hits:
    return SparseIndex.build(documents, window_docs=2).search(queries, k, **options)


@pytest.fixture(params=["oracle", "native"])
def search(request: pytest.FixtureRequest) -> Search:
    return oracle_sparse.search if request.param == "oracle" else _native_search


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


def test_weights_closer_than_a_quantisation_step_are_told_apart(search: Search) -> None:
    documents = SparseBatch.from_rows([{1: 0.999}, {1: 0.9995}, {1: 1.0}, {1: 0.9999}])
    assert search(documents, _query({1: 1.0}), 2).ordinals.tolist() == [[2, 3]]


def test_deleted_documents_are_no_hits(search: Search) -> None:
    alive = np.array([True, True, True, False, True])
    hits = search(DOCUMENTS, _query({1: 2.0, 5: 1.0}), 5, alive=alive)
    assert hits.row(0)[0].tolist() == [0, 1]
    assert search(DOCUMENTS, _query({1: 1.0}), 5, alive=~alive).row(0)[0].tolist() == [3]
    none = np.zeros(5, dtype=np.bool_)
    assert len(search(DOCUMENTS, _query({1: 1.0}), 5, alive=none).row(0)[0]) == 0


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


def test_rare_terms_leave_nothing_behind() -> None:
    rows = [{9: 1.0} for _ in range(100)]
    rows[3], rows[45] = {1: 1.0, 2: 1.0}, {2: 0.5}
    index = SparseIndex.build(SparseBatch.from_rows(rows), window_docs=40)
    hits = index.search(SparseBatch.from_rows([{1: 1.0, 2: 1.0}, {2: 1.0}, {1: 3.0}]), 3)
    assert hits.ordinals.tolist() == [[3, 45, -1], [3, 45, -1], [3, -1, -1]]
    assert hits.scores.tolist()[0][:2] == [2.0, 0.5]


def test_a_query_of_200000_terms_does_not_overflow() -> None:
    n = 200_000
    term_ids = np.arange(n, dtype=np.uint32)
    documents = SparseBatch(
        np.array([0, n, n + n // 2]),
        np.concatenate([term_ids, term_ids[: n // 2]]),
        np.ones(n + n // 2, dtype=np.float32),
    )
    weights = (1 + (term_ids % 7) / 7).astype(np.float32)
    hits = SparseIndex.build(documents).search(
        SparseBatch(np.array([0, n]), term_ids, weights), k=1
    )
    assert hits.ordinals.tolist() == [[0]]
    assert hits.scores[0, 0] == np.float32(np.cumsum(weights, dtype=np.float64)[-1])


def test_arrays_by_hand() -> None:
    index = SparseIndex.build(
        SparseBatch.from_rows([{8: 255.0}, {8: 1.0, 9: 0.001}, {9: 510.0}]), window_docs=2
    )
    assert index.terms.tolist() == [8, 9]
    assert index.steps.tolist() == [1.0, 2.0]
    assert index.window_starts.tolist() == [0, 2, 3]
    assert index.window_ptr.tolist() == [0, 2, 3]
    assert index.list_terms.tolist() == [0, 1, 1]
    assert index.list_ptr.tolist() == [0, 2, 3, 4]
    assert index.offsets.tolist() == [0, 1, 1, 0]
    assert index.impacts.tolist() == [255, 1, 1, 255]
    assert index.forward_indptr.tolist() == [0, 1, 3, 4]
    assert index.forward_terms.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("largest", [1e-45, 3e-43, 0.3, 1.0, 3.4e38])
def test_255_steps_reach_the_largest_weight(largest: float) -> None:
    index = SparseIndex.build(SparseBatch.from_rows([{1: largest}]))
    step = np.float64(index.steps[0])
    assert step * 255 >= np.float32(largest)
    assert np.float64(np.nextafter(index.steps[0], np.float32(0))) * 255 < np.float32(largest)


def test_default_windows_hold_65536_documents() -> None:
    weights = np.ones(70_000, dtype=np.float32)
    weights[[65_535, 65_536, 69_999]] = [3.0, 2.0, 4.0]
    documents = SparseBatch(np.arange(70_001), np.full(70_000, 7, dtype=np.uint32), weights)
    index = SparseIndex.build(documents)
    assert index.window_starts.tolist() == [0, 65_536, 70_000]
    hits = index.search(_query({7: 1.0}), 4)
    assert hits.ordinals.tolist() == [[69_999, 65_535, 65_536, 0]]


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


@pytest.mark.parametrize("ordinals", [[5], [-1, 0], [0, 2**40]])
def test_ordinals_out_of_range_are_refused(ordinals: list[int]) -> None:
    with pytest.raises(ShapeError, match="expected 0 to 4"):
        SparseIndex.build(DOCUMENTS).weights(np.array(ordinals))


@pytest.mark.parametrize("window_docs", [0, 65_537])
def test_windows_of_another_size_are_refused(window_docs: int) -> None:
    with pytest.raises(ShapeError, match=f"window_docs is {window_docs}; expected 1 to 65536"):
        SparseIndex.build(DOCUMENTS, window_docs=window_docs)


def test_more_query_terms_than_multipliers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lexmax.index.sparse.MAX_QUERY_TERMS", 2)
    index = SparseIndex.build(DOCUMENTS)
    assert len(index.search(_query({1: 1.0, 5: 1.0, 6: 1.0, 7: 1.0}), 1)) == 1
    with pytest.raises(QueryError, match="more than 2 terms"):
        index.search(SparseBatch.from_rows([{1: 1.0}, {1: 1.0, 5: 1.0, LARGEST: 1.0}]), 1)


def test_the_native_limit_of_query_terms_is_the_same() -> None:
    index = SparseIndex.build(DOCUMENTS)
    unused = {"terms", "doc_freqs_of_terms", "source"}
    names = {"forward_indptr": "indptr", "forward_terms": "terms", "forward_weights": "weights"}
    arguments: dict[str, Any] = {
        names.get(field.name, field.name): getattr(index, field.name)
        for field in fields(index)
        if field.name not in unused
    }
    n = MAX_QUERY_TERMS + 1
    arguments["query_indptr"] = np.array([0, n], dtype=np.int64)
    arguments["query_terms"] = np.zeros(n, np.uint32)
    arguments["query_weights"] = np.zeros(n, np.float32)
    arguments["ordinals"] = np.full((1, 1), -1, np.int64)
    arguments["scores"] = np.zeros((1, 1), np.float32)
    with pytest.raises(ValueError, match="8,388,608"):
        _native.sparse_search(**arguments, alive=None)
