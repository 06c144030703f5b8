"""What does a search see? The newest snapshot, made once and shared by all searches."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders import SparseEncoder
from lexmax.errors import CorruptionError, StorageError
from lexmax.following import Follower
from lexmax.index.catalog import Catalog
from lexmax.index.declared import attributes_of, declared_fields
from lexmax.index.fields import Fields
from lexmax.index.filters import Filter
from lexmax.index.layout import Layout
from lexmax.index.manifest import Manifest, read_manifest
from lexmax.index.predicates import Predicate, check
from lexmax.index.segment import Segment
from lexmax.index.segment_rows import SegmentRow
from lexmax.index.snapshot import Snapshot
from lexmax.pending import Pending
from lexmax.pipeline import CollectionEncoders
from lexmax.types import Document, Json
from lexmax.vectors import GivenRow

Made = TypeVar("Made")

# A byte for each document of the collection, each.
_KEPT_FILTERS = 32
# Of who looks for what others write, while searches come.
_LONGEST_REST_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _State:
    """What the catalog says at one generation; serials ascend."""

    generation: int
    rows: list[SegmentRow]
    deleted: "_Deleted"
    pending: NDArray[np.int64]
    fields: Fields


@dataclass(frozen=True, slots=True)
class _Deleted:
    """Serials that a search must not find, ascending, and the generation that last changed them.

    None for a generation that is not known.
    """

    since: int | None
    serials: NDArray[np.int64]


class Reader:
    """Keeps the segments of one collection open; any number of threads may ask."""

    def __init__(self, layout: Layout, catalog: Catalog, encoders: CollectionEncoders) -> None:
        self._layout, self._catalog = layout, catalog
        self._lock = threading.Lock()
        self._pending = Pending(encoders)
        self._segments: dict[str, Segment] = {}
        self._snapshot = Snapshot(-1, ())
        self._deleted = _Deleted(None, np.zeros(0, dtype=np.int64))
        self._left_to_another = False
        self._looked_at = self._behind_s = 0.0
        self._follower: Follower | None = None
        self._filters_lock = threading.Lock()
        self._filters: OrderedDict[tuple[int, int, Predicate], Filter] = OrderedDict()

    def open(self) -> None:
        """Open all published segments; pending documents are left for the first search.

        Raises:
            CorruptionError: if one is missing or damaged.
            IndexFormatError: if another format version wrote it.
        """
        with self._lock:
            self._from_catalog(lambda state: self._opened(state.rows))

    def follow(self, behind_s: float) -> None:
        """Searches may be so many seconds behind what another process has written.

        They do not look for it themselves as long as a thread does, soon after a search.
        """
        self._behind_s = behind_s
        # A look costs what a search does, or more.
        every_s = min(behind_s / 2, _LONGEST_REST_SECONDS)
        self._follower = Follower(lambda: self.newest(wait=True), every_s=every_s)

    def close(self) -> None:
        """Let go of all files; searches that are still under way keep theirs until they end."""
        if self._follower is not None:
            self._follower.stop()
        with self._lock:
            self._segments, self._snapshot = {}, Snapshot(-1, ())
        with self._filters_lock:
            self._filters.clear()

    def manifests(self) -> list[Manifest]:
        """Manifests of the published segments, in order."""
        return self._from_catalog(
            lambda state: [
                read_manifest(self._layout.segment(row.segment_id)) for row in state.rows
            ]
        )

    def described(self) -> tuple[list[Json], int]:
        """The published segments as people read them, and their bytes together."""
        manifests = self.manifests()
        segments: list[Json] = [
            {
                "segment_id": one.segment_id,
                "n_docs": one.n_documents,
                "bytes": one.n_bytes,
                **({"n_passages": one.n_docs} if "passages" in one.parameters else {}),
            }
            for one in manifests
        ]
        return segments, sum(one.n_bytes for one in manifests)

    def newest(self, *, wait: bool) -> Snapshot:
        """The newest state. A search keeps the one that it began with.

        While another thread encodes pending documents, a search takes the state before them
        rather than wait; whoever stored them waits.
        """
        known = self._snapshot
        must = wait or known.generation < 0
        if not must and self._is_followed():
            return known
        if (self._left_to_another and not must) or not self._lock.acquire(blocking=must):
            return known
        try:
            self._left_to_another, looked_at = False, time.monotonic()
            if self._snapshot.generation != self._catalog.newest_generation():
                self._snapshot = self._from_catalog(self._made)
            self._looked_at = looked_at
            return self._snapshot
        finally:
            self._lock.release()

    def _is_followed(self) -> bool:
        """Whether the state is not older than may be; if so, another look is due soon."""
        if self._follower is None:
            return False
        self._follower.ask()
        return time.monotonic() < self._looked_at + self._behind_s

    def leave_to_another(self) -> None:
        """Until the next `newest` that waits, searches take the state that is known.

        Its caller sees to it that it comes soon, in a thread that no search waits for.
        """
        self._left_to_another = True

    def leave_to_searches(self) -> None:
        """The next search looks for a newer state itself."""
        self._left_to_another = False

    def encoded(
        self, serials: NDArray[np.int64], sparse: SparseEncoder | None
    ) -> Sequence[GivenRow]:
        """Vectors of pending documents that searches have already seen: `Pending.encoded`."""
        return self._pending.encoded(serials, sparse)

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

    def matching(self, snapshot: Snapshot, predicate: Predicate) -> Filter:
        """As `snapshot.matching`; those of the last predicates are kept.

        Raises:
            FilterError: as `snapshot.matching`.
        """
        # Before it is hashed, which a deep one would overflow the stack by.
        check(predicate, snapshot.fields)
        key = snapshot.generation, snapshot.n_docs, predicate
        with self._filters_lock:
            found = self._filters.get(key)
        found = found or snapshot.matching(predicate)
        with self._filters_lock:
            self._filters[key] = found
            self._filters.move_to_end(key)
            while len(self._filters) > _KEPT_FILTERS:
                self._filters.popitem(last=False)
        return found

    def ids_matching(self, snapshot: Snapshot, predicate: Predicate) -> list[str]:
        """Ids of the living documents that a predicate wants, as they are in the catalog.

        Those of a job that has not ended are among them: no search finds them yet.
        """
        living = self._catalog.living_serials(0)
        wanted = np.flatnonzero(self.matching(snapshot, predicate).mask)
        held = [part.segment.serials for part in snapshot.parts]
        unseen = np.setdiff1d(living, np.concatenate([np.zeros(0, np.int64), *held]))
        columns = attributes_of(self._catalog, unseen, snapshot.fields)
        found = np.intersect1d(snapshot.serials(wanted), living)
        found = np.union1d(found, unseen[columns.matching(predicate)])
        return self._catalog.doc_ids(found)

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
                    self._newest_deleted(),
                    self._catalog.searchable_pending(),
                    declared_fields(self._catalog),
                )
            try:
                return make(state)
            except StorageError:
                # They may have been merged away since we read of them.
                if state.rows == self._catalog.segments():
                    raise

    def _newest_deleted(self) -> _Deleted:
        """Read anew only where they have changed: they may be very many, and most writes add."""
        since = self._catalog.last_deletion()
        if since is not None and since == self._deleted.since:
            return self._deleted
        return _Deleted(since, self._catalog.deleted_serials())

    def _made(self, state: "_State") -> Snapshot:
        self._opened(state.rows)
        last = state.rows[-1].last_serial if state.rows else 0
        pending = self._pending.segments(
            self._catalog, state.pending, last_published=last, fields=state.fields
        )
        made = Snapshot.of(
            state.generation,
            self._complete(state.fields),
            state.deleted.serials,
            fields=state.fields,
            like=self._snapshot if state.deleted is self._deleted else None,
        )
        self._deleted = state.deleted
        # What is no longer wanted may be forgotten, and so not marked deleted.
        return made.then(pending, wanted=state.pending)

    def _opened(self, rows: Sequence[SegmentRow]) -> list[Segment]:
        self._segments = {
            row.segment_id: self._segments.get(row.segment_id)
            or Segment.open(self._layout.segment(row.segment_id), manifest_xxh3=row.manifest_xxh3)
            for row in rows
        }
        return list(self._segments.values())

    def _complete(self, fields: Fields) -> list[Segment]:
        """The open segments, with columns of all declared fields.

        They lack some where a writer has declared a field and not yet written its columns.
        """
        for name, segment in self._segments.items():
            columns = segment.attributes
            if fields if columns is None else columns.fields != fields:
                columns = attributes_of(self._catalog, segment.serials, fields)
                self._segments[name] = replace(segment, attributes=columns)
        return list(self._segments.values())
