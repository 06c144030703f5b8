"""One collection: documents on disk, both indexes over them, and searches that see one state."""

import shutil
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType

from lexmax import pipeline as pipelines
from lexmax.building import Silent, Watcher, build_segments
from lexmax.encoders import Encoders
from lexmax.errors import InputError, QueryError, StorageError
from lexmax.index.catalog import Catalog, SegmentRow, UpsertCount
from lexmax.index.failures import storage_errors
from lexmax.index.layout import Layout
from lexmax.index.lock import WriterLock
from lexmax.index.manifest import read_manifest
from lexmax.index.segment import Segment
from lexmax.index.snapshot import Snapshot
from lexmax.index.verification import VerifyReport, verify
from lexmax.pending import Pending
from lexmax.pipeline import Answer, CollectionEncoders, Pipeline, Signal
from lexmax.results import Hit, Ranking, SearchResult, check_query
from lexmax.types import Document, Json

_FLUSH_DOCS = 4096
# Fewer pending documents than this stay pending when a collection closes: encoding them again
# at the next open takes a second or two, and a segment each time would leave very many.
_KEEP_PENDING_DOCS = 64
_TRANSACTION_DOCS = 1000


class Collection:
    """Documents with their indexes, in one folder.

    Any number of threads and processes may search; one process at a time may write, and holds
    the folder's writer lock from its first write until `close`.
    """

    def __init__(self, layout: Layout, catalog: Catalog, encoders: Encoders) -> None:
        """Use `Collection.create` or `Collection.open`."""
        self._layout, self._catalog = layout, catalog
        specs = catalog.setting("encoders")
        self.encoders = CollectionEncoders(encoders, _checked_specs(specs))
        self._write_lock = threading.RLock()
        self._refresh_lock = threading.Lock()
        self._writer = WriterLock(layout.lock)
        self._closed = False
        self._pending = Pending(self.encoders)
        self._segments: dict[str, Segment] = {}
        self._snapshot = Snapshot(-1, ())

    @staticmethod
    def create(
        path: Path | str,
        *,
        sparse: str | None = "bm25",
        multivector: str | None = "minilm",
        encoders: Encoders | None = None,
    ) -> "Collection":
        """A new collection without documents; None leaves an index out.

        Raises:
            CollectionExistsError: if the folder holds anything.
            EncoderError: if there is no such encoder.
        """
        layout, registry = Layout(Path(path)), encoders or Encoders()
        specs: dict[str, Json] = {}
        if sparse is not None:
            specs["sparse"] = registry.sparse(sparse).spec
        if multivector is not None:
            specs["multivector"] = registry.multivector(multivector).spec
        if not specs:
            raise InputError(
                "found neither a sparse nor a multivector encoder; expected one or both"
            )
        with storage_errors(layout.folder):
            layout.make()
        try:
            catalog = Catalog.create(layout.catalog, {"encoders": specs})
        except BaseException:
            shutil.rmtree(layout.folder, ignore_errors=True)
            raise
        return Collection(layout, catalog, registry)

    @staticmethod
    def open(path: Path | str, *, encoders: Encoders | None = None) -> "Collection":
        """The collection at `path`; vectors and postings are mapped, not read.

        Raises:
            NotACollectionError: if there is none.
            IndexFormatError: if another format version wrote it.
            CorruptionError: if files are missing or damaged.
        """
        layout = Layout(Path(path))
        layout.require()
        collection = Collection(layout, Catalog.open(layout.catalog), encoders or Encoders())
        try:
            collection._open_segments(collection._catalog.segments())
        except BaseException:
            collection.close()
            raise
        return collection

    @property
    def path(self) -> Path:
        """The collection's folder."""
        return self._layout.folder

    @property
    def n_docs(self) -> int:
        """Documents that are not deleted."""
        return self._catalog.n_living()

    @property
    def n_unseen(self) -> int:
        """Stored documents that no search finds before the job that brought them has ended."""
        return self._catalog.n_unseen()

    @property
    def n_segments(self) -> int:
        """Published segments."""
        return len(self._catalog.segments())

    def add(self, documents: Iterable[Document]) -> UpsertCount:
        """Store documents; when it returns they survive a power cut and are searchable.

        A known doc_id is replaced. Documents are committed a thousand at a time: if a later one
        cannot be stored, the earlier thousands stay.

        Raises:
            LockedError: if another process writes to this collection.
            DiskFullError: if there is no room; what was committed stays.
        """
        count = UpsertCount()
        _refuse_text("documents", documents)
        for batch in _batches(documents, _TRANSACTION_DOCS):
            count += self.store(batch)
            if self._catalog.n_pending() >= _FLUSH_DOCS:
                self.flush()
        with self._writing():
            self._catalog.end_ingests()
        self._refresh(wait=True)
        return count

    def store(
        self, documents: Sequence[Document], *, ingest: tuple[str, int] | None = None
    ) -> UpsertCount:
        """Commit documents in one transaction without encoding them yet.

        `ingest`, (sources, entries consumed), lets an interrupted job go on from there; its
        documents are found once `flush` has built their segment.
        """
        with self._writing():
            return self._catalog.upsert(documents, ingest=ingest)

    def delete(self, doc_ids: Iterable[str]) -> int:
        """Delete documents; how many of them existed. Later searches do not find them."""
        _refuse_text("doc_ids", doc_ids)
        with self._writing():
            n_deleted = self._catalog.delete(doc_ids)
        self._refresh(wait=True)
        return n_deleted

    def get(self, doc_ids: Sequence[str]) -> list[Document | None]:
        """The documents with these ids, in this order; None where there is none."""
        return [self._catalog.get(doc_id) for doc_id in doc_ids]

    def flush(self, watcher: Watcher | None = None) -> int:
        """Build segments from all pending documents; how many were published.

        Raises:
            KeyboardInterrupt: if the watcher stopped it; finished parts are kept, and the next
                flush goes on after them.
        """
        with self._writing():
            published = build_segments(
                self._catalog, self._layout, self.encoders, watcher or Silent()
            )
            self._catalog.end_ingests()
        self._refresh(wait=True)
        return published

    def search(
        self, query: str, k: int = 10, *, pipeline: str | Pipeline | None = None
    ) -> SearchResult:
        """The best k documents for one query, fewer if the collection has fewer.

        Raises:
            QueryError: if the query is empty, longer than 8192 characters or has nothing to
                search for, or k is below 1.
            PipelineError: if there is no such pipeline, or this collection cannot run it.
        """
        check_query(query, k)
        chosen, snapshot, answer = self._run([query], k, pipeline)
        if answer.queries.is_empty(0):
            raise QueryError(
                f"query {query[:80]!r} has no term to search for, only stop words or "
                "punctuation; expected at least one other word; rephrase it"
            )
        ordinals, scores = answer.hits.row(0)
        documents = self._catalog.documents(snapshot.serials(ordinals))
        hits = (
            Hit(
                rank,
                document.doc_id,
                float(score),
                document.title,
                document.text,
                document.metadata,
                answer.scores_by_stage(0, int(ordinal)),
            )
            for rank, (ordinal, score, document) in enumerate(
                zip(ordinals, scores, documents, strict=True), start=1
            )
        )
        return SearchResult(query, chosen.name, tuple(hits), answer.timings_ms, snapshot.generation)

    def search_batch(
        self, queries: Sequence[str], k: int, *, pipeline: str | Pipeline | None = None
    ) -> Ranking:
        """Rankings of many queries; each gets what `search` gives it.

        A query with nothing to search for gets an empty ranking, and none is too long.

        Raises:
            QueryError: if k is below 1.
            PipelineError: if there is no such pipeline, or this collection cannot run it.
        """
        _, snapshot, answer = self._run(queries, k, pipeline)
        rows = [answer.hits.row(i) for i in range(len(queries))]
        return Ranking(
            [self._catalog.doc_ids(snapshot.serials(ordinals)) for ordinals, _ in rows],
            [scores for _, scores in rows],
            answer.timings_ms,
        )

    def describe(self) -> dict[str, Json]:
        """Counts, encoders, pipelines and bytes on disk."""
        rows = self._catalog.segments()
        sizes = [read_manifest(self._layout.segment(row.segment_id)).n_bytes for row in rows]
        segments: list[Json] = [
            {"segment_id": row.segment_id, "n_docs": row.n_docs, "bytes": size}
            for row, size in zip(rows, sizes, strict=True)
        ]
        return {
            "n_docs": self.n_docs,
            "n_pending": self._catalog.n_pending(),
            "generation": self._catalog.generation(),
            "encoders": {str(signal): spec for signal, spec in self.encoders.specs.items()},
            "pipelines": list(pipelines.runnable(self.encoders)),
            "segments": segments,
            "bytes": self._layout.catalog.stat().st_size + sum(sizes),
        }

    def verify(self) -> VerifyReport:
        """Re-check every checksum, and the catalog against the segments."""
        return verify(self.path)

    def ingest_position(self, sources: str) -> int:
        """Entries of these sources that an interrupted ingest has consumed."""
        return self._catalog.ingest_position(sources)

    def close(self) -> None:
        """Build a segment from what is pending, if that is much, and let others write."""
        with self._write_lock:
            try:
                if self._writer.held and self._catalog.n_pending() >= _KEEP_PENDING_DOCS:
                    self.flush()
            finally:
                self.abandon()

    def __enter__(self) -> "Collection":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abandon()

    def abandon(self) -> None:
        """Close without building anything; nothing that was acknowledged is lost."""
        with self._write_lock:
            self._closed = True
            self._catalog.close()
            self._writer.release()

    @contextmanager
    def _writing(self) -> Generator[None, None, None]:
        with self._write_lock:
            if self._closed:
                raise StorageError(f"{self.path}: the collection is closed; open it again")
            if not self._writer.held:
                self._writer.acquire()
                published = {row.segment_id for row in self._catalog.segments()}
                self._layout.sweep(published=published, building=set(self._catalog.builds()))
            yield

    def _run(
        self, queries: Sequence[str], k: int, pipeline: str | Pipeline | None
    ) -> tuple[Pipeline, Snapshot, Answer]:
        chosen = pipelines.named(pipeline or pipelines.default_name(self.encoders))
        snapshot = self._refresh()
        return chosen, snapshot, pipelines.run(chosen, snapshot, self.encoders, queries, k)

    def _refresh(self, *, wait: bool = False) -> Snapshot:
        """The newest state. A search keeps the one that it began with.

        While another thread encodes pending documents, a search takes the state before them
        rather than wait; whoever stored them waits.
        """
        if self._closed:
            raise StorageError(f"{self.path}: the collection is closed; open it again")
        if not self._refresh_lock.acquire(blocking=wait or self._snapshot.generation < 0):
            return self._snapshot
        try:
            if self._snapshot.generation != self._catalog.generation():
                self._snapshot = self._newest()
            return self._snapshot
        finally:
            self._refresh_lock.release()

    def _newest(self) -> Snapshot:
        with self._catalog.snapshot():
            generation, rows = self._catalog.generation(), self._catalog.segments()
            deleted, wanted = self._catalog.deleted_serials(), self._catalog.searchable_pending()
        segments = self._open_segments(rows)
        last = rows[-1].last_serial if rows else 0
        if len(pending := self._pending.segment(self._catalog, wanted, last_published=last)):
            segments.append(pending)
        return Snapshot.of(generation, segments, deleted)

    def _open_segments(self, rows: Sequence[SegmentRow]) -> list[Segment]:
        self._segments = {
            row.segment_id: self._segments.get(row.segment_id)
            or Segment.open(self._layout.segment(row.segment_id), manifest_xxh3=row.manifest_xxh3)
            for row in rows
        }
        return list(self._segments.values())


def _checked_specs(specs: Json) -> dict[Signal, str]:
    signals: tuple[Signal, ...] = ("sparse", "multivector")
    if not isinstance(specs, Mapping):
        return {}
    return {signal: str(specs[signal]) for signal in signals if signal in specs}


def _refuse_text(name: str, values: Iterable[object]) -> None:
    # A text is a sequence of texts: taken for a list of ids, it would name other documents.
    if isinstance(values, str | bytes):
        raise InputError(f"{name} is one text; expected a list; put it into brackets")


def _batches(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    left = iter(documents)
    while batch := list(islice(left, size)):
        yield batch
