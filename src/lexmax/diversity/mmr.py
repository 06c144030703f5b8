"""Which documents are relevant and unlike those chosen before?

Carbonell & Goldstein, "The Use of MMR, Diversity-Based Reranking", SIGIR 1998.
"""

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.fusion import finite


def mmr(
    similarities: NDArray[np.float32],
    relevance: NDArray[np.floating],
    k: int,
    *,
    trade_off: float = 0.7,
    ordinals: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Positions of the candidates in the order of choice, (min(k, n),).

    Each choice is the candidate of the greatest trade_off * relevance - (1 - trade_off) * its
    greatest similarity to those chosen before; the first is the most relevant. Ties go to the
    smaller ordinal.

    Args:
        similarities: Of all pairs of candidates, (n, n).
        relevance: On the scale of the similarities, such as `from_scores` gives, (n,).
        k: How many to choose.
        trade_off: 1 is relevance alone, 0 dissimilarity alone.
        ordinals: Of the candidates, (n,); by default their positions.

    Raises:
        ShapeError: if shapes do not fit, or a number is not finite.
    """
    check_candidates(similarities, relevance)
    scores = trade_off * relevance.astype(np.float64)
    weighted = (1 - trade_off) * similarities.astype(np.float64)
    order = np.arange(len(scores)) if ordinals is None else np.argsort(ordinals, kind="stable")
    # Nothing is chosen yet, so nothing is taken off.
    nearest = np.zeros(len(scores))
    chosen: list[int] = []
    for _ in range(min(k, len(scores))):
        best = int(order[np.argmax((scores - nearest)[order])])
        nearest = np.maximum(nearest, weighted[best]) if chosen else weighted[best].copy()
        chosen.append(best)
        scores[best] = -np.inf
    return np.array(chosen, dtype=np.int64)


def from_scores(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scores scaled to 0 (least) to 1 (greatest), (n,); all 1 where all are equal."""
    values = finite(scores)
    span = np.ptp(values) if len(values) else 0.0
    return (values - values.min()) / span if span > 0 else np.ones(len(values))


def check_candidates(similarities: NDArray[np.float32], weights: NDArray[np.floating]) -> None:
    """Check that they are finite, (n, n) and (n,).

    Raises:
        ShapeError: where that does not hold.
    """
    n = len(weights)
    if weights.ndim != 1 or similarities.shape != (n, n):
        raise ShapeError(
            f"similarities {similarities.shape} for candidates {weights.shape}; expected (n, n) "
            "for (n,)"
        )
    if not (np.isfinite(weights).all() and np.isfinite(similarities).all()):
        raise ShapeError("similarities or relevance hold NaN or infinity; expected finite numbers")
