"""Do fewer judgements lead to the same claims?

Of each pair of systems: both qrels find a significant difference (active), one does (mixed) or
none does (passive); and the better system is the same (agreement) or not (disagreement).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Claims:
    """What one set of qrels says of every pair of systems.

    Attributes:
        differences: (n_pairs), float64, of the means.
        is_significant: (n_pairs), bool.
    """

    differences: Floats
    is_significant: Bools


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many pairs fall where, and what follows.

    Attributes:
        active: significant by both, the same system better.
        active_opposed: significant by both, the other system better.
        mixed_missed: significant by the full qrels alone, same system better.
        mixed_missed_opposed: the same, the other better.
        mixed_new: significant by the reduced qrels alone, same system better.
        mixed_new_opposed: the same, the other better.
        passive: significant by neither, same system better.
        passive_opposed: significant by neither, the other better.
        tau: Kendall's rank correlation of the systems' means, ties counted (tau-b); NaN if all
            systems are alike under one of the qrels.
    """

    active: int
    active_opposed: int
    mixed_missed: int
    mixed_missed_opposed: int
    mixed_new: int
    mixed_new_opposed: int
    passive: int
    passive_opposed: int
    tau: float

    @classmethod
    def of(cls, full: Claims, reduced: Claims, tau: float) -> Self:
        """Counts the pairs."""
        same = np.sign(full.differences) == np.sign(reduced.differences)
        both, missed, new, neither = (
            _counts(full_says & reduced_says, same)
            for full_says, reduced_says in (
                (full.is_significant, reduced.is_significant),
                (full.is_significant, ~reduced.is_significant),
                (~full.is_significant, reduced.is_significant),
                (~full.is_significant, ~reduced.is_significant),
            )
        )
        return cls(*both, *missed, *new, *neither, tau)

    @property
    def precision(self) -> float:
        """Share of the claims of the reduced qrels that the full ones make; NaN without claims."""
        return _share(self.active, self._n_reduced)

    @property
    def recall(self) -> float:
        """Share of the claims of the full qrels that the reduced ones make; NaN without claims."""
        n_full = self.active + self.active_opposed + self.mixed_missed + self.mixed_missed_opposed
        return _share(self.active, n_full)

    @property
    def publication_bias(self) -> float:
        """Share of the claims of the reduced qrels that name the wrong system; NaN without claims.

        Wrong is what has the other sign by the full qrels, significant there or not.
        """
        return _share(self.active_opposed + self.mixed_new_opposed, self._n_reduced)

    @property
    def _n_reduced(self) -> int:
        return self.active + self.active_opposed + self.mixed_new + self.mixed_new_opposed


def _counts(pairs: Bools, same: Bools) -> tuple[int, int]:
    return int(np.count_nonzero(pairs & same)), int(np.count_nonzero(pairs & ~same))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
