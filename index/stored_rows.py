"""What is stored of these documents, in the order in which they are asked for?

Documents of a snapshot lie in several segments. A *piece* is what one segment has of them: the
places that they take among those asked for, and their rows.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from lexmax.index.segment import Segment
from lexmax.types import SparseBatch, TokenBatch

Ordinals: TypeAlias = NDArray[np.int64]
Rows = TypeVar("Rows", SparseBatch, TokenBatch, NDArray[np.float32], NDArray[np.int32])


class Placed(Protocol):
    """A segment, and the ordinal of its first document."""

    @property
    def segment(self) -> Segment:
        """Where rows are stored."""
        ...

    @property
    def base(self) -> int:
        """Where its ordinals begin."""
        ...


def terms(parts: Sequence[Placed], ordinals: Ordinals) -> SparseBatch:
    """Term weights of these documents; an empty row where a segment has none."""

    def read(segment: Segment, local: Ordinals) -> SparseBatch | None:
        return None if segment.sparse is None else segment.sparse.weights(local)

    pieces = _pieces(parts, ordinals, read)
    indptr = _offsets(len(ordinals), [(places, batch.indptr) for places, batch in pieces])
    term_ids = np.empty(int(indptr[-1]), np.uint32)
    weights = np.empty(int(indptr[-1]), np.float32)
    for places, batch in pieces:
        found = _targets(indptr, places, batch.indptr)
        term_ids[found], weights[found] = batch.term_ids, batch.weights
    return SparseBatch(indptr, term_ids, weights)


def tokens(parts: Sequence[Placed], ordinals: Ordinals) -> TokenBatch:
    """Token vectors of these documents, decoded; an empty row where a segment has none.

    Their dim is 0 where no segment has any.
    """

    def read(segment: Segment, local: Ordinals) -> TokenBatch | None:
        return None if segment.multivector is None else segment.multivector.store.decode(local)

    pieces = _pieces(parts, ordinals, read)
    offsets = _offsets(len(ordinals), [(places, batch.offsets) for places, batch in pieces])
    held = [part.segment.multivector for part in parts]
    dim = max((index.store.dim for index in held if index is not None), default=0)
    vectors = np.empty((int(offsets[-1]), dim), np.float32)
    for places, batch in pieces:
        vectors[_targets(offsets, places, batch.offsets)] = batch.vectors
    return TokenBatch(offsets, vectors)


def vectors(parts: Sequence[Placed], ordinals: Ordinals) -> NDArray[np.float32]:
    """Pooled vectors of these documents, decoded, float32 (len(ordinals), dim); zeros for none.

    `dim` is 0 where no segment has any.
    """

    def read(segment: Segment, local: Ordinals) -> NDArray[np.float32] | None:
        return None if segment.pooled is None else segment.pooled.vectors(local)

    held = [part.segment.pooled for part in parts]
    dim = max((index.dim for index in held if index is not None), default=0)
    found = np.zeros((len(ordinals), dim), np.float32)
    for places, rows in _pieces(parts, ordinals, read):
        found[places] = rows
    return found


def spans(parts: Sequence[Placed], ordinals: Ordinals) -> NDArray[np.int32]:
    """Start and end of these passages in characters, (len(ordinals), 2); zeros for no passage."""

    def read(segment: Segment, local: Ordinals) -> NDArray[np.int32] | None:
        return None if segment.passages is None else segment.passages[local]

    found = np.zeros((len(ordinals), 2), np.int32)
    for places, rows in _pieces(parts, ordinals, read):
        found[places] = rows
    return found


def term_products(
    query: tuple[NDArray[np.uint32], NDArray[np.float32]], documents: SparseBatch
) -> NDArray[np.float32]:
    """Products of a query's term ids, ascending, and weights with documents, (len(documents),).

    Summed in float64 by ascending term id, as `oracle_sparse` does; 0 where no term is shared.
    """
    term_ids, weights = query
    places = np.searchsorted(term_ids, documents.term_ids)
    known = np.zeros(len(documents.term_ids), np.bool_)
    inside = places < len(term_ids)
    known[inside] = term_ids[places[inside]] == documents.term_ids[inside]
    row_of = np.repeat(np.arange(len(documents)), np.diff(documents.indptr))[known]
    products = weights[places[known]].astype(np.float64) * documents.weights[known]
    sums: NDArray[Any] = np.bincount(row_of, products, minlength=len(documents))
    # A sum above float32's range becomes infinity, as in a search.
    with np.errstate(over="ignore"):
        return sums.astype(np.float32)


def _pieces(
    parts: Sequence[Placed], ordinals: Ordinals, read: Callable[[Segment, Ordinals], Rows | None]
) -> list[tuple[Ordinals, Rows]]:
    """What each segment has of these documents, and their places among them."""
    pieces: list[tuple[Ordinals, Rows]] = []
    for part in parts:
        inside = (ordinals >= part.base) & (ordinals < part.base + len(part.segment))
        if len(places := np.flatnonzero(inside)):
            found = read(part.segment, ordinals[places] - part.base)
            if found is not None:
                pieces.append((places, found))
    return pieces


def _offsets(n: int, pieces: Sequence[tuple[Ordinals, NDArray[np.int64]]]) -> NDArray[np.int64]:
    offsets = np.zeros(n + 1, np.int64)
    for places, of_piece in pieces:
        offsets[places + 1] = np.diff(of_piece)
    return np.cumsum(offsets)


def _targets(
    offsets: NDArray[np.int64], places: Ordinals, of_piece: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Where each entry of a piece goes."""
    shifts = np.repeat(offsets[places] - of_piece[:-1], np.diff(of_piece))
    return shifts + np.arange(len(shifts))
