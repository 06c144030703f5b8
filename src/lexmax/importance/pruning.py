"""Which sources should a corpus be without, by queries that the weights were not learned from?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.importance.lists import RankedLists
from lexmax.importance.recurrence import utilities

PERCENTILES = tuple(range(0, 100, 5))


@dataclass(frozen=True, slots=True)
class Cut:
    """Where weights are cut.

    Attributes:
        percentile: Of the weights that were learned, 0 to 95; 0 drops nothing.
        threshold: Sources of less weight are dropped.
        keep: bool (n_sources,).
        utility: Mean of the held-out queries with what is kept.
        utility_before: With everything.
    """

    percentile: int
    threshold: float
    keep: NDArray[np.bool_]
    utility: float
    utility_before: float


def best_cut(
    weights: NDArray[np.float64], known: NDArray[np.bool_], held_out: RankedLists, *, k: int
) -> Cut:
    """The cut with the greatest utility to held-out queries; of equal ones the lowest.

    Sources that no query to learn from has found are kept: nothing is known of them.

    Args:
        weights: Of the sources, (n_sources,).
        known: Which of them were learned, (n_sources,).
        held_out: Lists of other queries, deep enough that others stand behind what is dropped.
        k: Documents that a search returns.

    Raises:
        ShapeError: as `utilities`.
    """
    cuts = [_cut(weights, known, held_out, k, percentile) for percentile in PERCENTILES]
    return max(cuts, key=lambda cut: (cut.utility, -cut.percentile))


def _cut(
    weights: NDArray[np.float64],
    known: NDArray[np.bool_],
    held_out: RankedLists,
    k: int,
    percentile: int,
) -> Cut:
    learned = weights[known]
    threshold = float(np.percentile(learned, percentile)) if len(learned) else 0.0
    keep: NDArray[np.bool_] = ~known | (weights >= threshold)
    everything = np.ones(len(weights))
    return Cut(
        percentile,
        threshold,
        keep,
        _mean(utilities(held_out, keep.astype(np.float64), k=k)),
        _mean(utilities(held_out, everything, k=k)),
    )


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 0.0
