"""What does a search see? The newest snapshot, made once and shared by all searches."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, StorageError
from lexmax.index.catalog import Catalog
from lexmax.index.filters import Filter
from lexmax.index.layout import Layout
from lexmax.index.manifest import Manifest, read_manifest
from lexmax.index.segment import Segment
from lexmax.index.segment_rows import SegmentRow
from lexmax.index.snapshot import Snapshot
from lexmax.pending import Pending
from lexmax.pipeline import CollectionEncoders
from lexmax.types import Document

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class _State:
    """What the catalog says at one generation; serials ascend."""

    generation: int
    rows: list[SegmentRow]
    deleted: NDArray[np.int64]
    pending: NDArray[np.int64]


class Reader:
    """Keeps the segments of one collection open; any number of threads may ask."""

    def __init__(self, layout: Layout, catalog: Catalog, encoders: CollectionEncoders) -> None:
        self._layout, self._catalog = layout, catalog
        self._lock = threading.Lock()
        self._pending = Pending(encoders)
        self._segments: dict[str, Segment] = {}
        self._snapshot = Snapshot(-1, ())

    def open(self) -> None:
        """Open all published segments; pending documents are left for the first search.

        Raises:
            CorruptionError: if one is missing or damaged.
            IndexFormatError: if another format version wrote it.
        """
        with self._lock:
            self._from_catalog(lambda state: self._opened(state.rows))

    def close(self) -> None:
        """Let go of all files; searches that are still under way keep theirs until they end."""
        with self._lock:
            self._segments, self._snapshot = {}, Snapshot(-1, ())

    def manifests(self) -> list[Manifest]:
        """Manifests of the published segments, in order."""
        return self._from_catalog(
            lambda state: [
                read_manifest(self._layout.segment(row.segment_id)) for row in state.rows
            ]
        )

    def newest(self, *, wait: bool) -> Snapshot:
        """The newest state. A search keeps the one that it began with.

        While another thread encodes pending documents, a search takes the state before them
        rather than wait; whoever stored them waits.
        """
        known = self._snapshot
        if not self._lock.acquire(blocking=wait or known.generation < 0):
            return known
        try:
            if self._snapshot.generation != self._catalog.generation():
                self._snapshot = self._from_catalog(self._made)
            return self._snapshot
        finally:
            self._lock.release()

    def is_whole(self, snapshot: Snapshot) -> bool:
        """Whether the catalog still has all documents of the snapshot; a merge forgets some."""
        return self._catalog.purged() <= snapshot.generation

    def of_doc_ids(self, snapshot: Snapshot, doc_ids: Iterable[str]) -> Filter:
        """Allows the documents of these ids, in the versions that the snapshot has.

        Raises:
            CorruptionError: if a merge has forgotten versions that the snapshot may have.
        """
        versions = self._catalog.versions(doc_ids)
        if not self.is_whole(snapshot):
            raise CorruptionError(self._forgotten(snapshot))
        return Filter.of_ordinals(snapshot.ordinals(versions), snapshot.n_docs)

    def stored(self, snapshot: Snapshot, serials: NDArray[np.int64]) -> list[Document]:
        """The documents of these serials of a snapshot, in this order.

        Raises:
            StorageError: if a merge has forgotten one of them.
        """
        try:
            return self._catalog.documents(serials)
        except CorruptionError as error:
            if self.is_whole(snapshot):
                raise
            raise StorageError(self._forgotten(snapshot)) from error

    def _forgotten(self, snapshot: Snapshot) -> str:
        return (
            f"{self._layout.folder}: documents of generation {snapshot.generation} have been "
            "deleted and merged away meanwhile; expected a newer snapshot; try again"
        )

    def _from_catalog(self, make: Callable[["_State"], Made]) -> Made:
        """What `make` makes of the newest state; the files that it names are there meanwhile."""
        while True:
            with self._catalog.snapshot():
                state = _State(
                    self._catalog.generation(),
                    self._catalog.segments(),
                    self._catalog.deleted_serials(),
                    self._catalog.searchable_pending(),
                )
            try:
                return make(state)
            except StorageError:
                # They may have been merged away since we read of them.
                if state.rows == self._catalog.segments():
                    raise

    def _made(self, state: "_State") -> Snapshot:
        segments, deleted, wanted = self._opened(state.rows), state.deleted, state.pending
        last = state.rows[-1].last_serial if state.rows else 0
        if len(pending := self._pending.segment(self._catalog, wanted, last_published=last)):
            segments.append(pending)
            # What is no longer wanted may be forgotten, and so not marked deleted.
            deleted = np.union1d(deleted, np.setdiff1d(pending.serials, wanted))
        return Snapshot.of(state.generation, segments, deleted)

    def _opened(self, rows: Sequence[SegmentRow]) -> list[Segment]:
        self._segments = {
            row.segment_id: self._segments.get(row.segment_id)
            or Segment.open(self._layout.segment(row.segment_id), manifest_xxh3=row.manifest_xxh3)
            for row in rows
        }
        return list(self._segments.values())
