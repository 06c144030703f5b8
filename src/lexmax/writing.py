"""How does a collection change? One writer at a time, from its first write until it is closed."""

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice

from lexmax.acceptance import Acceptance
from lexmax.background import Background
from lexmax.building import Silent, Watcher, build_segments
from lexmax.conditions import parse_conditions
from lexmax.encoders import Impacts
from lexmax.errors import FilterError, StorageError
from lexmax.index.catalog import Catalog
from lexmax.index.declared import backfill, declare, declared_fields
from lexmax.index.document_rows import UpsertCount
from lexmax.index.fields import check_fields, check_metadata
from lexmax.index.layout import Layout
from lexmax.index.lock import WriterLock
from lexmax.index.merge_policy import MergePolicy
from lexmax.index.neighbours import SETTING as NEIGHBOURS
from lexmax.index.neighbours import check_neighbours
from lexmax.index.predicates import Every
from lexmax.index.snapshot import Snapshot
from lexmax.merging import TIERED, MergeReport, merge_segments, worth_merging
from lexmax.pipeline import CollectionEncoders
from lexmax.reading import Reader
from lexmax.stages import Conditions
from lexmax.types import Document

_FLUSH_DOCS = 4096
# While another thread builds, so many may wait for the next segment, in memory.
_MOST_PENDING_DOCS = 4 * _FLUSH_DOCS
# From so many on a segment costs less than encoding them for the memory and again for a segment.
_WORTH_A_SEGMENT_DOCS = 512
# Fewer pending documents than this stay pending when a collection closes: encoding them again
# at the next open takes a second or two, and a segment each time would leave very many.
_KEEP_PENDING_DOCS = 64
_TRANSACTION_DOCS = 1000


class Writer:
    """Holds the folder's writer lock from its first write until `close`; for many threads."""

    def __init__(
        self,
        layout: Layout,
        catalog: Catalog,
        reader: Reader,
        encoders: CollectionEncoders,
        *,
        merges_itself: bool,
    ) -> None:
        """Takes no lock yet."""
        self._layout, self._catalog, self._reader = layout, catalog, reader
        self._encoders = encoders
        # Taken in this order. Builds and merges hold the first and the last for long, and writes
        # go on meanwhile.
        self._build_lock = threading.RLock()
        self._write_lock, self._merge_lock = threading.RLock(), threading.Lock()
        self._lock = WriterLock(layout.lock)
        self._background = Background(lambda watcher: self._merged(watcher, TIERED))
        self._behind = Background(self._catch_up, verb="encode", doing="encoding")
        self._merges_itself = merges_itself
        self._named: set[str] = set()
        self._closed = False

    @property
    def acceptance(self) -> Acceptance:
        """Which documents may be stored now."""
        return Acceptance.of(self._catalog, self._encoders)

    def add(self, documents: Iterable[Document], *, wait: bool = True) -> UpsertCount:
        """As `Collection.add`; without `wait` they are on the disk, and searchable soon.

        Then a thread in the background encodes them, and searches see the state before until it
        has. Whoever waits, waits for them too.
        """
        count = UpsertCount()
        try:
            for batch in _batches(documents, _TRANSACTION_DOCS):
                # Searches that come before this is acknowledged need not index it themselves.
                self._reader.leave_to_another()
                count += self.store(batch)
                self._make_room()
            if wait:
                self._written()
            else:
                self._leave_behind()
        except BaseException:
            self._reader.leave_to_searches()
            raise
        return count

    def store(
        self, documents: Sequence[Document], *, ingest: tuple[str, int] | None = None
    ) -> UpsertCount:
        """As `Collection.store`."""
        given = self.acceptance.rows(documents)
        with self._writing():
            names = self._new_names(documents) if given else {}
            fields = declared_fields(self._catalog)
            for document in documents if fields else ():
                check_metadata(document, fields)
            count = self._catalog.upsert(
                documents, given=given, names=list(names.items()), ingest=ingest
            )
            self._named.update(names.values())
            return count

    def _new_names(self, documents: Sequence[Document]) -> dict[int, str]:
        """Names of terms, by their ids, that no text holds: for those who explain and export."""
        if not isinstance(encoder := self._encoders.sparse, Impacts):
            return {}
        weights = (one.vectors.sparse for one in documents if one.vectors is not None)
        names = {term for of_one in weights for term in of_one or () if isinstance(term, str)}
        new = sorted(names - self._named)
        return dict(zip(encoder.term_ids(new), new, strict=True))

    def declare_fields(self, fields: Mapping[str, str]) -> int:
        """As `Collection.declare_fields`."""
        wanted = check_fields(fields)
        with self._build_lock, self._writing(), self._merge_lock:
            declare(self._catalog, wanted)
            n_segments = backfill(self._catalog, self._layout)
        self._refresh()
        return n_segments

    def keep_neighbours(self, k: int) -> None:
        """Keep a graph of so many neighbours of each document from now on; 0 keeps none.

        Segments get it when they are merged: `merge` rewrites those that lack it, one after the
        other, and whatever interrupts it, the next goes on. Until then no edge leads from their
        documents.

        Raises:
            InputError: if it is no number of neighbours.
            LockedError: if another process writes to this collection.
        """
        with self._build_lock, self._writing():
            self._catalog.remember(NEIGHBOURS, check_neighbours(k))

    def delete(self, doc_ids: Sequence[str]) -> int:
        """As `Collection.delete`."""
        with self._writing():
            n_deleted = self._catalog.delete(doc_ids)
        self._written()
        return n_deleted

    def delete_matching(self, conditions: Conditions) -> int:
        """As `Collection.delete_matching`."""
        with self._writing():
            snapshot = self._refresh()
            wanted = parse_conditions(conditions, snapshot.fields)
            if wanted == Every(()):
                raise FilterError(
                    "the filter has no clause, so it allows every document; expected at least one; "
                    "to delete everything, delete the collection"
                )
            n_deleted = self._catalog.delete(self._reader.ids_matching(snapshot, wanted))
        self._written()
        return n_deleted

    def flush(self, watcher: Watcher | None = None, *, threads: int = 1) -> int:
        """As `Collection.flush`."""
        with self._build_lock:
            with self._writing():
                up_to = self._catalog.last_serial()
            published = build_segments(
                self._catalog,
                self._layout,
                self._encoders,
                watcher or Silent(),
                threads=threads,
                up_to=up_to,
                known=self._reader.encoded,
            )
        self._written()
        return published

    def ingest_position(self, sources: str) -> int:
        """Entries of these sources that an interrupted ingest has consumed."""
        return self._catalog.ingest_position(sources)

    def end_ingest(self) -> None:
        """The corpus that was read last has ended: reading it again begins at its beginning."""
        with self._writing():
            self._catalog.end_ingests()

    def merge(self, watcher: Watcher, *, policy: MergePolicy, threads: int) -> MergeReport:
        """As `Collection.merge`."""
        with self._writing():
            pass  # the right to write is ours until `close`
        report = self._merged(watcher, policy, threads)
        self._refresh()
        return report

    def close(self) -> None:
        """Build a segment from what is pending, if that is much, then as `abandon`."""
        self._stop_background()
        with self._build_lock, self._write_lock:
            try:
                if self._lock.held and self._is_worth_a_last_segment():
                    self.flush()
            finally:
                self.abandon()

    def abandon(self) -> None:
        """Let go of files and locks; nothing that was acknowledged is lost."""
        self._stop_background()
        with self._build_lock, self._write_lock, self._merge_lock:
            self._closed = True
            self._reader.close()
            self._catalog.close()
            self._lock.release()

    def require_open(self) -> None:
        """Refuse to go on after `abandon`.

        Raises:
            StorageError: if it was called.
        """
        if self._closed:
            raise StorageError(f"{self._layout.folder}: the collection is closed; open it again")

    @contextmanager
    def _writing(self) -> Generator[None, None, None]:
        with self._write_lock:
            self.require_open()
            if not self._lock.held:
                self._lock.acquire()
                published = {row.segment_id for row in self._catalog.segments()}
                self._layout.sweep(published=published, building=set(self._catalog.builds()))
                backfill(self._catalog, self._layout)
                self._catalog.own()
            yield

    def _make_room(self) -> None:
        """See that a segment is built where many documents wait for one.

        A thread in the background builds it, and writes go on meanwhile until too many wait.
        """
        n_waiting = self._n_waiting()
        if n_waiting < _FLUSH_DOCS or (n_waiting < _MOST_PENDING_DOCS and self._behind.wake()):
            return
        if self._build_lock.acquire(blocking=n_waiting >= _MOST_PENDING_DOCS):
            try:
                self.flush()
            finally:
                self._build_lock.release()

    def _n_waiting(self) -> int:
        return self._catalog.n_pending() - self._catalog.n_unseen()

    def _is_worth_a_last_segment(self) -> bool:
        # An interrupted job may have left very many, and it goes on with them.
        return self._n_waiting() >= _KEEP_PENDING_DOCS and not self._catalog.n_unseen()

    def _catch_up(self, watcher: Watcher) -> None:
        """Let searches see what was stored by those who do not wait for it."""
        try:
            if self._n_waiting() >= _WORTH_A_SEGMENT_DOCS and self._build_lock.acquire(False):
                try:
                    self.flush(watcher)
                finally:
                    self._build_lock.release()
            else:
                self._written()
        except BaseException:
            self._reader.leave_to_searches()
            raise

    def _leave_behind(self) -> None:
        self._reader.leave_to_another()
        if not self._behind.wake():
            self._written()

    def _stop_background(self) -> None:
        self._behind.stop()
        self._background.stop()

    def _merged(self, watcher: Watcher, policy: MergePolicy, threads: int = 1) -> MergeReport:
        with self._merge_lock:
            self.require_open()
            return merge_segments(
                self._catalog, self._layout, watcher, policy=policy, threads=threads
            )

    def _written(self) -> None:
        """Let searches see what was written, and look whether that calls for a merge."""
        snapshot = self._refresh()
        if self._merges_itself and worth_merging(snapshot):
            self._background.wake()

    def _refresh(self) -> Snapshot:
        self.require_open()
        return self._reader.newest(wait=True)


def _batches(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    left = iter(documents)
    while batch := list(islice(left, size)):
        yield batch
