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
    fused, places = np.unique(ordinals, return_inverse=True)
    scores = np.bincount(places, weights=shares, minlength=len(fused)).astype(np.float32)
    return best_first(fused, scores, len(fused))
