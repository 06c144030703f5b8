import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lexmax.encoders.batches import plan_batches

LENGTHS = st.lists(st.integers(0, 600), max_size=80)
BUDGETS = st.integers(1, 2000)


@given(LENGTHS, BUDGETS)
def test_every_row_stands_in_exactly_one_batch(lengths: list[int], budget: int) -> None:
    rows = [int(row) for batch in plan_batches(lengths, max_tokens=budget) for row in batch]
    assert sorted(rows) == list(range(len(lengths)))


@given(LENGTHS, BUDGETS)
def test_padded_batches_keep_the_budget(lengths: list[int], budget: int) -> None:
    for batch in plan_batches(lengths, max_tokens=budget):
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= budget


@given(LENGTHS, BUDGETS)
def test_no_batch_could_take_the_next_row(lengths: list[int], budget: int) -> None:
    batches = plan_batches(lengths, max_tokens=budget)
    for batch in batches[:-1]:
        assert (len(batch) + 1) * max(lengths[batch[0]], 1) > budget


@given(LENGTHS, BUDGETS)
def test_rows_go_from_long_to_short_and_ties_by_number(lengths: list[int], budget: int) -> None:
    batches = plan_batches(lengths, max_tokens=budget)
    order = np.concatenate([np.zeros(0, np.int64), *batches])
    assert order.tolist() == sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
