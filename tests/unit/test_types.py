import numpy as np
import pytest

from lexmax.errors import DocumentError, ShapeError
from lexmax.types import Document, Hits, SparseBatch, TokenBatch, best_first


def sparse(indptr: list[int], term_ids: list[int], weights: list[float]) -> SparseBatch:
    return SparseBatch(
        np.array(indptr, np.int64), np.array(term_ids, np.uint32), np.array(weights, np.float32)
    )


def test_rows_are_sorted_and_zeros_dropped() -> None:
    batch = SparseBatch.from_rows([{7: 1.0, 3: 2.0, 5: 0.0}, {}, {2**32 - 1: 1.5}])

    assert batch.indptr.tolist() == [0, 2, 2, 3]
    assert batch.term_ids.tolist() == [3, 7, 2**32 - 1]
    assert batch.weights.tolist() == [2.0, 1.0, 1.5]
    assert SparseBatch.concatenate([batch.slice(0, 1), batch.slice(1, 3)]).indptr.tolist() == [
        0,
        2,
        2,
        3,
    ]


@pytest.mark.parametrize(
    ("indptr", "term_ids", "weights", "message"),
    [
        ([0, 2], [5, 5], [1.0, 1.0], "ascend strictly"),
        ([0, 2], [5, 4], [1.0, 1.0], "ascend strictly"),
        ([0, 1], [5], [0.0], "all must exceed 0"),
        ([0, 1], [5], [-1.0], "all must exceed 0"),
        ([0, 1], [5], [float("nan")], "all must exceed 0"),
        ([0, 1], [5], [float("inf")], "all must exceed 0"),
        ([0, 2], [5], [1.0], "end at 1"),
        ([1, 1], [5], [1.0], "start at 0"),
        ([0, 2, 1, 2], [5, 6], [1.0, 1.0], "must not decrease"),
        ([0, 1], [5], [1.0, 2.0], "!= weights"),
    ],
)
def test_rows_that_cannot_be_ranked_are_refused(
    indptr: list[int], term_ids: list[int], weights: list[float], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        sparse(indptr, term_ids, weights)


def test_terms_may_descend_from_one_row_to_the_next_across_empty_rows() -> None:
    assert len(sparse([0, 0, 1, 1, 2, 2], [9, 3], [1.0, 1.0])) == 5


def test_float64_is_refused_rather_than_converted() -> None:
    with pytest.raises(ShapeError, match="weights is float64; expected float32"):
        SparseBatch(np.array([0, 1]), np.array([1], np.uint32), np.array([1.0]))


def test_token_vectors_must_be_finite() -> None:
    rows = [np.ones((2, 3), np.float32), np.zeros((0, 3), np.float32)]
    assert TokenBatch.from_rows(rows, 3).offsets.tolist() == [0, 2, 2]
    rows[0][1, 1] = np.nan
    with pytest.raises(ShapeError, match="NaN"):
        TokenBatch.from_rows(rows, 3)


def test_hits_are_padded_and_rows_leave_the_padding_out() -> None:
    hits = Hits.from_rows([(np.array([4, 2]), np.array([2, 1], np.float32))], 3)

    assert hits.ordinals.tolist() == [[4, 2, -1]]
    assert hits.scores[0, 2] == -np.inf
    assert hits.row(0)[0].tolist() == [4, 2]


def test_ties_go_to_the_smaller_ordinal() -> None:
    ordinals, scores = best_first(np.array([5, 3, 9]), np.array([1, 1, 2], np.float32), 2)

    assert ordinals.tolist() == [9, 3]
    assert scores.tolist() == [2.0, 1.0]


@pytest.mark.parametrize("doc_id", ["", "x" * 513, "a\nb", "a\tb", "\x7f", "\ud800"])
def test_names_that_no_file_can_hold_are_refused(doc_id: str) -> None:
    with pytest.raises(DocumentError, match="expected"):
        Document(doc_id, "text")


def test_a_document_may_be_empty_and_its_name_any_script() -> None:
    assert Document("a/b c/🙂", "").full_text == ""
    assert Document("1", "text", "title").full_text == "title text"


@pytest.mark.parametrize("term_id", [-1, 2**32])
def test_term_ids_that_do_not_fit_32_bits_are_refused(term_id: int) -> None:
    with pytest.raises(ShapeError, match="expected 0 to 4294967295"):
        SparseBatch.from_rows([{term_id: 1.0}])


def test_the_best_of_several_hits() -> None:
    one = Hits.from_rows([(np.array([4, 1]), np.array([9, 5], np.float32)), _NONE], 3)
    other = Hits.from_rows([(np.array([0, 1]), np.array([5, 4], np.float32)), _NONE], 2)
    found = Hits.best_of([one, other.shifted(10)], 2, 4)
    assert found.ordinals.tolist() == [[4, 1, 10, 11], [-1] * 4]
    assert found.scores[0].tolist() == [9, 5, 5, 4]
    assert Hits.best_of([one, other.shifted(10)], 2, 3).ordinals.tolist()[0] == [4, 1, 10]
    assert Hits.best_of([one], 2, 3) is one
    assert Hits.best_of([one], 2, 5).ordinals.tolist()[0] == [4, 1, -1, -1, -1]
    assert Hits.best_of([], 2, 2).ordinals.tolist() == [[-1, -1], [-1, -1]]


_NONE = np.zeros(0, np.int64), np.zeros(0, np.float32)
