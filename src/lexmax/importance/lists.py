"""Which documents did each query find, in which order, and what is each of use to it?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError

NO_SOURCE = -1


@dataclass(frozen=True, slots=True)
class RankedLists:
    """Rankings of n queries, filled up to one length.

    Attributes:
        sources: int64 (n_queries, depth), the number of each document's source, best document
            first; -1 behind the end of a list. A document may be a source of its own.
        utilities: float64 (n_queries, depth), of each document to the query, 0 to 1; 0 behind the
            end.
        n_sources: Sources have numbers 0 to n_sources - 1.

    Raises:
        ShapeError: where this does not hold.
    """

    sources: NDArray[np.int64]
    utilities: NDArray[np.float64]
    n_sources: int

    def __post_init__(self) -> None:
        sources, utilities = self.sources, self.utilities
        if sources.shape != utilities.shape or sources.ndim != 2:
            raise ShapeError(f"sources {sources.shape} and utilities {utilities.shape} differ")
        if sources.size and not NO_SOURCE <= sources.min() <= sources.max() < self.n_sources:
            raise ShapeError(
                f"sources reach from {sources.min()} to {sources.max()}; expected -1 to "
                f"{self.n_sources - 1}"
            )
        if not np.all((utilities >= 0) & (utilities <= 1)):
            raise ShapeError("utilities lie outside 0 to 1, or are NaN; divide by the greatest")
        past = sources == NO_SOURCE
        if np.any(past[:, :-1] & ~past[:, 1:]) or np.any(utilities[past] != 0):
            raise ShapeError("something stands behind the end of a list")

    @staticmethod
    def of(rows: Sequence[tuple[Sequence[int], Sequence[float]]], n_sources: int) -> "RankedLists":
        """Of each query's sources and utilities, best document first."""
        depth = max((len(sources) for sources, _ in rows), default=0)
        sources = np.full((len(rows), depth), NO_SOURCE, dtype=np.int64)
        utilities = np.zeros((len(rows), depth))
        for i, (numbers, values) in enumerate(rows):
            sources[i, : len(numbers)] = numbers
            utilities[i, : len(values)] = values
        return RankedLists(sources, utilities, n_sources)

    def __len__(self) -> int:
        """Queries."""
        return len(self.sources)

    def take(self, queries: NDArray[np.int64]) -> "RankedLists":
        """Those of some queries, in this order."""
        return RankedLists(self.sources[queries], self.utilities[queries], self.n_sources)

    def probabilities(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """That of each document's source, (n_queries, depth); 0 behind the end of a list."""
        # What is not there stands in the last place, which -1 means.
        return np.append(p, 0.0)[self.sources]

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which sources stand in a list, (n_sources,)."""
        found = np.zeros(self.n_sources + 1, dtype=np.bool_)
        found[self.sources.ravel()] = True
        return found[:-1]
