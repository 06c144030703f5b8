import pytest

from lexmax.encoders.batches import plan_batches
from lexmax.errors import ShapeError


def test_longest_rows_come_first_and_padding_counts() -> None:
    # 9 fills a batch; 5 and 5 make 10; the row of 1 would be padded to 5.
    assert [batch.tolist() for batch in plan_batches([5, 1, 9, 5], max_tokens=10)] == [
        [2],
        [0, 3],
        [1],
    ]


def test_a_row_above_the_budget_is_alone() -> None:
    assert [batch.tolist() for batch in plan_batches([3, 50, 3], max_tokens=6)] == [[1], [0, 2]]


def test_no_rows_no_batches() -> None:
    assert plan_batches([], max_tokens=8) == []


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ShapeError, match="max_tokens is 0; expected at least 1"):
        plan_batches([1], max_tokens=0)
