"""What is a codec? Something that is fitted to a sample, then turns vectors into rows of arrays."""

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Arrays: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Sample:
    """What codecs are fitted to: never the queries that are measured.

    Attributes:
        documents: float32 (n, dim), vectors like those that will be coded.
        queries: float32 (m, dim), vectors of training queries; (0, dim) where there are none.
        seed: of whatever is drawn.
    """

    documents: Floats
    queries: Floats
    seed: int = 42


class Fitted(Protocol):
    """A codec with all that it has learnt.

    The product of a query q with a document x is estimated as
    `queries(q) @ decode(encode(x)).T`; the two sides may have left the space they came from.
    """

    @property
    def fixed(self) -> Arrays:
        """What is stored once for all vectors, such as codebooks and matrices."""
        ...

    def encode(self, vectors: Floats) -> Arrays:
        """What is stored for vectors (n, dim): arrays of n rows."""
        ...

    def decode(self, stored: Arrays) -> Floats:
        """Float32 (n, any dim) of n rows of what `encode` gave."""
        ...

    def queries(self, vectors: Floats) -> Floats:
        """Queries (n, dim) in the space of what `decode` gives."""
        ...


class Codec(Protocol):
    """A way to code vectors, before it has seen any."""

    def fit(self, sample: Sample) -> Fitted:
        """The codec for vectors like these; the same sample gives the same bytes."""
        ...


def n_bytes(arrays: Arrays) -> int:
    """Bytes of the numbers of arrays; a file of each has a header of 128 more."""
    return sum(array.nbytes for array in arrays.values())


def rows_of(stored: Arrays, start: int, stop: int) -> Arrays:
    """The rows `start` to `stop` of all arrays."""
    return {name: array[start:stop] for name, array in stored.items()}
