import numpy as np
import pytest

from lexmax.fusion import reciprocal_rank, weighted_sum


def test_shares_of_each_ranking_add_up() -> None:
    ordinals, scores = reciprocal_rank([np.array([7, 3]), np.array([3, 5])])

    # 3: 1/62 + 1/61, 7: 1/61, 5: 1/62
    assert ordinals.tolist() == [3, 7, 5]
    assert scores.tolist() == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62])


def test_equal_shares_go_to_the_smaller_ordinal() -> None:
    ordinals, _ = reciprocal_rank([np.array([9]), np.array([4])])

    assert ordinals.tolist() == [4, 9]


def test_nothing_fused_is_nothing() -> None:
    assert len(reciprocal_rank([])[0]) == 0
    assert reciprocal_rank([np.zeros(0, np.int64), np.array([2])])[0].tolist() == [2]


def test_scores_are_scaled_inside_a_ranking_and_added() -> None:
    first = np.array([7, 3, 5]), np.array([30, 20, 10], np.float32)
    second = np.array([5, 9]), np.array([0.5, -0.5], np.float32)
    ordinals, scores = weighted_sum([first, second], (0.4, 0.6))
    assert ordinals.tolist() == [5, 7, 3, 9]
    assert scores == pytest.approx([0.6, 0.4, 0.2, 0.0])


def test_equal_scores_are_all_the_best_and_ties_go_by_ordinal() -> None:
    flat = np.array([8, 2]), np.array([1, 1], np.float32)
    nothing = np.zeros(0, np.int64), np.zeros(0, np.float32)
    ordinals, scores = weighted_sum([flat, nothing], (0.5, 0.5))
    assert ordinals.tolist() == [2, 8]
    assert scores.tolist() == [0.5, 0.5]
    assert len(weighted_sum([], ())[0]) == 0
