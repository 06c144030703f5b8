"""Which systems does no other beat in both quality and cost? A Pareto front."""

from collections.abc import Mapping


def front(points: Mapping[str, tuple[float, float]], *, lower_is_better: bool = False) -> list[str]:
    """Names on the front of (cost, quality), cheapest first; less cost is better.

    A point is on the front if no other costs at most as much and is at least as good, one of them
    strictly; of equal points the first name stays.
    """
    sign = -1.0 if lower_is_better else 1.0
    order = sorted(points, key=lambda name: (points[name][0], -sign * points[name][1]))
    found: list[str] = []
    best = float("-inf")
    for name in order:
        quality = sign * points[name][1]
        if quality > best:
            found.append(name)
            best = quality
    return found
