"""Measures of filtering by hand-computed numbers."""

import numpy as np
import pytest

from lexmax.errors import EvaluationError, ShapeError
from lexmax.eval.relevance_measures import (
    filter_measures,
    pr_auc,
    pr_auc_interval,
    ratio_interval,
    recall_threshold,
    removed_interval,
)
from lexmax.relevance.judged import JudgedPairs

# Query 0: relevant at 9 and 5; query 1: at 7; query 2: nothing found; query 3: nothing relevant.
PAIRS = JudgedPairs(
    np.array([0, 0, 0, 1, 1, 3], dtype=np.int64),
    np.array([9, 6, 5, 8, 7, 4], dtype=np.float32),
    np.array([1, 0, 1, 0, 1, 0], dtype=np.float32),
    4,
)


def test_pr_auc_is_the_mean_precision_at_relevant_pairs() -> None:
    # Pooled order 9+ 8- 7+ 6- 5+ 4-: precision 1, 2/3, 3/5.
    assert pr_auc(PAIRS) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_equal_scores_count_together() -> None:
    pairs = JudgedPairs(
        np.zeros(4, np.int64), np.ones(4, np.float32), np.array([1, 0, 0, 0], np.float32), 1
    )
    assert pr_auc(pairs) == 0.25


def test_what_a_threshold_does() -> None:
    assert recall_threshold(PAIRS, 0.95) == 5.0
    assert recall_threshold(PAIRS, 0.6) == 7.0
    # Kept at 8.5: 9+; query 1 loses its relevant document, query 3 had none.
    high = filter_measures(PAIRS, 8.5)
    assert (high.precision, high.empty, high.wrongly_empty, high.mrr) == (1.0, 0.75, 0.25, 0.25)
    assert (high.recall, high.removed) == pytest.approx((1 / 3, 5 / 6))
    # At 5 all but the last is kept: query 1 finds its relevant document second.
    low = filter_measures(PAIRS, 5.0)
    assert (low.precision, low.empty, low.wrongly_empty) == (0.6, 0.5, 0.0)
    assert (low.recall, low.removed) == pytest.approx((1.0, 1 / 6))
    assert low.mrr == (1 + 1 / 2) / 4


def test_a_threshold_above_all_scores_leaves_nothing() -> None:
    found = filter_measures(PAIRS, 10.0)
    assert (found.precision, found.recall, found.removed) == (0.0, 0.0, 1.0)
    assert (found.empty, found.wrongly_empty, found.mrr) == (1.0, 0.5, 0.0)


def test_intervals_hold_the_value_and_follow_from_the_seed() -> None:
    rng = np.random.default_rng(5)
    pairs = JudgedPairs(
        np.repeat(np.arange(30), 20),
        rng.random(600).astype(np.float32),
        (rng.random(600) < 0.1).astype(np.float32),
        30,
    )
    area = pr_auc_interval(pairs, draws=100, seed=3)
    assert area.low < pr_auc(pairs) < area.high
    assert area == pr_auc_interval(pairs, draws=100, seed=3)
    assert area != pr_auc_interval(pairs, draws=100, seed=4)
    kept = removed_interval(pairs, 0.95, draws=100)
    at = filter_measures(pairs, recall_threshold(pairs, 0.95))
    assert 0 <= kept.low <= at.removed <= kept.high <= 1


def test_scores_beside_themselves_have_ratio_1() -> None:
    found = ratio_interval(PAIRS, PAIRS, draws=20)
    assert (found.low, found.high) == (1.0, 1.0)


def test_pairs_without_anything_relevant_cannot_be_measured() -> None:
    nothing = JudgedPairs(PAIRS.queries, PAIRS.scores, np.zeros(6, np.float32), 4)
    for measure in (pr_auc, recall_threshold):
        with pytest.raises(EvaluationError, match="none of 6 pairs is relevant"):
            measure(nothing)
    with pytest.raises(EvaluationError, match="none of 6 pairs is relevant"):
        filter_measures(nothing, 1.0)


def test_other_queries_cannot_be_compared() -> None:
    fewer = JudgedPairs(PAIRS.queries[:3], PAIRS.scores[:3], PAIRS.labels[:3], 1)
    with pytest.raises(EvaluationError, match="found 4 and 1 queries"):
        ratio_interval(PAIRS, fewer)


def test_pairs_out_of_order_are_refused() -> None:
    with pytest.raises(ShapeError, match="sort the pairs"):
        JudgedPairs(PAIRS.queries[::-1], PAIRS.scores, PAIRS.labels, 4)
    with pytest.raises(ShapeError, match="differ"):
        JudgedPairs(PAIRS.queries, PAIRS.scores[:2], PAIRS.labels, 4)
