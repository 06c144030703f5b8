"""What does a quality cost, between the settings of a knob that were measured?"""

import math
from collections.abc import Sequence

Point = tuple[float, float]


def interpolated(points: Sequence[Point], quality: float) -> float | None:
    """Milliseconds at a quality; points are (quality, milliseconds).

    Only points that no other one beats in both are on the curve; between them the logarithm of
    the milliseconds is linear in quality. None where the curve does not reach the quality; where
    every point is above, the fastest is the answer.
    """
    curve = frontier(points)
    above = [point for point in curve if point[0] >= quality]
    below = [point for point in curve if point[0] < quality]
    if not above:
        return None
    if not below:
        return above[0][1]
    (low, low_ms), (high, high_ms) = below[-1], above[0]
    share = (quality - low) / (high - low)
    return math.exp(math.log(low_ms) + share * (math.log(high_ms) - math.log(low_ms)))


def frontier(points: Sequence[Point]) -> list[Point]:
    """Points that no other one beats in both, ascending in quality and in milliseconds."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: (-point[0], point[1])):
        if not kept or point[1] < kept[-1][1]:
            kept.append(point)
    return kept[::-1]
