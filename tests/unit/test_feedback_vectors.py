import numpy as np
import pytest

from lexmax.errors import ShapeError
from lexmax.feedback.vectors import average, matched, rocchio

QUERY = np.array([1, 0], np.float32)
DOCUMENTS = np.array([[0, 1], [0.5, 0.5], [1, 0]], np.float32)
NONE = np.zeros((0, 2), np.float32)


def test_query_and_documents_have_the_same_weight_in_the_average() -> None:
    # (1 + 0 + .5 + 1) / 4 and (0 + 1 + .5 + 0) / 4
    np.testing.assert_allclose(average(QUERY, DOCUMENTS), [0.625, 0.375])


def test_rocchio_weighs_the_query_and_the_mean_of_the_documents() -> None:
    # .4 * (1, 0) + .6 * (.5, .5)
    np.testing.assert_allclose(rocchio(QUERY, DOCUMENTS), [0.7, 0.3], rtol=1e-6)


def test_rocchio_subtracts_the_mean_of_the_negatives() -> None:
    negatives = np.array([[0, 2], [0, 0]], np.float32)
    moved = rocchio(QUERY, DOCUMENTS, gamma=0.1, negatives=negatives)
    np.testing.assert_allclose(moved, [0.7, 0.2], rtol=1e-6)
    np.testing.assert_allclose(
        rocchio(QUERY, DOCUMENTS, gamma=0.1, negatives=NONE), [0.7, 0.3], rtol=1e-6
    )


def test_without_documents_the_query_is_unchanged() -> None:
    for moved in (
        average(QUERY, NONE),
        rocchio(QUERY, NONE),
        rocchio(QUERY, NONE, gamma=1, negatives=DOCUMENTS),
    ):
        np.testing.assert_array_equal(moved, QUERY)
        assert moved.dtype == np.float32


def test_matched_documents_have_a_mean_as_long_as_the_query() -> None:
    query = np.array([30, 40], np.float32)
    documents = np.array([[0, 1], [0, 3]], np.float32)
    # The mean (0, 2) becomes (0, 50): all times 25.
    np.testing.assert_allclose(matched(query, documents), [[0, 25], [0, 75]])
    np.testing.assert_allclose(rocchio(query, matched(query, documents)), [12, 46])


def test_documents_that_cancel_out_have_no_length_to_match() -> None:
    documents = np.array([[1, 0], [-1, 0]], np.float32)
    np.testing.assert_array_equal(matched(QUERY, documents), documents)
    np.testing.assert_array_equal(matched(QUERY, NONE), NONE)


@pytest.mark.parametrize("function", [average, rocchio, matched])
def test_what_does_not_fit_is_refused(function: type) -> None:
    with pytest.raises(ShapeError, match=r"expected \(d,\), \(k, d\)"):
        function(QUERY, np.zeros((2, 3), np.float32))
    with pytest.raises(ShapeError, match="NaN or infinity"):
        function(QUERY, np.array([[1, np.nan]], np.float32))
    with pytest.raises(ShapeError, match="NaN or infinity"):
        function(np.array([np.inf, 0], np.float32), DOCUMENTS)
