import numpy as np
import pytest

from lexmax.diversity.coverage import coverage
from lexmax.diversity.mmr import from_scores, mmr
from lexmax.diversity.similarities import of_terms, of_tokens, of_vectors
from lexmax.errors import ShapeError
from lexmax.types import SparseBatch, TokenBatch

# 0 and 1 say the same, 2 half of it, 3 something else.
SIMILARITIES = np.array(
    [[1, 1, 0.5, 0], [1, 1, 0.5, 0], [0.5, 0.5, 1, 0.25], [0, 0, 0.25, 1]], np.float32
)
RELEVANCE = np.array([1, 0.875, 0.75, 0.5])
NOTHING = np.zeros((0, 0), np.float32), np.zeros(0)


def test_mmr_takes_off_the_greatest_similarity_to_what_is_chosen() -> None:
    # First 0. Then .5 r - .5 s: 1 has -.0625, 2 .125, 3 .25. Then 2: .375 - .25.
    assert mmr(SIMILARITIES, RELEVANCE, 4, trade_off=0.5).tolist() == [0, 3, 2, 1]
    assert mmr(SIMILARITIES, RELEVANCE, 2, trade_off=0.5).tolist() == [0, 3]


def test_mmr_by_relevance_alone_is_the_ranking() -> None:
    assert mmr(SIMILARITIES, RELEVANCE[::-1], 9, trade_off=1).tolist() == [3, 2, 1, 0]


def test_similarity_below_zero_counts_for_a_document() -> None:
    similarities = np.array([[1, -0.5, -0.25], [-0.5, 1, 0], [-0.25, 0, 1]], np.float32)
    # 1 has .25 + .25, 2 has .3 + .125: taking off nothing where it is below 0 would prefer 2.
    assert mmr(similarities, np.array([1, 0.5, 0.6]), 2, trade_off=0.5).tolist() == [0, 1]


def test_coverage_chooses_what_adds_most() -> None:
    weights = np.ones(4)
    # 2 covers 2.25, 0 and 1 cover 2.5. Beside 0, 3 adds 1 and 2 adds .75. Then 2 adds .5.
    assert coverage(SIMILARITIES, weights, 4).tolist() == [0, 3, 2, 1]
    # What is worth nothing need not be covered.
    assert coverage(SIMILARITIES, np.array([1, 1, 1, 0]), 2).tolist() == [0, 2]


def test_distance_between_chosen_documents_counts_where_it_weighs() -> None:
    weights = np.array([2.0, 2, 2, 0.25])
    assert coverage(SIMILARITIES, weights, 2).tolist() == [0, 2]
    # 2 adds 1.0625 of 6.25 and .5 of distance, 3 adds .25 of 6.25 and 1 of distance.
    assert coverage(SIMILARITIES, weights, 2, diversity=0.5).tolist() == [0, 3]


def test_similarity_below_zero_covers_nothing() -> None:
    similarities = np.array([[1, -1, -1], [-1, 1, 0], [-1, 0, 0.5]], np.float32)
    assert coverage(similarities, np.ones(3), 3).tolist() == [0, 1, 2]


def test_ties_go_to_the_smaller_ordinal() -> None:
    ordinals = np.array([40, 30, 20, 10])
    same = np.ones((4, 4), np.float32)
    assert mmr(same, np.ones(4), 3, ordinals=ordinals).tolist() == [3, 2, 1]
    assert coverage(same, np.ones(4), 3, ordinals=ordinals).tolist() == [3, 2, 1]
    assert coverage(SIMILARITIES, np.ones(4), 2, ordinals=ordinals).tolist() == [1, 3]
    assert coverage(same, np.zeros(4), 2).tolist() == [0, 1]


@pytest.mark.parametrize("choose", [mmr, coverage])
def test_nothing_is_chosen_of_nothing(choose: type) -> None:
    assert choose(*NOTHING, 3).tolist() == []
    assert choose(SIMILARITIES, RELEVANCE, 0).tolist() == []


@pytest.mark.parametrize("choose", [mmr, coverage])
def test_what_does_not_fit_is_refused(choose: type) -> None:
    with pytest.raises(ShapeError, match=r"expected \(n, n\) for \(n,\)"):
        choose(SIMILARITIES, RELEVANCE[:3], 2)
    with pytest.raises(ShapeError, match="NaN or infinity"):
        choose(SIMILARITIES, np.array([1, np.nan, 0, 0]), 2)
    with pytest.raises(ShapeError, match="NaN or infinity"):
        choose(np.full((4, 4), np.inf, np.float32), RELEVANCE, 2)


def test_weights_below_zero_are_refused() -> None:
    with pytest.raises(ShapeError, match="below 0"):
        coverage(SIMILARITIES, np.array([1, 0, -1, 1]), 2)


def test_scores_are_scaled_to_one() -> None:
    assert from_scores(np.array([30, 10, 15])).tolist() == [1, 0, 0.25]
    assert from_scores(np.array([3, 3])).tolist() == [1, 1]
    assert from_scores(np.zeros(0)).tolist() == []


def test_cosines_of_vectors() -> None:
    vectors = np.array([[3, 4], [0, 2], [0, 0]], np.float32)
    np.testing.assert_allclose(of_vectors(vectors), [[1, 0.8, 0], [0.8, 1, 0], [0, 0, 0]])


def test_cosines_of_mean_token_vectors() -> None:
    rows = [[[1, 0], [0, 1]], [], [[0, 4]], [[1, 0], [-1, 0]]]
    arrays = [np.array(row, np.float32).reshape(-1, 2) for row in rows]
    documents = TokenBatch.from_rows(arrays, 2)
    cosine = np.sqrt(0.5)
    wanted = np.zeros((4, 4))
    wanted[0, 0] = wanted[2, 2] = 1
    wanted[0, 2] = wanted[2, 0] = cosine
    np.testing.assert_allclose(of_tokens(documents), wanted, rtol=1e-6)
    assert of_tokens(documents.slice(0, 0)).shape == (0, 0)


def test_cosines_of_rows_of_terms() -> None:
    documents = SparseBatch.from_rows([{1: 3.0, 2: 4.0}, {}, {2: 2.0, 9: 0.0}, {7: 1.0}])
    wanted = np.zeros((4, 4))
    wanted[0, 0] = wanted[2, 2] = wanted[3, 3] = 1
    wanted[0, 2] = wanted[2, 0] = 0.8
    np.testing.assert_allclose(of_terms(documents), wanted, rtol=1e-6)
    assert of_terms(SparseBatch.from_rows([])).shape == (0, 0)
    assert of_terms(SparseBatch.from_rows([{}])).tolist() == [[0]]
