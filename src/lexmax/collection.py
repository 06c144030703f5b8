"""One collection: documents on disk, both indexes over them, and searches that see one state."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax import explaining, lucene
from lexmax import pipeline as pipelines
from lexmax.building import Silent, Watcher
from lexmax.creating import IndexChoice, create_catalog
from lexmax.encoders import Encoders
from lexmax.explaining import Explanation
from lexmax.index.catalog import Catalog
from lexmax.index.declared import declared_fields
from lexmax.index.document_rows import UpsertCount
from lexmax.index.fields import Fields
from lexmax.index.kept_documents import DocumentCache, KeptDocuments
from lexmax.index.layout import Layout
from lexmax.index.merge_policy import MergePolicy
from lexmax.index.multivector_build import MultiVectorPlan
from lexmax.index.snapshot import Snapshot
from lexmax.index.verification import VerifyReport, verify
from lexmax.merging import TIERED, MergeReport
from lexmax.passages import PassagePlan
from lexmax.pipeline import CollectionEncoders
from lexmax.reading import Reader
from lexmax.relevance import IndexVersion
from lexmax.results import Ranking, SearchResult, check_doc_ids, each_query
from lexmax.searching import Asked, Searcher, Wanted, version_of
from lexmax.stages import Conditions, Pipeline
from lexmax.types import Document, Json, each_document
from lexmax.vectors import Query
from lexmax.writing import Writer


class Collection:
    """Documents with their indexes, in one folder.

    Any number of threads and processes may search; one process at a time may write, and holds
    the folder's writer lock from its first write until `close`.
    """

    def __init__(
        self,
        layout: Layout,
        catalog: Catalog,
        encoders: Encoders,
        documents: DocumentCache | None,
        *,
        merges_itself: bool,
    ) -> None:
        """Use `Collection.create` or `Collection.open`."""
        self._layout, self._catalog = layout, catalog
        specs = pipelines.encoder_specs(catalog.setting("encoders"))
        self.encoders = CollectionEncoders(encoders, specs, lucene.backends(layout.folder))
        self._reader = Reader(layout, catalog, self.encoders)
        kept = KeptDocuments(catalog, documents)
        self._searcher = Searcher(catalog, self._reader, self.encoders, kept)
        self._writer = Writer(
            layout, catalog, self._reader, self.encoders, merges_itself=merges_itself
        )

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
        pooled_codec: str = "int8",
        encoders: Encoders | None = None,
        merge_in_background: bool = True,
    ) -> "Collection":
        """A new collection without documents; None leaves an index out.

        `sparse`, `multivector` and `pooled` (one vector a document) are specs of encoders; those
        over one transformer share its pass. `plan` says what is built over token vectors, and how
        they are stored; the others are as in `lexmax.creating.IndexChoice`. Without
        `merge_in_background` only `merge` merges segments.

        Raises:
            CollectionExistsError: if the folder holds anything.
            EncoderError: if there is no such encoder.
            InputError: if there is no encoder at all, or a number or a type is none.
        """
        kept = (sparse, multivector, plan or MultiVectorPlan(), pooled, passages, neighbours)
        choice = IndexChoice(*kept, fields or {}, pooled_codec)
        return Collection.chosen(
            path, choice, encoders=encoders, merge_in_background=merge_in_background
        )

    @staticmethod
    def chosen(
        path: Path | str,
        choice: IndexChoice,
        *,
        encoders: Encoders | None = None,
        documents: DocumentCache | None = None,
        merge_in_background: bool = True,
    ) -> "Collection":
        """As `create`, with what is chosen as a value, and `documents` as `open` takes it."""
        layout, registry = Layout(Path(path)), encoders or Encoders()
        catalog = create_catalog(layout, choice, registry)
        return Collection(layout, catalog, registry, documents, merges_itself=merge_in_background)

    @staticmethod
    def open(
        path: Path | str,
        *,
        encoders: Encoders | None = None,
        documents: DocumentCache | None = None,
        merge_in_background: bool = True,
    ) -> "Collection":
        """The collection at `path`; vectors and postings are mapped, not read.

        Without `merge_in_background` only `merge` merges segments. `documents` found lately are
        kept in a cache that collections may share; without one, in one of its own.

        Raises:
            NotACollectionError: if there is none.
            IndexFormatError: if another format version wrote it.
            CorruptionError: if files are missing or damaged.
        """
        layout, registry = Layout(Path(path)), encoders or Encoders()
        layout.require()
        catalog = Catalog.open(layout.catalog)
        collection = Collection(
            layout, catalog, registry, documents, merges_itself=merge_in_background
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
            InputError: if one is no document.
            LockedError: if another process writes to this collection.
            DiskFullError: if there is no room; what was committed stays.
        """
        return self._writer.add(each_document(documents))

    def store(
        self, documents: Sequence[Document], *, ingest: tuple[str, int] | None = None
    ) -> UpsertCount:
        """Commit documents in one transaction without encoding them yet.

        `ingest`, (sources, entries consumed), lets an interrupted job go on from there; its
        documents are found once `flush` has built their segment.
        """
        return self._writer.store(list(each_document(documents)), ingest=ingest)

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
        return self._writer.declare_fields(fields)

    @property
    def choice(self) -> IndexChoice:
        """What it keeps."""
        return IndexChoice.kept(self._catalog)

    def delete(self, doc_ids: Iterable[str]) -> int:
        """Delete documents; how many of them existed. Later searches do not find them."""
        return self._writer.delete(check_doc_ids(doc_ids))

    def delete_matching(self, conditions: Conditions) -> int:
        """Delete the documents that a filter allows; how many there were.

        Documents of a job that has not ended are among them.

        Raises:
            FilterError: if it is no filter, names a field that is not declared or a value of
                another type, or has no clause: such a filter allows all documents.
        """
        return self._writer.delete_matching(conditions)

    def get(self, doc_ids: Sequence[str]) -> list[Document | None]:
        """The documents with these ids, in this order; None where there is none."""
        return [self._catalog.get(doc_id) for doc_id in check_doc_ids(doc_ids)]

    def flush(self, watcher: Watcher | None = None, *, threads: int = 1) -> int:
        """Build segments from all pending documents, on `threads`; how many were published.

        Raises:
            KeyboardInterrupt: if the watcher stopped it; finished parts are kept, and the next
                flush goes on after them.
        """
        return self._writer.flush(watcher, threads=threads)

    def merge(
        self, watcher: Watcher | None = None, *, policy: MergePolicy = TIERED, threads: int = 1
    ) -> MergeReport:
        """Make many segments few, and drop deleted documents from them.

        Writers that merge in the background need not call it. Searches and writes go on.

        Raises:
            KeyboardInterrupt: if the watcher stopped it; finished merges are kept.
            LockedError: if another process writes to this collection.
            DiskFullError: if there is no room for a new segment beside the old ones.
        """
        return self._writer.merge(watcher or Silent(), policy=policy, threads=threads)

    def snapshot(self) -> Snapshot:
        """The newest state, for those who read it whole rather than search it."""
        self._writer.require_open()
        return self._reader.newest(wait=False)

    def stored(self, snapshot: Snapshot, serials: NDArray[np.int64]) -> list[Document]:
        """The documents of these serials of a snapshot, in this order.

        Raises:
            StorageError: if one was deleted since, and a merge has forgotten it.
        """
        return self._reader.stored(snapshot, serials)

    def search(
        self,
        query: str | Query,
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
        self._writer.require_open()
        wanted = Wanted(k, offset, pipeline, filter, allowed, timeout_ms, min_relevance)
        return self._searcher.search(query, wanted)

    def explain(
        self,
        query: str | Query,
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
        self._writer.require_open()
        wanted = Wanted(k, offset, pipeline, filter, allowed, timeout_ms, min_relevance)
        return explaining.explain(self._searcher, query, wanted, doc_id=asked)

    def search_batch(
        self,
        queries: Iterable[str | Query],
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
            QueryError, PipelineError, FilterError: as `search`, but a query may be empty.
        """
        allowed = None if doc_ids is None else check_doc_ids(doc_ids)
        self._writer.require_open()
        wanted = Wanted(k, 0, pipeline, None, allowed, None, min_relevance)
        return self._searcher.search_batch(each_query(queries), wanted, filters=filter)

    def search_many(self, searches: Sequence[tuple[str | Query, Wanted]]) -> list[SearchResult]:
        """What `search` finds for each, all in the same state: `Searcher.search_many`."""
        self._writer.require_open()
        return self._searcher.search_many(searches)

    def index_version(self, snapshot: Snapshot, pipeline: Pipeline) -> IndexVersion:
        """What a calibration of this pipeline belongs to; the snapshot is of all documents."""
        return version_of(self._catalog, snapshot, pipeline)

    def describe(self) -> dict[str, Json]:
        """Counts, encoders, pipelines and bytes on disk."""
        choice = self.choice
        segments, n_bytes = self._reader.described()
        return {
            "n_docs": self.n_docs,
            "n_pending": self._catalog.n_pending(),
            "generation": self._catalog.generation(),
            "encoders": {str(signal): spec for signal, spec in choice.specs.items()},
            "fields": dict(choice.fields),
            "passages": None if choice.passages is None else choice.passages.to_json(),
            "pipelines": list(pipelines.runnable(self.encoders)),
            "segments": segments,
            "bytes": self._layout.catalog.stat().st_size + n_bytes,
        }

    def verify(self) -> VerifyReport:
        """Re-check every checksum, and the catalog against the segments."""
        return verify(self.path)

    @property
    def writer(self) -> Writer:
        """What changes it, for those who write otherwise than `add` does."""
        return self._writer

    def follow(self, behind_s: float) -> None:
        """Let searches see what another process writes a moment later: `Reader.follow`."""
        self._reader.follow(behind_s)

    def close(self) -> None:
        """Build a segment of what is pending, if that is much, and let others write."""
        self._writer.close()
        self._searcher.documents.close()

    def __enter__(self) -> "Collection":
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def abandon(self) -> None:
        """Close without building anything; nothing that was acknowledged is lost."""
        self._writer.abandon()
        self._searcher.documents.close()
