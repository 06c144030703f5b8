import numpy as np
import pytest

from lexmax.fusion import reciprocal_rank


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
