import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.feedback.tokens import (
    Representatives,
    average,
    expanded,
    idf_by_centroid,
    representatives,
    rocchio,
)
from lexmax.types import TokenBatch

QUERY = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
NONE = TokenBatch.from_rows([], 3)
EMPTY = TokenBatch.from_rows([np.zeros((0, 3), np.float32)] * 2, 3)
NO_QUERY = QUERY[:0]


def batch(*rows: list[list[float]]) -> TokenBatch:
    return TokenBatch.from_rows([np.array(row, np.float32).reshape(-1, 3) for row in rows], 3)


def second_coordinate(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    return vectors[:, 1].astype(np.float64)


def test_every_token_moves_towards_what_matches_it_best_in_each_document() -> None:
    documents = batch([[0.5, 0, 0], [0, 0, 1]], [], [[0, 1, 0], [0, 0.5, 0.5]])
    # Token 1 takes (.5, 0, 0) and, of two equal ones, (0, 1, 0); token 2 (.5, 0, 0) and (0, 1, 0).
    np.testing.assert_allclose(
        rocchio(QUERY, documents), [[0.4 + 0.15, 0.3, 0], [0.15, 0.4 + 0.3, 0]], rtol=1e-6
    )
    np.testing.assert_allclose(
        average(QUERY, documents), [[0.5, 1 / 3, 0], [0.5 / 3, 2 / 3, 0]], rtol=1e-6
    )


@pytest.mark.parametrize("documents", [NONE, EMPTY])
def test_without_tokens_in_documents_the_query_is_unchanged(documents: TokenBatch) -> None:
    np.testing.assert_array_equal(rocchio(QUERY, documents), QUERY)
    np.testing.assert_array_equal(average(QUERY, documents), QUERY)
    found = representatives(documents, second_coordinate)
    assert len(found.tokens) == 0
    np.testing.assert_array_equal(expanded(QUERY, found), QUERY)


def test_a_query_without_tokens_stays_without() -> None:
    documents = batch([[0, 1, 0]])
    assert rocchio(NO_QUERY, documents).shape == (0, 3)
    assert expanded(NO_QUERY, representatives(documents, second_coordinate)).shape == (0, 3)


def test_the_most_telling_clusters_are_added() -> None:
    # Clusters {0, 2, 5}, {1, 3, 6} and {4}: the second tells most, the third nothing.
    first: list[float] = [1, 0.002, 0]
    second: list[float] = [0, 1, 0]
    near: list[float] = [0, 1, 0.004]
    documents = batch([first, second, first], [near, [0, 0, -1], first, second])
    found = representatives(documents, second_coordinate, clusters=3, added=2)
    np.testing.assert_allclose(found.vectors, [[0, 1, 0.004 / 3], first], atol=1e-5)
    np.testing.assert_allclose(found.importance, [1, 0.002], rtol=1e-4)
    # Of what is as near to the mean, the first stands for it.
    assert found.tokens.tolist() == [1, 0]
    np.testing.assert_allclose(
        expanded(QUERY, found, beta=0.5), [*QUERY, [0, 0.5, 0.002 / 3], [0.001, 0, 0]], atol=1e-5
    )
    one = representatives(documents, second_coordinate, clusters=3, added=1)
    assert one.tokens.tolist() == [1]


def test_representatives_are_as_long_as_tokens_are_and_zeros_stand_for_nothing() -> None:
    documents = batch([[0, 2, 0], [0, 4, 0], [0, 0, 0]])
    found = representatives(documents, second_coordinate, clusters=1)
    np.testing.assert_allclose(found.vectors, [[0, 3, 0]])
    assert found.tokens.tolist() == [0]


def test_tokens_that_cancel_out_stand_for_nothing() -> None:
    found = representatives(batch([[0, 1, 0], [0, -1, 0]]), lambda v: np.ones(len(v)), clusters=1)
    assert len(found.vectors) == 0


def test_fewer_tokens_than_clusters_are_one_cluster_each() -> None:
    found = representatives(batch([[0, 1, 0]], [[0, 0, 1]]), lambda v: np.ones(len(v)))
    np.testing.assert_allclose(found.vectors, [[0, 1, 0], [0, 0, 1]])
    assert found.tokens.tolist() == [0, 1]


def test_the_idf_of_a_vector_is_that_of_its_nearest_centroid() -> None:
    centroids = np.eye(3, dtype=np.float32)
    idf = idf_by_centroid(centroids, np.array([0, 9, 200]), 99)
    vectors = np.array([[0.9, 0.1, 0], [0, 0.1, 0.2], [0, 1, 0]], np.float32)
    np.testing.assert_allclose(idf(vectors), np.log([100, 1, 10]))


def test_what_does_not_fit_is_refused() -> None:
    wide = np.zeros((1, 4), np.float32)
    nothing = Representatives(wide, np.ones(1, np.float32), np.zeros(1, np.int64))
    with pytest.raises(ShapeError, match="expected equal dimensions"):
        rocchio(wide, NONE)
    with pytest.raises(ShapeError, match="expected equal dimensions"):
        expanded(QUERY, nothing)
    with pytest.raises(ShapeError, match="clusters is 0"):
        representatives(NONE, second_coordinate, clusters=0)
    with pytest.raises(ShapeError, match="one finite number each"):
        representatives(batch([[0, 1, 0]]), lambda v: np.full(len(v), np.nan))
