"""What is a store? Arrays, and a scan of them: what candidates know of all kinds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.index.stores.spec import StoreSpec
from lexmax.types import best_first

Row: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32]]
# By name; each becomes a file `fde.NAME.npy`.
Arrays: TypeAlias = dict[str, NDArray[Any]]
# Rows of the arrays that have one for each vector, of vectors (n, dim).
Coder: TypeAlias = Callable[[NDArray[np.float32]], Arrays]


class Store(Protocol):
    """Vectors, of which those with the greatest inner products are found."""

    def nearest(
        self, vector: NDArray[np.float32], n: int, alive: NDArray[np.bool_] | None = None
    ) -> Row:
        """Ordinals and estimated products with a vector (dim,), best first; n is 1 or more.

        Only vectors whose `alive` (n_docs,) is True are looked for; min(n, those) are found,
        unless the arrays are damaged.
        """
        ...


@dataclass(frozen=True, slots=True)
class Form:
    """What an array must be.

    Attributes:
        dtype: of its numbers.
        shape: of the array.
        finite: whether it is small and must hold no NaN or infinity.
    """

    dtype: type[np.generic]
    shape: tuple[int, ...]
    finite: bool = False


class StoreKind(Protocol):
    """Makes stores of one kind from arrays, and the arrays from vectors, block by block."""

    def forms(self, spec: StoreSpec, n: int, dim: int) -> dict[str, Form]:
        """Its arrays, for n vectors of dim."""
        ...

    def train(self, spec: StoreSpec, sample: NDArray[np.float32], *, seed: int) -> Arrays:
        """The arrays that do not depend on the single vector, from a sample (m, dim)."""
        ...

    def coder(self, spec: StoreSpec, trained: Arrays) -> Coder:
        """Makes the arrays that have a row for each vector."""
        ...

    def complete(self, spec: StoreSpec, arrays: Arrays) -> Arrays:
        """The arrays that are made of all those rows."""
        ...

    def open(self, spec: StoreSpec, arrays: Arrays) -> Store:
        """A store over arrays that have their forms."""
        ...


def living(alive: NDArray[np.bool_] | None, n: int) -> int:
    """How many of n vectors can be found."""
    return n if alive is None else int(np.count_nonzero(alive))


def cut(found: Row, n: int) -> Row:
    """The best n of what a scan found in any order."""
    return best_first(*found, n)
