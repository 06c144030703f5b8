"""Which documents of a snapshot may be hits? A set of ordinals that combines with others.

`Snapshot.restricted` puts a filter together with the deletions once for all the searches of a
query, so that an index sees one mask whatever it is made of.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from lexmax.errors import ShapeError

Predicate: TypeAlias = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Given ordinals (n,), says of each whether it is allowed, bool (n,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """Allowed documents among `n_docs`; combine filters with &, | and ~.

    Attributes:
        mask: bool (n_docs,), True where a document is allowed.
        n_allowed: how many are.

    Raises:
        ShapeError: if the mask has another dtype, or more than one axis.
    """

    mask: NDArray[np.bool_]
    n_allowed: int = field(init=False)

    def __post_init__(self) -> None:
        if self.mask.ndim != 1 or self.mask.dtype != np.bool_:
            raise ShapeError(
                f"a filter's mask is {self.mask.dtype} {self.mask.shape}; "
                "expected bool (n_docs,), one for each document"
            )
        object.__setattr__(self, "n_allowed", int(np.count_nonzero(self.mask)))

    @staticmethod
    def of(chosen: BitMap | NDArray[np.bool_] | Predicate, n_docs: int) -> "Filter":
        """A filter over `n_docs` documents from a roaring bitmap, a mask or a predicate.

        Raises:
            ShapeError: if a mask, or what the predicate returns, is not bool (n_docs,), or the
                bitmap holds an ordinal that is not below n_docs.
        """
        if isinstance(chosen, BitMap):
            return Filter.of_ordinals(np.array(chosen.to_array(), dtype=np.int64), n_docs)
        mask = chosen(np.arange(n_docs, dtype=np.int64)) if callable(chosen) else chosen
        if mask.shape != (n_docs,):
            raise ShapeError(
                f"a filter is over {mask.shape} documents; expected ({n_docs},), those of the "
                "snapshot that is searched"
            )
        return Filter(mask)

    @staticmethod
    def of_ordinals(ordinals: NDArray[np.int64], n_docs: int) -> "Filter":
        """A filter that allows these ordinals, in any order, among `n_docs` documents.

        Raises:
            ShapeError: if one is not 0 to n_docs - 1.
        """
        if len(ordinals) and not 0 <= ordinals.min() <= ordinals.max() < n_docs:
            raise ShapeError(
                f"a filter's ordinals run from {ordinals.min()} to {ordinals.max()}; "
                f"expected 0 to {n_docs - 1}"
            )
        mask = np.zeros(n_docs, dtype=np.bool_)
        mask[ordinals] = True
        return Filter(mask)

    @property
    def n_docs(self) -> int:
        """Documents that the filter is over."""
        return len(self.mask)

    def __and__(self, other: "Filter") -> "Filter":
        return Filter(self.mask & self._fitting(other))

    def __or__(self, other: "Filter") -> "Filter":
        return Filter(self.mask | self._fitting(other))

    def __invert__(self) -> "Filter":
        return Filter(~self.mask)

    def _fitting(self, other: "Filter") -> NDArray[np.bool_]:
        if other.n_docs != self.n_docs:
            raise ShapeError(
                f"filters are over {self.n_docs} and {other.n_docs} documents; "
                "expected the same snapshot"
            )
        return other.mask
