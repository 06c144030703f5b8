"""Which documents of a segment are most like each other? A graph of nearest neighbours.

From each document lead edges to the k others whose vectors have the greatest cosines with its own.
Byte by byte: docs/format/neighbours.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, InputError, ShapeError
from lexmax.index.npy import map_npy, write_npy
from lexmax.types import Json

STARTS, ORDINALS, SIMILARITIES = (
    "neighbours.starts.npy",
    "neighbours.ordinals.npy",
    "neighbours.similarities.npy",
)
SETTING = "neighbours"
"""What the catalog calls the number of neighbours of a document; without it there is no graph."""

_REMEDY = "run `lexmax rebuild` on the collection, or restore a backup"


_MOST = 256


def check_neighbours(k: int) -> int:
    """A number of neighbours that a graph can have, itself.

    Raises:
        InputError: if it is not 0 to 256.
    """
    if not 0 <= k <= _MOST:
        raise InputError(f"found {k} neighbours of a document; expected 0 to {_MOST}; 16 are usual")
    return k


@dataclass(frozen=True, slots=True)
class Edges:
    """What leads from each of n documents, nearest first.

    Attributes:
        starts: Where the edges of each begin, then their number, int64 (n + 1,).
        ordinals: Where they lead, int64 (n_edges,).
        similarities: Cosines with where they lead, above 0, float32 (n_edges,).
    """

    starts: NDArray[np.int64]
    ordinals: NDArray[np.int64]
    similarities: NDArray[np.float32]

    @staticmethod
    def none(n: int) -> "Edges":
        """No edge from any of n documents."""
        return Edges(np.zeros(n + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))

    @staticmethod
    def gathered(n: int, pieces: Iterable[tuple[NDArray[np.int64], "Edges"]]) -> "Edges":
        """Those of n documents, given in pieces: places among the n, and edges that lead from them.

        No edge leads from a document that is in no piece.
        """
        found = [(places, edges) for places, edges in pieces if len(edges.ordinals)]
        counts = np.zeros(n, np.int64)
        for places, edges in found:
            counts[places] = np.diff(edges.starts)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
        ordinals = np.zeros(starts[-1], np.int64)
        similarities = np.zeros(starts[-1], np.float32)
        for places, edges in found:
            moved = np.repeat(starts[places] - edges.starts[:-1], counts[places])
            into = moved + np.arange(len(edges.ordinals))
            ordinals[into], similarities[into] = edges.ordinals, edges.similarities
        return Edges(starts, ordinals, similarities)

    def only(self, kept: NDArray[np.bool_]) -> "Edges":
        """The edges where `kept` (n_edges,) is True."""
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept, dtype=np.int64)])
        return Edges(before[self.starts], self.ordinals[kept], self.similarities[kept])

    def shifted(self, base: int) -> "Edges":
        """The same where ordinals begin at `base`."""
        return Edges(self.starts, self.ordinals + base, self.similarities)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The graph of n documents, in memory or mapped from a folder.

    Attributes:
        starts: Where the edges of each document begin, then their number, int64 (n_docs + 1,).
        ordinals: Where they lead, nearest first, uint32 (n_edges,).
        similarities: Cosines with where they lead, above 0, float32 (n_edges,).
        k: Edges of a document at most.
        signal: Whose vectors were compared: "pooled", "multivector" or "sparse".

    Raises:
        ShapeError: if these do not fit together.
    """

    starts: NDArray[np.int64]
    ordinals: NDArray[np.uint32]
    similarities: NDArray[np.float32]
    k: int
    signal: str

    def __post_init__(self) -> None:
        n_edges = len(self.ordinals)
        if len(self.starts) == 0 or self.starts[0] != 0 or self.starts[-1] != n_edges:
            raise ShapeError(f"starts {self.starts.shape} must begin at 0 and end at {n_edges}")
        if self.similarities.shape != self.ordinals.shape:
            raise ShapeError(f"{self.similarities.shape} similarities of {n_edges} edges")
        if np.any((counts := np.diff(self.starts)) < 0) or np.any(counts > self.k):
            raise ShapeError(f"starts must not decrease, nor rise by more than k, {self.k}")

    @staticmethod
    def open(directory: Path, parameters: Mapping[str, Json]) -> "Neighbours":
        """Map what `save` wrote; `parameters` are those of segment.json.

        Raises:
            CorruptionError: if a file is missing, or is not what the parameters say.
        """
        starts = map_npy(directory / STARTS, (np.int64,), 1)
        ordinals = map_npy(directory / ORDINALS, (np.uint32,), 1)
        similarities = map_npy(directory / SIMILARITIES, (np.float32,), 1)
        k, signal = parameters.get("k"), parameters.get("signal")
        try:
            if not isinstance(k, int):
                raise ShapeError(f"found k {k!r}; expected a whole number")
            found = Neighbours(starts, ordinals, similarities, k, str(signal))
        except ShapeError as error:
            raise CorruptionError(f"{directory}: {error}; {_REMEDY}") from error
        if found.parameters() != parameters:
            raise CorruptionError(
                f"{directory}: found {found.parameters()}; expected {parameters}; {_REMEDY}"
            )
        return found

    def save(self, directory: Path) -> None:
        """Write the graph's files.

        Raises:
            StorageError: where a file cannot be written.
        """
        write_npy(directory / STARTS, self.starts)
        write_npy(directory / ORDINALS, self.ordinals)
        write_npy(directory / SIMILARITIES, self.similarities)

    def parameters(self) -> dict[str, Json]:
        """What `open` needs besides the files."""
        n_edges = len(self.ordinals)
        return {"k": self.k, "signal": self.signal, "n_docs": self.n_docs, "n_edges": n_edges}

    @property
    def n_docs(self) -> int:
        """Documents, those without edges included."""
        return len(self.starts) - 1

    def edges(self, documents: NDArray[np.int64]) -> Edges:
        """What leads from these documents.

        Raises:
            ShapeError: if an ordinal is not 0 to n_docs - 1.
            CorruptionError: if an edge leads to none of the documents, or its cosine is none.
        """
        if len(documents) and not 0 <= documents.min() <= documents.max() < self.n_docs:
            raise ShapeError(f"ordinals exceed 0 to {self.n_docs - 1}")
        counts = self.starts[documents + 1] - self.starts[documents]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
        moved = np.repeat(self.starts[documents] - starts[:-1], counts)
        places = moved + np.arange(len(moved), dtype=np.int64)
        ordinals = self.ordinals[places].astype(np.int64)
        if np.any(ordinals >= self.n_docs):
            raise CorruptionError(
                f"found an edge to document {ordinals.max()} of {self.n_docs}; {_REMEDY}"
            )
        similarities = self.similarities[places]
        if not np.all((similarities > 0) & (similarities <= 1)):
            raise CorruptionError(
                f"found an edge whose cosine is not above 0 and at most 1; {_REMEDY}"
            )
        return Edges(starts, ordinals, similarities)
