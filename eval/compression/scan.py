"""What is a scan? Vectors that are stored in some way, and searched whole."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lexmax.eval.compression.codecs.codec import Arrays, Floats
from lexmax.types import Hits, TokenBatch

Q_contra = TypeVar("Q_contra", contravariant=True)
Q = TypeVar("Q")

LEXMAX, FAISS, NUMPY = "lexmax", "faiss", "numpy"


class Scan(Protocol[Q_contra]):
    """Documents in some code.

    Attributes:
        stored: arrays with a row for each vector.
        fixed: arrays that all vectors share.
        scanned_by: whose loops read the codes: `LEXMAX` (the kernels of the index), `FAISS`, or
            `NUMPY`, which decodes them to float32 first. Times of two of these do not compare.
    """

    @property
    def stored(self) -> Arrays:
        """As above."""
        ...

    @property
    def fixed(self) -> Arrays:
        """As above."""
        ...

    @property
    def scanned_by(self) -> str:
        """As above."""
        ...

    def search(self, queries: Q_contra, k: int) -> Hits:
        """The best documents of each query, (n_queries, min(k, n_docs)), ties by ordinal.

        Documents without a vector are not among them.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class SingleVectors:
    """One vector a document, as a ladder is given them.

    Attributes:
        documents: float32 (n, dim); zeros where a document has no vector.
        queries: float32 (n_queries, dim), which are measured.
        training: float32 (m, dim), which codecs may learn from.
    """

    documents: Floats
    queries: Floats
    training: Floats

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Which documents have a vector, (n,)."""
        return np.asarray(self.documents.any(axis=1), np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class TokenVectors:
    """Token vectors of documents, of queries that are measured, and of training queries."""

    documents: TokenBatch
    queries: TokenBatch
    training: TokenBatch


V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Way(Generic[V, Q]):
    """One way to store vectors, and to search them.

    Attributes:
        name: what tables call it.
        family: ways of one family are a line in a picture.
        build: from vectors and a seed.
        served: how `lexmax index` is asked for it; empty for what is only studied.
    """

    name: str
    family: str
    build: Callable[[V, int], Scan[Q]]
    served: str = ""


def best(scores: Floats, alive: NDArray[np.bool_], k: int) -> Hits:
    """Hits of scores (n_queries, n): the k best that are alive, ties by ordinal."""
    masked = np.where(alive, scores, -np.inf)
    order = np.argsort(-masked, axis=1, kind="stable")[:, :k].astype(np.int64)
    found = np.take_along_axis(masked, order, axis=1)
    return Hits(np.where(found > -np.inf, order, -1), found.astype(np.float32))
