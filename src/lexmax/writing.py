"""How does a collection change? One writer at a time, from its first write until it is closed."""

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice

from lexmax.background import Background
from lexmax.building import Silent, Watcher, build_segments
from lexmax.conditions import parse_conditions
from lexmax.errors import FilterError, StorageError
from lexmax.index.catalog import Catalog
from lexmax.index.declared import backfill, declare, declared_fields
from lexmax.index.document_rows import UpsertCount
from lexmax.index.fields import check_fields, check_metadata
from lexmax.index.layout import Layout
from lexmax.index.lock import WriterLock
from lexmax.index.merge_policy import MergePolicy
from lexmax.index.predicates import Every
from lexmax.index.snapshot import Snapshot
from lexmax.merging import TIERED, MergeReport, merge_segments, worth_merging
from lexmax.pipeline import CollectionEncoders
from lexmax.reading import Reader
from lexmax.stages import Conditions
from lexmax.types import Document

_FLUSH_DOCS = 4096
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
        self._write_lock, self._merge_lock = threading.RLock(), threading.Lock()
        self._lock = WriterLock(layout.lock)
        self._background = Background(lambda watcher: self._merged(watcher, TIERED))
        self._merges_itself = merges_itself
        self._closed = False

    def add(self, documents: Iterable[Document]) -> UpsertCount:
        """As `Collection.add`."""
        count = UpsertCount()
        for batch in _batches(documents, _TRANSACTION_DOCS):
            count += self.store(batch)
            if self._catalog.n_pending() >= _FLUSH_DOCS:
                self.flush()
        with self._writing():
            self._catalog.end_ingests()
        self._written()
        return count

    def store(
        self, documents: Sequence[Document], *, ingest: tuple[str, int] | None = None
    ) -> UpsertCount:
        """As `Collection.store`."""
        self._encoders.require_texts()
        with self._writing():
            fields = declared_fields(self._catalog)
            for document in documents if fields else ():
                check_metadata(document, fields)
            return self._catalog.upsert(documents, ingest=ingest)

    def declare_fields(self, fields: Mapping[str, str]) -> int:
        """As `Collection.declare_fields`."""
        wanted = check_fields(fields)
        with self._writing(), self._merge_lock:
            declare(self._catalog, wanted)
            n_segments = backfill(self._catalog, self._layout)
        self._refresh()
        return n_segments

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
        with self._writing():
            published = build_segments(
                self._catalog, self._layout, self._encoders, watcher or Silent(), threads=threads
            )
            self._catalog.end_ingests()
        self._written()
        return published

    def merge(self, watcher: Watcher, *, policy: MergePolicy, threads: int) -> MergeReport:
        """As `Collection.merge`."""
        with self._writing():
            pass  # the right to write is ours until `close`
        report = self._merged(watcher, policy, threads)
        self._refresh()
        return report

    def close(self) -> None:
        """Build a segment from what is pending, if that is much, then as `abandon`."""
        self._background.stop()
        with self._write_lock:
            try:
                if self._lock.held and self._catalog.n_pending() >= _KEEP_PENDING_DOCS:
                    self.flush()
            finally:
                self.abandon()

    def abandon(self) -> None:
        """Let go of files and locks; nothing that was acknowledged is lost."""
        self._background.stop()
        with self._write_lock, self._merge_lock:
            self._closed = True
            self._catalog.close()
            self._reader.close()
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
            yield

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
