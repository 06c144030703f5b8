"""What is a measure, to those who compute and print it?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lexmax.eval.measures.found import Floats, Found


class Measure(Protocol):
    """A figure for each query and one for all of them."""

    @property
    def cutoff(self) -> int | None:
        """How many documents of a ranking it looks at; None for all of them."""
        ...

    @property
    def lower_is_better(self) -> bool:
        """Whether of two systems that with the smaller figure is better."""
        ...

    def values(self, found: Found) -> Floats:
        """Float64 (n_queries); NaN for a query that it says nothing about."""
        ...

    def overall(self, values: Floats, found: Found) -> float:
        """One figure for all queries; NaN if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Averaged:
    """A formula for each query, and the mean over the queries that it says something about."""

    formula: Callable[[Found], Floats]
    cutoff: int | None = None
    lower_is_better: bool = False

    def values(self, found: Found) -> Floats:
        """What the formula gives."""
        return self.formula(found)

    def overall(self, values: Floats, found: Found) -> float:
        """The mean; NaN if no query has a value."""
        defined = values[~np.isnan(values)]
        return float(defined.mean()) if len(defined) else float("nan")
