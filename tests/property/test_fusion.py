"""Fusion against dictionaries and loops, and its algebra."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexmax.fusion import (
    Missing,
    Row,
    Scale,
    borda,
    comb_mnz,
    reciprocal_rank,
    weighted_sum,
)

SCALES: list[Scale] = ["min-max", "z-score", "none"]
MISSING: list[Missing] = ["minimum", "zero"]


@st.composite
def rankings(draw: st.DrawFn) -> list[Row]:
    found: list[Row] = []
    for _ in range(draw(st.integers(0, 4))):
        ordinals = draw(st.lists(st.integers(0, 12), unique=True, max_size=8))
        scores = draw(
            st.lists(st.floats(-50, 50, width=32), min_size=len(ordinals), max_size=len(ordinals))
        )
        order = sorted(zip(ordinals, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
        found.append(
            (
                np.array([one for one, _ in order], dtype=np.int64),
                np.array([score for _, score in order], dtype=np.float32),
            )
        )
    return found


def _dict(row: Row) -> dict[int, float]:
    return dict(zip(row[0].tolist(), row[1].tolist(), strict=True))


def _slow_scaled(scores: list[float], scale: str) -> list[float]:
    if scale == "none" or not scores:
        return scores
    if scale == "min-max":
        low, high = min(scores), max(scores)
        return [(x - low) / (high - low) if high > low else 1.0 for x in scores]
    mean = math.fsum(scores) / len(scores)
    deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in scores) / len(scores))
    return [(x - mean) / deviation if deviation > 0 else 0.0 for x in scores]


def _slow_sum(rows: list[Row], weights: list[float], scale: str, missing: str) -> dict[int, float]:
    everything = {int(one) for found, _ in rows for one in found}
    total = dict.fromkeys(everything, 0.0)
    for (found, scores), weight in zip(rows, weights, strict=True):
        scaled = dict(zip(found.tolist(), _slow_scaled(scores.tolist(), scale), strict=True))
        flat = scale == "min-max" and bool(scaled) and min(scaled.values()) == 1
        floor = 0.0 if missing == "zero" or not scaled or flat else min(scaled.values())
        for one in everything:
            total[one] += weight * scaled.get(one, floor)
    return total


@given(rankings(), st.data())
def test_weighted_sums_are_what_loops_give(rows: list[Row], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.floats(0, 3), min_size=len(rows), max_size=len(rows)))
    scale: Scale = data.draw(st.sampled_from(SCALES))
    missing: Missing = data.draw(st.sampled_from(MISSING))
    # Deviations of nearly equal numbers differ in their last digits between the two.
    if scale == "z-score" and any(0 < np.ptp(scores) < 1e-3 for _, scores in rows if len(scores)):
        return
    fused = weighted_sum(rows, weights, scale=scale, missing=missing)
    assert _dict(fused) == pytest.approx(_slow_sum(rows, weights, scale, missing), abs=1e-3)
    assert fused[1].tolist() == sorted(fused[1].tolist(), reverse=True)


@given(rankings(), st.integers(0, 100))
def test_reciprocal_ranks_are_what_loops_give(rows: list[Row], constant: int) -> None:
    expected: dict[int, float] = {}
    for found, _ in rows:
        for rank, one in enumerate(found.tolist(), start=1):
            expected[one] = expected.get(one, 0.0) + 1 / (constant + rank)
    fused = reciprocal_rank([found for found, _ in rows], rank_constant=constant)
    assert _dict(fused) == pytest.approx(expected, rel=1e-6)


@given(rankings())
def test_the_order_of_rankings_does_not_matter(rows: list[Row]) -> None:
    turned = list(reversed(rows))
    for fused in (
        lambda given: reciprocal_rank([found for found, _ in given]),
        lambda given: borda([found for found, _ in given]),
        weighted_sum,
        comb_mnz,
    ):
        assert _dict(fused(turned)) == pytest.approx(_dict(fused(rows)), abs=1e-5)


@given(rankings(), st.floats(0.1, 10), st.floats(-5, 5))
def test_scaling_forgets_scale_and_zero(rows: list[Row], factor: float, shift: float) -> None:
    moved = [(found, (scores * factor + shift).astype(np.float32)) for found, scores in rows]
    if any(np.ptp(scores) < 1 for _, scores in rows if len(scores)):
        return
    assert _dict(weighted_sum(moved)) == pytest.approx(_dict(weighted_sum(rows)), abs=1e-3)


@given(rankings())
def test_comb_mnz_counts_holders(rows: list[Row]) -> None:
    sums = _slow_sum(rows, [1.0] * len(rows), "min-max", "zero")
    holders = {one: sum(one in found for found, _ in rows) for one in sums}
    expected = {one: total * holders[one] for one, total in sums.items()}
    assert _dict(comb_mnz(rows)) == pytest.approx(expected, abs=1e-4)


@given(rankings())
def test_borda_gives_the_last_of_a_ranking_one_point(rows: list[Row]) -> None:
    expected: dict[int, float] = {}
    for found, _ in rows:
        for place, one in enumerate(found.tolist()):
            expected[one] = expected.get(one, 0.0) + len(found) - place
    assert _dict(borda([found for found, _ in rows])) == pytest.approx(expected)
