"""One collection: documents on disk, both indexes over them, and searches that see one state."""

import shutil
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from lexmax import explaining, lucene
from lexmax import pipeline as pipelines
from lexmax.background import Background
from lexmax.building import Silent, Watcher, build_segments
from lexmax.conditions import parse_conditions
from lexmax.encoders import Encoders
from lexmax.errors import FilterError, InputError, StorageError
from lexmax.explaining import Explanation
from lexmax.index.catalog import Catalog
from lexmax.index.declared import SETTING, backfill, declare, declared_fields
from lexmax.index.document_rows import UpsertCount
from lexmax.index.failures import storage_errors
from lexmax.index.fields import Fields, check_fields, check_metadata
from lexmax.index.layout import Layout
from lexmax.index.lock import WriterLock
from lexmax.index.merge_policy import MergePolicy
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.neighbours import SETTING as NEIGHBOURS
from lexmax.index.neighbours import check_neighbours
from lexmax.index.passage_rows import SETTING as PASSAGES
from lexmax.index.predicates import Every
from lexmax.index.snapshot import Snapshot
from lexmax.index.verification import VerifyReport, verify
from lexmax.merging import TIERED, MergeReport, merge_segments, worth_merging
from lexmax.passages import PassagePlan
from lexmax.pipeline import CollectionEncoders
from lexmax.reading import Reader
from lexmax.relevance import IndexVersion
from lexmax.results import Ranking, SearchResult, check_doc_ids, refuse_text
from lexmax.searching import Asked, Searcher, Wanted, version_of
from lexmax.stages import Conditions, Pipeline
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

    def __init__(
        self, layout: Layout, catalog: Catalog, encoders: Encoders, *, merge_in_background: bool
    ) -> None:
        """Use `Collection.create` or `Collection.open`."""
        self._layout, self._catalog = layout, catalog
        specs = pipelines.encoder_specs(catalog.setting("encoders"))
        self.encoders = CollectionEncoders(encoders, specs, lucene.backends(layout.folder))
        self._write_lock, self._merge_lock = threading.RLock(), threading.Lock()
        self._writer = WriterLock(layout.lock)
        self._closed = False
        self._reader = Reader(layout, catalog, self.encoders)
        self._searcher = Searcher(catalog, self._reader, self.encoders)
        self._background = Background(lambda watcher: self._merge(watcher, TIERED))
        self._merges_itself = merge_in_background

    @staticmethod
    def create(
        path: Path | str,
        *,
        sparse: str | None = "bm25",
        multivector: str | None = "minilm",
        plan: MultiVectorPlan | None = None,
        fields: Mapping[str, str] | None = None,
        neighbours: int = 0,
        pooled: str | None = None,
        passages: PassagePlan | None = None,
        encoders: Encoders | None = None,
        merge_in_background: bool = True,
    ) -> "Collection":
        """A new collection without documents; None leaves an index out.

        `sparse`, `multivector` and `pooled` (one vector a document) are specs of encoders; those
        over one transformer share its pass.

        `plan` says what is built over token vectors, and how they are stored. `fields` are entries
        of the metadata that filters can name, with their types: `declare_fields`. With `neighbours`
        each segment has a graph of so many nearest neighbours of every document, 16 being usual,
        which pipelines with a `graph` stage go along. With `passages` documents are split, and
        found by their passages: docs/long-documents.md. Without `merge_in_background` only `merge`
        merges segments.

        Raises:
            CollectionExistsError: if the folder holds anything.
            EncoderError: if there is no such encoder.
            InputError: if there is no encoder at all, or `neighbours` is not 0 to 256.
        """
        layout, registry = Layout(Path(path)), encoders or Encoders()
        specs: dict[str, Json] = {}
        if sparse is not None:
            specs["sparse"] = registry.sparse(sparse).spec
        if multivector is not None:
            specs["multivector"] = registry.multivector(multivector).spec
        if pooled is not None:
            specs["pooled"] = registry.dense(pooled).spec
        if not specs:
            raise InputError(
                "found no encoder; expected one or more, sparse, multivector or pooled"
            )
        with storage_errors(layout.folder):
            layout.make()
        try:
            settings: dict[str, Json] = {"encoders": specs}
            if multivector is not None:
                settings["multivector"] = (plan or MultiVectorPlan()).to_json()
            if fields:
                settings[SETTING] = check_fields(fields)
            if neighbours:
                settings[NEIGHBOURS] = check_neighbours(neighbours)
            if passages is not None:
                settings[PASSAGES] = passages.to_json()
            catalog = Catalog.create(layout.catalog, settings)
        except BaseException:
            shutil.rmtree(layout.folder, ignore_errors=True)
            raise
        return Collection(layout, catalog, registry, merge_in_background=merge_in_background)

    @staticmethod
    def open(
        path: Path | str, *, encoders: Encoders | None = None, merge_in_background: bool = True
    ) -> "Collection":
        """The collection at `path`; vectors and postings are mapped, not read.

        Without `merge_in_background` only `merge` merges segments.

        Raises:
            NotACollectionError: if there is none.
            IndexFormatError: if another format version wrote it.
            CorruptionError: if files are missing or damaged.
        """
        layout = Layout(Path(path))
        layout.require()
        collection = Collection(
            layout,
            Catalog.open(layout.catalog),
            encoders or Encoders(),
            merge_in_background=merge_in_background,
        )
        try:
            collection._reader.open()
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
        refuse_text("documents", documents)
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
        """Commit documents in one transaction without encoding them yet.

        `ingest`, (sources, entries consumed), lets an interrupted job go on from there; its
        documents are found once `flush` has built their segment.
        """
        self.encoders.require_texts()
        with self._writing():
            fields = self.fields
            for document in documents if fields else ():
                check_metadata(document, fields)
            return self._catalog.upsert(documents, ingest=ingest)

    @property
    def fields(self) -> Fields:
        """Entries of the metadata that filters can name, with their types."""
        return declared_fields(self._catalog)

    def declare_fields(self, fields: Mapping[str, str]) -> int:
        """Let filters name these entries of the metadata; how many segments got columns for it.

        Types are keyword (a text, or a list of texts), integer, float, boolean and datetime (RFC
        3339). A field that is declared already stays. Searches go on; interrupted, the next
        writer goes on.

        Raises:
            InputError: if a name or a type is none, a field is declared as another type, or a
                stored document has a value of another type in it.
            LockedError: if another process writes to this collection.
        """
        wanted = check_fields(fields)
        with self._writing(), self._merge_lock:
            declare(self._catalog, wanted)
            n_segments = backfill(self._catalog, self._layout)
        self._refresh(wait=True)
        return n_segments

    @property
    def plan(self) -> MultiVectorPlan:
        """What is built over token vectors."""
        return MultiVectorPlan.from_json(self._catalog.setting("multivector"))

    @property
    def passages(self) -> PassagePlan | None:
        """How documents are split; None where they are not."""
        return PassagePlan.from_json(self._catalog.setting(PASSAGES))

    def delete(self, doc_ids: Iterable[str]) -> int:
        """Delete documents; how many of them existed. Later searches do not find them."""
        wanted = check_doc_ids(doc_ids)
        with self._writing():
            n_deleted = self._catalog.delete(wanted)
        self._written()
        return n_deleted

    def delete_matching(self, conditions: Conditions) -> int:
        """Delete the documents that a filter allows; how many there were.

        Documents of a job that has not ended are among them.

        Raises:
            FilterError: if it is no filter, names a field that is not declared or a value of
                another type, or has no clause: such a filter allows all documents.
        """
        with self._writing():
            snapshot = self._refresh(wait=True)
            wanted = parse_conditions(conditions, snapshot.fields)
            if wanted == Every(()):
                raise FilterError(
                    "the filter has no clause, so it allows every document; expected at least one; "
                    "to delete everything, delete the collection"
                )
            n_deleted = self._catalog.delete(self._reader.ids_matching(snapshot, wanted))
        self._written()
        return n_deleted

    def get(self, doc_ids: Sequence[str]) -> list[Document | None]:
        """The documents with these ids, in this order; None where there is none."""
        return [self._catalog.get(doc_id) for doc_id in check_doc_ids(doc_ids)]

    def flush(self, watcher: Watcher | None = None, *, threads: int = 1) -> int:
        """Build segments from all pending documents, on `threads`; how many were published.

        Raises:
            KeyboardInterrupt: if the watcher stopped it; finished parts are kept, and the next
                flush goes on after them.
        """
        with self._writing():
            published = build_segments(
                self._catalog, self._layout, self.encoders, watcher or Silent(), threads=threads
            )
            self._catalog.end_ingests()
        self._written()
        return published

    def merge(
        self,
        watcher: Watcher | None = None,
        *,
        policy: MergePolicy = TIERED,
        threads: int = 1,
    ) -> MergeReport:
        """Make many segments few, and drop deleted documents from them.

        Writers that merge in the background need not call it. Searches and writes go on.

        Raises:
            KeyboardInterrupt: if the watcher stopped it; finished merges are kept.
            LockedError: if another process writes to this collection.
            DiskFullError: if there is no room for a new segment beside the old ones.
        """
        with self._writing():
            pass  # the right to write is ours until `close`
        report = self._merge(watcher or Silent(), policy, threads)
        self._refresh(wait=True)
        return report

    def snapshot(self) -> Snapshot:
        """The newest state, for those who read it whole rather than search it."""
        return self._refresh()

    def stored(self, snapshot: Snapshot, serials: NDArray[np.int64]) -> list[Document]:
        """The documents of these serials of a snapshot, in this order.

        Raises:
            StorageError: if one was deleted since, and a merge has forgotten it.
        """
        return self._reader.stored(snapshot, serials)

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        pipeline: Asked = None,
        filter: Conditions | None = None,
        doc_ids: Iterable[str] | None = None,
        offset: int = 0,
        timeout_ms: float | None = None,
        min_relevance: float | None = None,
    ) -> SearchResult:
        """The best k documents for one query, fewer if the collection has fewer.

        `filter` are conditions on declared fields, `doc_ids` the only documents allowed (unknown
        ids are ignored); scores stay the same. The first `offset` hits are left out. When
        `timeout_ms` are over, stages that can be left out are, and the result says `partial`.
        `min_relevance`, from 0 to 1, needs a calibration (`lexmax calibrate`).

        Raises:
            QueryError: if the query is empty, longer than 8192 characters or has nothing to
                search for, or k is below 1.
            PipelineError: if there is no such pipeline, or this collection cannot run it.
        """
        allowed = None if doc_ids is None else check_doc_ids(doc_ids)
        self._require_open()
        return self._searcher.search(
            query, Wanted(k, offset, pipeline, filter, allowed, timeout_ms, min_relevance)
        )

    def explain(
        self,
        query: str,
        k: int = 10,
        *,
        doc_id: str | None = None,
        pipeline: Asked = None,
        filter: Conditions | None = None,
        doc_ids: Iterable[str] | None = None,
        offset: int = 0,
        timeout_ms: float | None = None,
        min_relevance: float | None = None,
    ) -> Explanation:
        """What `search` finds, and for each hit why: terms, tokens, stages, filters, relevance.

        With `doc_id`, why that document is among the hits, or where it was lost.

        Raises:
            InputError: if no document that searches see has this id.
            QueryError, PipelineError, FilterError: as `search`.
        """
        asked = None if doc_id is None else check_doc_ids([doc_id])[0]
        allowed = None if doc_ids is None else check_doc_ids(doc_ids)
        self._require_open()
        wanted = Wanted(k, offset, pipeline, filter, allowed, timeout_ms, min_relevance)
        return explaining.explain(self._searcher, query, wanted, doc_id=asked)

    def search_batch(
        self,
        queries: Sequence[str],
        k: int,
        *,
        pipeline: Asked = None,
        filter: Conditions | Sequence[Conditions | None] | None = None,
        doc_ids: Iterable[str] | None = None,
        min_relevance: float | None = None,
    ) -> Ranking:
        """Rankings of many queries; each gets what `search` gives it.

        A query with nothing to search for gets an empty ranking, and none is too long. `filter`
        is one for all queries, or a list with one, or None, for each: queries that share a filter
        are searched together. `doc_ids` allows these documents only.

        Raises:
            QueryError: if k is below 1.
            PipelineError: if there is no such pipeline, or this collection cannot run it.
        """
        allowed = None if doc_ids is None else check_doc_ids(doc_ids)
        self._require_open()
        each = None if filter is None or isinstance(filter, str | Mapping) else filter
        one = filter if isinstance(filter, str | dict) else None
        wanted = Wanted(k, 0, pipeline, one, allowed, None, min_relevance)
        return self._searcher.search_batch(queries, wanted, filters=each)

    def index_version(self, snapshot: Snapshot, pipeline: Pipeline) -> IndexVersion:
        """What a calibration of this pipeline belongs to; the snapshot is of all documents."""
        return version_of(self._catalog, snapshot, pipeline)

    def describe(self) -> dict[str, Json]:
        """Counts, encoders, pipelines and bytes on disk."""
        manifests = self._reader.manifests()
        split = self.passages
        segments: list[Json] = [
            {"segment_id": one.segment_id, "n_docs": one.n_documents, "bytes": one.n_bytes}
            | ({"n_passages": one.n_docs} if split else {})
            for one in manifests
        ]
        return {
            "n_docs": self.n_docs,
            "n_pending": self._catalog.n_pending(),
            "generation": self._catalog.generation(),
            "encoders": {str(signal): spec for signal, spec in self.encoders.specs.items()},
            "fields": dict(self.fields),
            "passages": None if split is None else split.to_json(),
            "pipelines": list(pipelines.runnable(self.encoders)),
            "segments": segments,
            "bytes": self._layout.catalog.stat().st_size + sum(one.n_bytes for one in manifests),
        }

    def verify(self) -> VerifyReport:
        """Re-check every checksum, and the catalog against the segments."""
        return verify(self.path)

    def ingest_position(self, sources: str) -> int:
        """Entries of these sources that an interrupted ingest has consumed."""
        return self._catalog.ingest_position(sources)

    def close(self) -> None:
        """Build a segment from what is pending, if that is much, and let others write.

        A merge in the background is given up; nothing is lost by that.
        """
        self._background.stop()
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
        self._background.stop()
        with self._write_lock, self._merge_lock:
            self._closed = True
            self._catalog.close()
            self._reader.close()
            self._writer.release()

    @contextmanager
    def _writing(self) -> Generator[None, None, None]:
        with self._write_lock:
            self._require_open()
            if not self._writer.held:
                self._writer.acquire()
                published = {row.segment_id for row in self._catalog.segments()}
                self._layout.sweep(published=published, building=set(self._catalog.builds()))
                backfill(self._catalog, self._layout)
            yield

    def _merge(self, watcher: Watcher, policy: MergePolicy, threads: int = 1) -> MergeReport:
        with self._merge_lock:
            self._require_open()
            return merge_segments(
                self._catalog, self._layout, watcher, policy=policy, threads=threads
            )

    def _written(self) -> None:
        """Let searches see what was written, and look whether that calls for a merge."""
        snapshot = self._refresh(wait=True)
        if self._merges_itself and worth_merging(snapshot):
            self._background.wake()

    def _refresh(self, *, wait: bool = False) -> Snapshot:
        self._require_open()
        return self._reader.newest(wait=wait)

    def _require_open(self) -> None:
        if self._closed:
            raise StorageError(f"{self.path}: the collection is closed; open it again")


def _batches(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    left = iter(documents)
    while batch := list(islice(left, size)):
        yield batch
