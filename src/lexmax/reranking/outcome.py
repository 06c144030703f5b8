"""What came of scoring some candidates again?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Outcome:
    """Scores of candidates, in the order in which they were given.

    Attributes:
        scores: float32 (n,), NaN where there was no time; -inf for texts without words.
        n_scored: How many have a score.
        partial: Whether there was no time for some.
        problem: Why there is no score at all, in a sentence; None where nothing went wrong. The
            ranking before then stands.

    Raises:
        ShapeError: if these contradict each other.
    """

    scores: NDArray[np.float32]
    n_scored: int
    partial: bool
    problem: str | None = None

    def __post_init__(self) -> None:
        found = int(np.count_nonzero(~np.isnan(self.scores)))
        if found != self.n_scored or (self.problem is not None and found):
            raise ShapeError(
                f"{found} candidates have scores, n_scored is {self.n_scored} and problem "
                f"{self.problem!r}; expected as many as have scores, and none with a problem"
            )

    @staticmethod
    def of(scores: NDArray[np.float32]) -> "Outcome":
        """That of scores of which NaN are missing."""
        n_scored = int(np.count_nonzero(~np.isnan(scores)))
        return Outcome(scores, n_scored, n_scored < len(scores))

    @staticmethod
    def failed(n: int, problem: str) -> "Outcome":
        """No scores for n candidates, and why."""
        return Outcome(np.full(n, np.nan, dtype=np.float32), 0, partial=False, problem=problem)

    def ranking(self, ordinals: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The candidates best first, with scores that fall in that order.

        First come those with a score, ties by ordinal. Behind them those that there was no time
        for, in the order in which they were given, with scores 1, 2, ... below the lowest. Last
        those whose texts have no words, whose score is -inf.

        Args:
            ordinals: Of the candidates, int64 (n,), best first by the ranking before.

        Raises:
            ShapeError: if there are not as many as scores.
        """
        if ordinals.shape != self.scores.shape:
            raise ShapeError(f"{len(ordinals)} ordinals for {len(self.scores)} scores")
        missing = np.isnan(self.scores)
        finite = np.isfinite(self.scores)
        lowest = float(self.scores[finite].min()) if finite.any() else 0.0
        behind = _falling(lowest, int(missing.sum()))
        scored = np.flatnonzero(finite)
        by_score = scored[np.lexsort((ordinals[scored], -self.scores[scored]))]
        empty = np.sort(ordinals[np.isneginf(self.scores)])
        return (
            np.concatenate([ordinals[by_score], ordinals[missing], empty]),
            np.concatenate(
                [self.scores[by_score], behind, np.full(len(empty), -np.inf, dtype=np.float32)]
            ),
        )


def _falling(below: float, n: int) -> NDArray[np.float32]:
    """Numbers of float32 that fall strictly and lie below another, (n,)."""
    wanted = below - np.arange(1, n + 1, dtype=np.float64)
    found = wanted.astype(np.float32)
    if n == 0 or (found[0] < below and bool((np.diff(found) < 0).all())):
        return found
    # Steps of 1 vanish beside numbers so large.
    steps = [np.float32(below)]
    for _ in range(n):
        steps.append(np.nextafter(steps[-1], np.float32(-np.inf)))
    return np.array(steps[1:], dtype=np.float32)
