import numpy as np
import pytest

from lexmax.encoders.term_pruning import TermPruning, batch_of
from lexmax.errors import EncoderError

WEIGHTS = np.array([0, 0.5, -1, 2, 0.5, 1, 0.5], np.float32)


@pytest.mark.parametrize(
    ("pruning", "kept"),
    [
        (TermPruning(), {1: 0.5, 3: 2, 4: 0.5, 5: 1, 6: 0.5}),
        (TermPruning(top_k=1), {3: 2}),
        (TermPruning(top_k=3), {1: 0.5, 3: 2, 5: 1}),  # Of equal weights the smaller id.
        (TermPruning(top_k=9), {1: 0.5, 3: 2, 4: 0.5, 5: 1, 6: 0.5}),
        (TermPruning(ratio=0.25), {1: 0.5, 3: 2, 4: 0.5, 5: 1, 6: 0.5}),
        (TermPruning(ratio=0.26), {3: 2, 5: 1}),
        (TermPruning(ratio=1), {3: 2}),
        (TermPruning(top_k=2, ratio=0.1), {3: 2, 5: 1}),
    ],
)
def test_kept_terms(pruning: TermPruning, kept: dict[int, float]) -> None:
    term_ids, weights = pruning.row(WEIGHTS)
    assert dict(zip(term_ids.tolist(), weights.tolist(), strict=True)) == kept
    assert (term_ids.dtype, weights.dtype) == (np.uint32, np.float32)


def test_rows_without_weights_stay_empty() -> None:
    for pruning in (TermPruning(), TermPruning(top_k=3, ratio=0.5)):
        assert len(pruning.row(np.zeros(5, np.float32))[0]) == 0


def test_rows_become_a_batch() -> None:
    rows = [TermPruning().row(WEIGHTS), TermPruning().row(np.zeros(7, np.float32))]
    assert len(batch_of([])) == 0
    assert batch_of(rows).indptr.tolist() == [0, 5, 5]
    assert batch_of(rows[1:]).indptr.tolist() == [0, 0]
    assert batch_of(rows[:1]).term_ids.tolist() == [1, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("top_k", "ratio", "message"),
    [(0, 0.0, "top_k is 0"), (-1, 0.0, "top_k is -1"), (None, -0.1, "ratio is -0.1")],
)
def test_numbers_out_of_range_are_refused(top_k: int | None, ratio: float, message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        TermPruning(top_k, ratio)
