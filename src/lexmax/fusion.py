"""How do several rankings become one?

A ranking is ordinals, each once, and scores, best first. A document that a ranking does not hold
is said to be missing from it; what it gets there is part of each rule. Scores and rules depend on
how deep the rankings are, so who wants more documents than the fused ones must not deepen what is
fused: further ones go behind (`by_best_rank`, `behind`).
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.types import best_first

Row: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32]]
Scale: TypeAlias = Literal["min-max", "z-score", "none"]
Missing: TypeAlias = Literal["minimum", "zero"]


def finite(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scores in double precision; a sum beyond float32's range counts as its end.

    Else differences of two such, by which scores are scaled, would be no numbers.
    """
    greatest = float(np.finfo(np.float32).max)
    return np.clip(scores.astype(np.float64), -greatest, greatest)


def reciprocal_rank(
    rankings: Sequence[NDArray[np.int64]],
    *,
    rank_constant: float = 60,
    weights: Sequence[float] | None = None,
) -> Row:
    """Reciprocal rank fusion: the sum of weight / (rank_constant + rank), ranks from 1.

    A missing document gets nothing. Returns ordinals and scores, best first, ties by ordinal.
    Source: Cormack, Clarke & Buettcher, SIGIR 2009, with k = 60.
    """
    shares = [
        1.0 / (rank_constant + np.arange(1, len(ranking) + 1, dtype=np.float64))
        for ranking in rankings
    ]
    return _added(rankings, shares, weights)


def borda(rankings: Sequence[NDArray[np.int64]], *, weights: Sequence[float] | None = None) -> Row:
    """Borda's count: n - rank + 1 points in a ranking of n documents, summed.

    A missing document gets nothing. Returns ordinals and scores, best first, ties by ordinal.
    """
    points = [np.arange(len(ranking), 0, -1, dtype=np.float64) for ranking in rankings]
    return _added(rankings, points, weights)


def weighted_sum(
    rankings: Sequence[Row],
    weights: Sequence[float] | None = None,
    *,
    scale: Scale = "min-max",
    missing: Missing = "minimum",
) -> Row:
    """The weighted sum of scores that are scaled in each ranking; weights of 1 unless given.

    `min-max` scales to 0 (last) to 1 (first), and to 1 where all are equal; `z-score` to mean 0
    and variance 1, and to 0 where all are equal. A missing document gets what the ranking's last
    one got (`minimum`), or 0. Returns ordinals and scores, best first, ties by ordinal. Sources:
    Bruch, Gai & Ingber, arXiv 2210.11934; Fox & Shaw 1994 (CombSUM: weights of 1, missing zero).
    """
    scaled = [_scaled(scores, scale) for _, scores in rankings]
    floors = [_floor(values, missing, scale) for values in scaled]
    shares = [values - floor for values, floor in zip(scaled, floors, strict=True)]
    # What every document gets is the floors' sum; a ranking that has it adds what is above.
    offset = sum(w * f for w, f in zip(_or_ones(weights, rankings), floors, strict=True))
    return _added([found for found, _ in rankings], shares, weights, offset=offset)


def comb_mnz(rankings: Sequence[Row], *, scale: Scale = "min-max") -> Row:
    """CombMNZ: the sum of scaled scores times the number of rankings that hold the document.

    A missing document gets nothing. Returns ordinals and scores, best first, ties by ordinal.
    Source: Fox & Shaw, TREC-2, 1994.
    """
    ordinals = [found for found, _ in rankings]
    fused, places = np.unique(_documents(ordinals), return_inverse=True)
    sums = np.bincount(
        places,
        weights=_numbers([_scaled(scores, scale) for _, scores in rankings]),
        minlength=len(fused),
    )
    holders = np.bincount(places, minlength=len(fused))
    return best_first(fused, finite(sums * holders).astype(np.float32), len(fused))


def behind(ranking: Row, others: NDArray[np.int64]) -> Row:
    """The ranking, and behind it these documents in the order in which they are given.

    Their scores say no more than that: they fall evenly, from below the ranking's last one.
    """
    ordinals, scores = ranking
    last = float(finite(scores[-1:])[0]) if len(scores) else 0.0
    # Float32 tells scores apart down to 2**-23 of their size, and others come by the thousand.
    step = 2.0**-20 * max(abs(last), 2.0**-10)
    below = last - step * np.arange(1, len(others) + 1)
    return np.append(ordinals, others), np.append(scores, finite(below).astype(np.float32))


def by_best_rank(rankings: Sequence[NDArray[np.int64]], depths: Sequence[int]) -> NDArray[np.int64]:
    """Documents that no ranking has among its first `depths`, by the best of their ranks.

    Ties by ordinal. However deep the rankings are, one that is deeper only adds to the end.
    """
    first = _documents([found[:n] for found, n in zip(rankings, depths, strict=True)])
    later = [found[n:] for found, n in zip(rankings, depths, strict=True)]
    ranks = [n + np.arange(len(found)) for found, n in zip(later, depths, strict=True)]
    everything = _documents(later)
    order = np.lexsort((everything, _documents(ranks)))
    ranked = everything[order]
    places = np.sort(np.unique(ranked, return_index=True)[1])
    new: NDArray[np.int64] = ranked[places]
    return new[~np.isin(new, first)]


def _added(
    rankings: Sequence[NDArray[np.int64]],
    shares: Sequence[NDArray[np.float64]],
    weights: Sequence[float] | None,
    *,
    offset: float = 0.0,
) -> Row:
    weighted = [w * share for w, share in zip(_or_ones(weights, rankings), shares, strict=True)]
    fused, places = np.unique(_documents(rankings), return_inverse=True)
    sums = np.bincount(places, weights=_numbers(weighted), minlength=len(fused))
    return best_first(fused, finite(sums + offset).astype(np.float32), len(fused))


def _or_ones(weights: Sequence[float] | None, rankings: Sequence[object]) -> Sequence[float]:
    return [1.0] * len(rankings) if weights is None else weights


def _documents(rankings: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *rankings])


def _numbers(arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros(0), *arrays])


def _scaled(scores: NDArray[np.float32], scale: Scale) -> NDArray[np.float64]:
    values = finite(scores)
    if scale == "none" or len(values) == 0:
        return values
    if scale == "min-max":
        span = values.max() - values.min()
        return (values - values.min()) / span if span > 0 else np.ones(len(values))
    deviation = values.std()
    return (values - values.mean()) / deviation if deviation > 0 else np.zeros(len(values))


def _floor(scaled: NDArray[np.float64], missing: Missing, scale: Scale) -> float:
    if missing == "zero" or len(scaled) == 0 or (scale == "min-max" and scaled.min() == 1):
        return 0.0
    return float(scaled.min())
