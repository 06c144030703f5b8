"""What do all formats have in common? Documents' ids, names of terms, and rows of term weights."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorpusError, InputError
from lexmax.types import SparseBatch

CHUNK_DOCS = 4096
"""Documents that are in memory at a time."""

MAX_IMPACT = 1 << 24
"""The largest whole number up to which float32, in which weights are kept, holds every one."""

Progress: TypeAlias = Callable[[int], None]
"""Told how many bytes were read, or documents written, so far."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some documents: their ids, their texts (None where the format has none), a row each."""

    doc_ids: list[str]
    texts: list[str] | None
    weights: SparseBatch


class Incoming(Protocol):
    """A file that was read once: what is in it is known, and its documents can be streamed."""

    @property
    def source(self) -> Path:
        """The file."""
        ...

    @property
    def n_docs(self) -> int:
        """Documents in it."""
        ...

    @property
    def terms(self) -> Sequence[str]:
        """Names of its terms, each once; a term's place is its column."""
        ...

    def chunks(self, term_ids: NDArray[np.uint32]) -> Iterator[Chunk]:
        """All documents in order; the term of column c gets the id `term_ids[c]`."""
        ...


class Outgoing(Protocol):
    """Documents that are to be written; every call gives the same ones in the same order."""

    @property
    def terms(self) -> Sequence[str]:
        """Names of the terms that occur, ascending by their UTF-8 bytes, each once."""
        ...

    @property
    def doc_freqs(self) -> NDArray[np.int64]:
        """Documents that hold each term, (n_terms,)."""
        ...

    @property
    def n_docs(self) -> int:
        """How many documents there are."""
        ...

    def documents(self) -> Iterator[tuple[str, str]]:
        """External id and text of each document."""
        ...

    def weights(self) -> Iterator[SparseBatch]:
        """Rows of all documents, some at a time; their term ids are places in `terms`."""
        ...


@dataclass(frozen=True, slots=True)
class Quantiser:
    """Float weights as whole numbers: weight times scale, rounded, at least 1.

    A weight that was not cut off at 1 is off by at most 1 / (2 * scale).
    """

    scale: float

    @staticmethod
    def fitting(*, whole: bool, max_weight: float) -> "Quantiser":
        """Whole weights stay as they are; others are spread over 8 bits: the largest gets 255."""
        return Quantiser(1.0 if whole or max_weight <= 0 else 255.0 / max_weight)

    def impacts(self, weights: NDArray[np.float32]) -> NDArray[np.int64]:
        """Impacts from 1 to 2^31 - 1, (nnz,).

        Raises:
            InputError: if a weight times the scale is larger.
        """
        scaled = np.rint(weights.astype(np.float64) * self.scale)
        if len(scaled) and scaled.max() > (1 << 31) - 1:
            raise InputError(
                f"a weight of {weights.max():g} times the scale {self.scale:g} is above 2^31 - 1, "
                "the largest impact that other tools read; give a smaller --scale"
            )
        return np.maximum(scaled, 1).astype(np.int64)


def by_row(
    rows: NDArray[np.int64],
    term_ids: NDArray[np.uint32],
    weights: NDArray[np.float32],
    n_rows: int,
    *,
    place: Callable[[int], str],
) -> SparseBatch:
    """Weights in any order as a batch; those of zero are dropped, as they change no score.

    `place` says where row i was read, for messages.

    Raises:
        CorpusError: if a row holds a term twice, or a weight that no index can rank.
    """
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        first = int(np.argmax(bad))
        raise CorpusError(
            f"{place(int(rows[first]))}: found a weight of {weights[first]:g}; expected finite "
            "weights above zero; mend the file, or leave that term out"
        )
    kept = weights > 0
    pairs = (rows[kept] << 32) | term_ids[kept]
    order = np.argsort(pairs)
    pairs = pairs[order]
    twice = np.flatnonzero(pairs[1:] == pairs[:-1])
    if len(twice):
        raise CorpusError(
            f"{place(int(pairs[twice[0]] >> 32))}: found a term twice; expected each term once a "
            "document; sum its weights first"
        )
    indptr = np.searchsorted(pairs, np.arange(n_rows + 1, dtype=np.int64) << 32)
    term_ids = (pairs & 0xFFFFFFFF).astype(np.uint32)
    return SparseBatch(indptr.astype(np.int64), term_ids, weights[kept][order])
