import numpy as np
import pytest

from lexmax.errors import ShapeError
from lexmax.feedback.terms import Terms, average, matched, reweighted, rocchio
from lexmax.types import SparseBatch

DOCUMENTS = SparseBatch.from_rows([{2: 1.0, 3: 2.0}, {3: 2.0, 5: 0.5}])
NONE = SparseBatch.from_rows([])


def row(weights: dict[int, float]) -> Terms:
    return SparseBatch.from_rows([weights]).row(0)


def weights(terms: Terms) -> dict[int, float]:
    assert terms[0].dtype == np.uint32
    assert terms[1].dtype == np.float32
    assert np.all(np.diff(terms[0].astype(np.int64)) > 0)
    return dict(zip(terms[0].tolist(), terms[1].tolist(), strict=True))


QUERY = row({1: 1.0, 3: 2.0})


def test_query_and_documents_have_the_same_weight_in_the_average() -> None:
    assert weights(average(QUERY, DOCUMENTS)) == pytest.approx(
        {1: 1 / 3, 2: 1 / 3, 3: 2, 5: 0.5 / 3}
    )


def test_rocchio_weighs_the_query_and_the_mean_of_the_documents() -> None:
    assert weights(rocchio(QUERY, DOCUMENTS)) == pytest.approx({1: 0.4, 2: 0.3, 3: 2.0, 5: 0.15})


def test_terms_that_negatives_press_to_zero_are_dropped() -> None:
    negatives = SparseBatch.from_rows([{2: 3.0, 3: 1.0, 9: 1.0}])
    moved = rocchio(QUERY, DOCUMENTS, gamma=0.1, negatives=negatives)
    assert weights(moved) == pytest.approx({1: 0.4, 3: 1.9, 5: 0.15}, abs=1e-7)
    assert weights(rocchio(QUERY, DOCUMENTS, gamma=0.1, negatives=NONE)) == weights(
        rocchio(QUERY, DOCUMENTS)
    )


def test_the_strongest_terms_are_kept_and_of_equal_ones_the_smaller_ids() -> None:
    assert list(weights(rocchio(QUERY, DOCUMENTS, max_terms=2))) == [1, 3]
    equal = SparseBatch.from_rows([{8: 1.0, 7: 1.0, 6: 1.0}])
    assert list(weights(rocchio(row({}), equal, max_terms=2))) == [6, 7]


@pytest.mark.parametrize("empty", [NONE, SparseBatch.from_rows([{}, {}])])
def test_without_terms_in_documents_the_query_is_unchanged(empty: SparseBatch) -> None:
    for moved in (
        average(QUERY, empty),
        rocchio(QUERY, empty, max_terms=1),
        rocchio(QUERY, empty, gamma=1, negatives=DOCUMENTS),
    ):
        assert weights(moved) == weights(QUERY)


def test_a_document_without_terms_counts_in_the_mean() -> None:
    documents = SparseBatch.from_rows([{2: 1.0}, {}])
    assert weights(rocchio(QUERY, documents, alpha=1, beta=1)) == {1: 1, 2: 0.5, 3: 2}


def test_a_query_without_terms_gets_those_of_the_documents() -> None:
    assert weights(rocchio(row({}), DOCUMENTS, beta=1)) == {2: 0.5, 3: 2.0, 5: 0.25}


def test_documents_are_reweighted_term_by_term() -> None:
    idf = {2: 3.0, 3: 0.0, 5: 0.5}
    changed = reweighted(DOCUMENTS, lambda terms: np.array([idf[t] for t in terms.tolist()]))
    assert weights(changed.row(0)) == {2: 3.0}
    assert weights(changed.row(1)) == {5: 0.25}


def test_matched_documents_have_a_mean_as_long_as_the_query() -> None:
    query = row({1: 6.0, 2: 8.0})
    documents = SparseBatch.from_rows([{3: 6.0}, {4: 8.0}])
    # The mean (3, 4) of length 5 becomes (6, 8) of length 10.
    changed = matched(query, documents)
    assert [weights(changed.row(i)) for i in range(2)] == [{3: 12.0}, {4: 16.0}]


def test_what_has_no_length_is_not_matched() -> None:
    assert matched(row({}), DOCUMENTS) is DOCUMENTS
    assert matched(QUERY, NONE) is NONE


def test_at_least_one_term_is_kept() -> None:
    with pytest.raises(ShapeError, match="max_terms is 0"):
        rocchio(QUERY, DOCUMENTS, max_terms=0)
