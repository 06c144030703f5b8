"""How do several rankings become one?"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lexmax.types import best_first


def reciprocal_rank(
    rankings: Sequence[NDArray[np.int64]], *, rank_constant: int = 60
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Reciprocal rank fusion: the sum of 1 / (rank_constant + rank), ranks from 1.

    A document that a ranking does not hold gets nothing from it. Returns ordinals and scores,
    best first, ties by ordinal. Source: Cormack, Clarke & Buettcher, SIGIR 2009, with k = 60.
    """
    ordinals = np.concatenate([np.zeros(0, np.int64), *rankings])
    shares = np.concatenate(
        [np.zeros(0), *(1.0 / (rank_constant + np.arange(1, len(r) + 1)) for r in rankings)]
    )
    return _summed(ordinals, shares)


def weighted_scores(
    rankings: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]], weights: Sequence[float]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The weighted sum of scores that are scaled, in each ranking, from 0 (last) to 1 (first).

    A document that a ranking does not hold gets nothing from it; where all scores of a ranking are
    equal, each is 1. Returns ordinals and scores, best first, ties by ordinal. Source: convex
    combination with min-max scaling, Bruch, Gai & Ingber, arXiv 2210.11934.
    """
    ordinals = np.concatenate([np.zeros(0, np.int64), *(found for found, _ in rankings)])
    shares = np.concatenate(
        [
            np.zeros(0),
            *(w * _scaled(scores) for (_, scores), w in zip(rankings, weights, strict=True)),
        ]
    )
    return _summed(ordinals, shares)


def _scaled(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    if len(scores) == 0:
        return np.zeros(0)
    values = scores.astype(np.float64)
    span = values.max() - values.min()
    return (values - values.min()) / span if span > 0 else np.ones(len(values))


def _summed(
    ordinals: NDArray[np.int64], shares: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    fused, places = np.unique(ordinals, return_inverse=True)
    scores = np.bincount(places, weights=shares, minlength=len(fused)).astype(np.float32)
    return best_first(fused, scores, len(fused))
