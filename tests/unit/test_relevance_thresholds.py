"""Thresholds for a recall or a precision, by hand."""

import numpy as np
import pytest

from lexmax.errors import CalibrationError
from lexmax.relevance.thresholds import Cuts, Target, threshold_for

SCORES = np.array([0.2, 0.9, 0.8, 0.8, 0.5, 0.1], dtype=np.float32)
LABELS = np.array([1, 1, 1, 0, 0, 0], dtype=np.float32)


def test_cuts_keep_equal_scores_together() -> None:
    cuts = Cuts.of(SCORES, LABELS)
    np.testing.assert_allclose(cuts.scores, [0.9, 0.8, 0.5, 0.2, 0.1], rtol=1e-6)
    assert cuts.n_kept.tolist() == [1, 3, 4, 5, 6]
    assert cuts.relevant.tolist() == [1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("recall=0.3", 0.9),
        ("recall=0.34", 0.8),
        ("recall=1", 0.2),
        ("precision=1", 0.9),
        ("precision=0.6", 0.2),
        ("precision=0.5", 0.1),
    ],
)
def test_threshold(target: str, expected: float) -> None:
    found = threshold_for(SCORES, LABELS, Target.parse(target))
    assert found == pytest.approx(expected, rel=1e-6)
    assert np.any(np.float32(found) == SCORES)  # the pair at the threshold is itself kept


def test_shares_of_relevance_count_as_such() -> None:
    labels = np.array([0.0, 0.5, 0.25, 0.25, 0.0, 0.0], dtype=np.float32)
    assert threshold_for(SCORES, labels, Target("recall", 0.5)) == pytest.approx(0.9)
    assert threshold_for(SCORES, labels, Target("recall", 0.51)) == pytest.approx(0.8)


def test_what_cannot_be_reached_is_said() -> None:
    with pytest.raises(CalibrationError, match=r"highest precision on held-out queries is 0\.500"):
        threshold_for(
            np.array([2, 1], np.float32), np.array([0, 1], np.float32), Target("precision", 0.9)
        )
    with pytest.raises(CalibrationError, match="no held-out pair is relevant"):
        threshold_for(SCORES, np.zeros(6, np.float32), Target("recall", 0.9))


@pytest.mark.parametrize(
    "text", ["", "recall", "recall=", "recall=0", "recall=1.1", "recall=nan", "f1=0.5", "0.95"]
)
def test_other_targets_are_refused(text: str) -> None:
    with pytest.raises(CalibrationError, match="recall"):
        Target.parse(text)


def test_a_target_prints_as_it_is_read() -> None:
    assert str(Target.parse("precision=0.5")) == "precision=0.5"
