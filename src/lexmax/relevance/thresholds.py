"""From which probability on is a document returned, for a declared recall or precision?"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CalibrationError

Aim: TypeAlias = Literal["recall", "precision"]


@dataclass(frozen=True, slots=True)
class Target:
    """What share is declared, pooled over the pairs of all queries.

    `recall` is of the relevant documents among the candidates, not of all that exist.

    Raises:
        CalibrationError: if the share is not above 0 and at most 1.
    """

    aim: Aim
    share: float

    def __post_init__(self) -> None:
        if self.aim not in ("recall", "precision") or not 0 < self.share <= 1:
            raise CalibrationError(
                f"found the target {self.aim}={self.share}; expected recall or precision, above 0 "
                "and at most 1, such as recall=0.95"
            )

    def __str__(self) -> str:
        return f"{self.aim}={self.share:g}"

    @staticmethod
    def parse(text: str) -> "Target":
        """From `recall=0.95` or `precision=0.5`.

        Raises:
            CalibrationError: if it is neither.
        """
        aim, _, share = text.partition("=")
        try:
            number = float(share)
        except ValueError:
            number = float("nan")
        if aim == "recall":
            return Target("recall", number)
        if aim == "precision":
            return Target("precision", number)
        raise CalibrationError(
            f"found the target {text[:60]!r}; expected recall=SHARE or precision=SHARE"
        )


@dataclass(frozen=True, slots=True)
class Cuts:
    """What is kept from every distinct score on, the highest first; float64 (n,) but `scores`.

    Attributes:
        scores: float32 (n,), descending; kept are pairs that score at least so much.
        n_kept: pairs.
        relevant: sum of their labels.
    """

    scores: NDArray[np.float32]
    n_kept: NDArray[np.float64]
    relevant: NDArray[np.float64]

    @staticmethod
    def of(scores: NDArray[np.float32], labels: NDArray[np.float32]) -> "Cuts":
        """Cuts of pooled pairs; equal scores are kept or left together."""
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        last = np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)]
        kept = np.arange(1, len(ranked) + 1, dtype=np.float64)
        relevant = np.cumsum(labels[order], dtype=np.float64)
        return Cuts(ranked[last], kept[last], relevant[last])

    @property
    def total(self) -> float:
        """Sum of all labels."""
        return float(self.relevant[-1]) if len(self.relevant) else 0.0

    def at_recall(self, share: float) -> int | None:
        """The first cut with this recall; None if nothing is relevant."""
        if self.total <= 0:
            return None
        # Sums of shares such as 0.95 of 20 labels miss a whole number by a rounding error.
        return int(np.argmax(self.relevant >= share * self.total * (1 - 1e-9)))

    def at_precision(self, share: float) -> int | None:
        """The last cut with this precision; None if none has it."""
        reached = np.flatnonzero(self.relevant >= share * self.n_kept * (1 - 1e-9))
        return int(reached[-1]) if len(reached) else None


def threshold_for(
    probabilities: NDArray[np.float32], labels: NDArray[np.float32], target: Target
) -> float:
    """The highest probability that reaches a recall, or the lowest that keeps a precision.

    Raises:
        CalibrationError: if none does: nothing is relevant, or so precise.
    """
    cuts = Cuts.of(probabilities, labels)
    if cuts.total <= 0:
        raise CalibrationError(
            "no held-out pair is relevant, so no threshold can be chosen; expected relevant "
            "documents among the candidates of held-out queries; judge more queries"
        )
    if target.aim == "recall":
        cut = cuts.at_recall(target.share)
    else:
        cut = cuts.at_precision(target.share)
    if cut is None:
        best = float(np.max(cuts.relevant / cuts.n_kept))
        raise CalibrationError(
            f"no threshold has {target}; the highest precision on held-out queries is "
            f"{best:.3f}; ask for less"
        )
    return float(cuts.scores[cut])
