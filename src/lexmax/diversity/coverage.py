"""Which documents together cover what all candidates say?

Semantic compression, arXiv 2507.19715: of the candidates, the k that maximise

    F(S) = sum_v w_v max_{s in S} sim(v, s) / sum_v w_v + diversity * mean distance in S

where similarities below 0 count as 0, distance is 1 - sim, and the mean is over the pairs of k
documents. The first term is monotone and submodular, so that choosing greedily reaches 1 - 1/e of
the optimum (Nemhauser, Wolsey & Fisher 1978). The second is not; where it weighs, there is no such
promise.
"""

import numpy as np
from numpy.typing import NDArray

from lexmax.diversity.mmr import check_candidates
from lexmax.errors import ShapeError

# A row of some hundred numbers is summed faster than numpy is called for it.
_AT_ONCE = 32


def coverage(
    similarities: NDArray[np.float32],
    weights: NDArray[np.floating],
    k: int,
    *,
    diversity: float = 0.0,
    ordinals: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Positions of the candidates in the order of choice, (min(k, n),).

    Lazy greedy (Minoux 1978): what a candidate adds to the coverage never grows, so what it added
    at an earlier choice bounds it, and only those are looked at whose bound is above what has been
    found. They are looked at 32 at a time. Ties go to the smaller ordinal.

    Args:
        similarities: Of all pairs of candidates, (n, n).
        weights: What covering each candidate is worth, such as its relevance, at least 0, (n,).
        k: How many to choose.
        diversity: Weight of the mean distance between chosen documents beside the coverage.
        ordinals: Of the candidates, (n,); by default their positions.

    Raises:
        ShapeError: if shapes do not fit, a number is not finite, or a weight is below 0.
    """
    check_candidates(similarities, weights)
    if np.any(weights < 0):
        raise ShapeError("weights of candidates are below 0; expected 0 or more")
    n, k = len(weights), min(k, len(weights))
    order = np.arange(n) if ordinals is None else np.argsort(ordinals, kind="stable")
    sorted_similarities = similarities[np.ix_(order, order)].astype(np.float64)
    choice = _Choice(sorted_similarities, weights[order].astype(np.float64))
    per_pair = diversity / max(k * (k - 1) / 2, 1)
    for _ in range(k):
        choice.choose(per_pair)
    return order[np.array(choice.chosen, dtype=np.int64)]


class _Choice:
    """What is chosen so far, and bounds of what each candidate would add to the coverage."""

    def __init__(self, similarities: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
        self.chosen: list[int] = []
        self._similarities = similarities
        self._weights = weights / (weights.sum() or 1)
        self._covered = np.zeros(len(weights))
        self._far = np.zeros(len(weights))
        self._bounds = self._gains(np.arange(len(weights)))

    def choose(self, per_pair: float) -> None:
        """Take the candidate that adds most; `per_pair` is what a distance of 1 is worth."""
        best = self._best(per_pair * self._far)
        self.chosen.append(best)
        self._far += 1 - self._similarities[best]
        np.maximum(self._covered, self._similarities[best], out=self._covered)
        self._bounds[best] = -np.inf

    def _best(self, extra: NDArray[np.float64]) -> int:
        bounds = self._bounds + extra
        # The first bounds are no bounds but what is added.
        stale = np.full(len(bounds), bool(self.chosen))
        stale[self.chosen] = False
        while True:
            best = int(np.argmax(bounds))
            if not stale[best]:
                return best
            candidates = np.flatnonzero(stale)
            if len(candidates) > _AT_ONCE:
                highest = np.argpartition(-bounds[candidates], _AT_ONCE)[:_AT_ONCE]
                candidates = candidates[highest]
            self._bounds[candidates] = self._gains(candidates)
            bounds[candidates] = self._bounds[candidates] + extra[candidates]
            stale[candidates] = False

    def _gains(self, candidates: NDArray[np.int64]) -> NDArray[np.float64]:
        """What each would add to the coverage."""
        gained = np.maximum(self._similarities[candidates] - self._covered, 0)
        # Not a matrix product, whose sums depend on how many rows there are.
        gains: NDArray[np.float64] = (gained * self._weights).sum(axis=1)
        return gains
