"""Which probabilities of sources make searches most useful?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.importance.lists import RankedLists
from lexmax.importance.recurrence import gradients, utilities

_FIRST_STEP = 0.1
_LEAST_STEP = 1e-6


@dataclass(frozen=True, slots=True)
class Ascent:
    """How probabilities climb.

    Attributes:
        epochs: Steps at most.
        start: Every probability at the beginning.
        lr: p <- clip(p + lr gradient, 0, 1); None for one by which the first step moves the
            source that moves most by 0.1, so that it fits any number of queries and documents.
        epsilon: Of `gradients`.
    """

    epochs: int = 100
    start: float = 0.5
    lr: float | None = None
    epsilon: float = 0.0


ASCENT = Ascent()


def ascended(
    lists: RankedLists, *, k: int, rules: Ascent = ASCENT
) -> tuple[NDArray[np.float64], list[float]]:
    """Probabilities of the sources after projected gradient ascent, and the way there.

    A step after which the expected utility is less is taken back, and the next is half as long.
    Sources in no list stay where they began.

    Args:
        lists: Of the queries to learn from.
        k: Documents that a search returns.
        rules: How far and how often.

    Returns:
        p (n_sources,), and the mean expected utility at the beginning and after each step that
        stood, which never falls.

    Raises:
        ShapeError: as `gradients`.
    """
    p = np.full(lists.n_sources, rules.start)
    reached = [float(utilities(lists, p, k=k).mean())] if len(lists) else [0.0]
    slope = gradients(lists, p, k=k, epsilon=rules.epsilon)
    greatest = float(np.abs(slope).max(initial=0.0))
    if greatest == 0.0:
        return p, reached
    lr = _FIRST_STEP / greatest if rules.lr is None else rules.lr
    for _ in range(rules.epochs):
        higher: NDArray[np.float64] = np.clip(p + lr * slope, 0.0, 1.0)
        moved = float(np.abs(higher - p).max())
        if moved < _LEAST_STEP:
            break
        value = float(utilities(lists, higher, k=k).mean())
        if value < reached[-1]:
            lr /= 2
            continue
        p = higher
        reached.append(value)
        slope = gradients(lists, p, k=k, epsilon=rules.epsilon)
    return p, reached
