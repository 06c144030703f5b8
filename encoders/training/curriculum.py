"""How easy is a sample, and how much should it count now?

Training curricula for answer ranking (MacAvaney et al., SIGIR 2020, 2004.14269): what a first
ranking finds easy counts from the start, the rest more and more. Weights are per sample, before
any mean; the code that came with the paper multiplies means.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders.training.example import UNRANKED, Candidate

Difficulty: TypeAlias = Literal["reciprocal-rank", "min-max", "kde"]
Form: TypeAlias = Literal["pairwise", "pointwise"]

LAST_RANK = 1000
"""The rank of a document that the ranking does not have."""

_NORMAL = NormalDist()
# Where a list says nothing, because all its scores are equal or there is only one.
_EVEN = 0.5


@dataclass(frozen=True, slots=True)
class Curriculum:
    """Weights of samples by optimiser step: D (1 - i/m) + i/m at step i below m, then 1.

    Attributes:
        difficulty: What easiness w is made of, for every document of an example.
        form: pairwise, D = mean over negatives of (w+ - w- + 1) / 2; pointwise, D = mean of w+
            and of 1 - w- for every negative.
        end: m, in optimiser steps.
        anti: 1 - D in the place of D: hard samples first, the control.
    """

    difficulty: Difficulty
    form: Form
    end: int
    anti: bool = False

    def weight(
        self,
        positive: Candidate,
        negatives: Sequence[Candidate],
        known: Sequence[Candidate],
        *,
        step: int,
    ) -> float:
        """The weight of a sample at an optimiser step, from 0 to 1.

        Args:
            positive: Of the sample.
            negatives: Of the sample; perhaps none.
            known: The whole list that the example came with, among which scores are compared.
            step: Optimiser steps done so far.
        """
        if step >= self.end:
            return 1.0
        return self._at(self.easiness(positive, negatives, known), step)

    def text_weights(
        self, documents: Sequence[Candidate], known: Sequence[Candidate], *, step: int
    ) -> list[float]:
        """Of each document by itself, the positive first: D is w for it and 1 - w for the others.

        For losses that read one document at a time; `form` does not matter. Arguments are those
        of `weight`.
        """
        if step >= self.end:
            return [1.0] * len(documents)
        first, *others = self._of_documents(documents, known)
        return [self._at(easy, step) for easy in (first, *(1 - one for one in others))]

    def _at(self, easy: float, step: int) -> float:
        share = step / self.end
        return (1 - easy if self.anti else easy) * (1 - share) + share

    def easiness(
        self, positive: Candidate, negatives: Sequence[Candidate], known: Sequence[Candidate]
    ) -> float:
        """D, from 0 for the hardest to 1."""
        found = self._of_documents((positive, *negatives), known)
        return _pairwise(found) if self.form == "pairwise" else _pointwise(found)

    def _of_documents(
        self, documents: Sequence[Candidate], known: Sequence[Candidate]
    ) -> list[float]:
        """The ranking's opinion w of each, 0 to 1."""
        if self.difficulty == "reciprocal-rank":
            return [_reciprocal_rank(one, known) for one in documents]
        scores = np.array([one.score for one in known], dtype=np.float64)
        asked = np.array([one.score for one in documents], dtype=np.float64)
        return list(_BY_SCORES[self.difficulty](asked, scores[np.isfinite(scores)]))


def _pairwise(w: Sequence[float]) -> float:
    # A positive alone has only its own easiness.
    if len(w) == 1:
        return float(w[0])
    return (float(w[0]) - math.fsum(w[1:]) / (len(w) - 1) + 1) / 2


def _pointwise(w: Sequence[float]) -> float:
    return math.fsum([w[0], *(1 - one for one in w[1:])]) / len(w)


def _reciprocal_rank(one: Candidate, known: Sequence[Candidate]) -> float:
    """1 / rank; of unranked lists with scores, the rank among them."""
    if one.rank != UNRANKED:
        return 1 / one.rank
    if math.isnan(one.score) or any(other.rank != UNRANKED for other in known):
        return 1 / LAST_RANK
    return 1 / (1 + sum(other.score > one.score for other in known))


def min_max(asked: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each asked score's place between the least and the greatest, 0 to 1.

    1/2 where the list is flat or empty; 0 for NaN.
    """
    low, high = (scores.min(), scores.max()) if len(scores) else (0.0, 0.0)
    if high <= low:
        return np.where(np.isnan(asked), 0.0, _EVEN)
    return np.nan_to_num(np.clip((asked - low) / (high - low), 0.0, 1.0))


def kernel_percentile(
    asked: NDArray[np.float64], scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of a Gaussian kernel density over `scores` that lies below each asked score.

    Its width is by Scott's rule, n^(-1/5) standard deviations. 1/2 where the list is flat or has
    less than two scores; 0 for NaN.
    """
    spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0
    if spread <= 0.0 or scores.max() <= scores.min():
        return np.where(np.isnan(asked), 0.0, _EVEN)
    width = spread * len(scores) ** -0.2
    below = [[_NORMAL.cdf((one - score) / width) for score in scores] for one in asked]
    means: NDArray[np.float64] = np.nan_to_num(np.array(below, dtype=np.float64).mean(axis=1))
    return means


_BY_SCORES: Mapping[
    str, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
] = {"min-max": min_max, "kde": kernel_percentile}
