"""The batch job: files of documents into a collection, so that it can be killed at any time.

Reading goes first: documents are committed to the catalog a thousand at a time together with the
place in the corpus. Then segments are built part by part (`lexmax.building`) and, if there are
many, merged (`lexmax.merging`). Whatever is interrupted goes on where it was when the same
command is run again.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import orjson

from lexmax.acceptance import Acceptance
from lexmax.building import Watcher
from lexmax.collection import Collection
from lexmax.corpus import Reject, read_documents, total_bytes
from lexmax.corpus_sources import name_of
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import CorpusError
from lexmax.importance import Weights
from lexmax.index.catalog import Catalog
from lexmax.index.document_rows import UpsertCount
from lexmax.index.failures import storage_errors
from lexmax.index.fields import Fields, check_fields
from lexmax.index.layout import Layout
from lexmax.index.pooled import check_pooled_codec
from lexmax.pipeline import CollectionEncoders, encoder_specs
from lexmax.sample_queries import keep_sample_queries, read_sample_queries
from lexmax.types import Document

_TRANSACTION_DOCS = 1000
_STDIN = "-"


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an indexing job did, and what the collection holds now.

    `already_read` documents of the corpus were stored by a job that was interrupted; `pruned` were
    passed over, because the weights say that a corpus is better without them.
    """

    stored: UpsertCount
    rejected: int
    already_read: int
    n_docs: int
    n_segments: int
    seconds: float
    pruned: int = 0


def index_corpus(
    path: Path,
    sources: Sequence[str],
    *,
    choice: IndexChoice | None,
    watcher: Watcher,
    max_rejects: int = 1000,
    sample_queries: Path | None = None,
    fields: Mapping[str, str] | None = None,
    keep: Path | None = None,
    encoders: Encoders | None = None,
) -> IndexReport:
    """Index files into the collection at `path`, which is made if it does not exist.

    `choice` None takes the defaults for a new collection and whatever an old one has.
    `sample_queries` is a file of texts to measure recall with, where the plan asks for it.
    `fields` are declared beside those that are; entries with a value of another type are set
    aside. `keep` is a file of weights (`lexmax value`): what it does not keep is passed over.

    Raises:
        CorpusError: if a source cannot be read, holds no document, or has more than
            `max_rejects` entries that cannot be stored.
        InputError: if `choice` names other encoders than the collection's, or a field is declared
            as another type, or `keep` is no file of weights.
        KeyboardInterrupt: if the watcher stopped it; run it again to go on.
    """
    rejects = Rejects(max_rejects)
    total = total_bytes(sources) or 0
    acceptance = _acceptance(path, choice, check_fields(fields or {}), encoders or Encoders())
    documents = read_documents(
        sources,
        on_reject=rejects.add,
        progress=lambda done: watcher.advance("read", done, total),
        check=acceptance.check,
    )
    pruning = _Pruning(keep)
    report = index_documents(
        path,
        pruning.kept(documents),
        name=name_of(sources, acceptance.fields, keep),
        choice=choice,
        watcher=watcher,
        rejects=rejects,
        samples=None if sample_queries is None else read_sample_queries(sample_queries),
        fields=fields,
        encoders=encoders,
    )
    return replace(report, pruned=pruning.count)


class _Pruning:
    """Documents that weights do not keep: counted, and passed over."""

    def __init__(self, path: Path | None) -> None:
        self.count = 0
        self._dropped = None if path is None else Weights.read(path).dropped

    def kept(self, documents: Iterator[Document]) -> Iterator[Document]:
        for document in documents:
            if self._dropped is not None and document in self._dropped:
                self.count += 1
            else:
                yield document


class Rejects:
    """Entries that cannot be stored: counted, and written aside once there is a collection."""

    def __init__(
        self, most: int, *, on_reject: Callable[[Reject], None] = lambda reject: None
    ) -> None:
        """More than `most` are too many; `on_reject` is told of each."""
        self.count = 0
        self._on_reject = on_reject
        self._most = most
        self._waiting: list[bytes] = []

    def add(self, reject: Reject) -> None:
        """Count one.

        Raises:
            CorpusError: if it is one too many.
        """
        self.count += 1
        self._on_reject(reject)
        if self.count > self._most:
            raise CorpusError(
                f"{reject.source}: found {self.count} entries that cannot be stored, the last at "
                f"line {reject.line_number}: {reject.reason}; expected at most {self._most}; mend "
                "the corpus, or allow more with --max-rejects"
            )
        self._waiting.append(
            orjson.dumps(
                {
                    "source": reject.source,
                    "line_number": reject.line_number,
                    "reason": reject.reason,
                    "line": reject.line,
                },
                option=orjson.OPT_APPEND_NEWLINE,
            )
        )

    def write(self, path: Path, *, first: bool) -> None:
        """Write those since the last time to a file, which the first time is emptied."""
        if self._waiting or (first and path.exists()):
            with storage_errors(path), path.open("wb" if first else "ab") as file:
                file.writelines(self._waiting)
            self._waiting.clear()


def index_documents(
    path: Path,
    documents: Iterator[Document],
    *,
    name: str | None,
    choice: IndexChoice | None,
    watcher: Watcher,
    rejects: Rejects | None = None,
    samples: Sequence[str] | None = None,
    fields: Mapping[str, str] | None = None,
    encoders: Encoders | None = None,
) -> IndexReport:
    """Index a stream of documents; `name` lets an interrupted job find its place in it again.

    Raises:
        CorpusError: if the stream holds no document.
        InputError: if `choice` names other encoders than the collection's.
    """
    began = time.perf_counter()
    rejects = rejects or Rejects(0)
    documents = some_documents(documents, rejects)
    with _opened(path, choice, fields or {}, encoders) as collection:
        already_read = 0 if name is None else collection.writer.ingest_position(name)
        left = islice(documents, already_read, None)
        corpus = Corpus(_batches(left), name, rejects, Layout(collection.path).rejects)
        stored = ingest(collection, corpus, done=already_read, watcher=watcher)
        if samples is not None:
            keep_sample_queries(collection, samples)
        threads = os.cpu_count() or 1
        collection.flush(watcher, threads=threads)
        collection.writer.end_ingest()
        collection.merge(watcher, threads=threads)
        n_docs, n_segments = collection.n_docs, collection.n_segments
    seconds = time.perf_counter() - began
    return IndexReport(stored, rejects.count, already_read, n_docs, n_segments, seconds)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents on their way into a collection.

    Attributes:
        batches: Each is stored in one transaction; none is empty.
        name: By which an interrupted job finds its place again; None finds none.
        rejects: What cannot be stored.
        aside: The file that this is written to.
    """

    batches: Iterator[list[Document]]
    name: str | None
    rejects: Rejects
    aside: Path


def ingest(
    collection: Collection,
    corpus: Corpus,
    *,
    done: int,
    watcher: Watcher,
    stored: Callable[[int, UpsertCount], None] = lambda done, count: None,
) -> UpsertCount:
    """Store all batches; whatever interrupts it, the catalog knows how many entries are stored.

    `done` entries of the corpus were stored before. `stored` is told, after each batch that is on
    the disk, how many are now, and what became of that batch; no search finds them until they are
    in a segment.

    Raises:
        CorpusError: if the corpus cannot be read, or too much of it cannot be stored.
        KeyboardInterrupt: if the watcher stopped it.
    """
    corpus.rejects.write(corpus.aside, first=True)
    total = UpsertCount()
    try:
        for batch in corpus.batches:
            done += len(batch)
            count = collection.store(batch, ingest=(corpus.name or _STDIN, done))
            total += count
            corpus.rejects.write(corpus.aside, first=False)
            stored(done, count)
            if watcher.stopped():
                raise KeyboardInterrupt
    finally:
        corpus.rejects.write(corpus.aside, first=False)
    return total


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    while batch := list(islice(documents, _TRANSACTION_DOCS)):
        yield batch


def some_documents(documents: Iterator[Document], rejects: Rejects) -> Iterator[Document]:
    """The documents, of which there is at least one.

    Raises:
        CorpusError: if there is none.
    """
    first = next(documents, None)
    if first is None:
        raise CorpusError(
            f"found no document in the corpus, {rejects.count} entries cannot be stored; expected "
            "at least one; nothing was written"
        )
    return chain([first], documents)


def _acceptance(
    path: Path, choice: IndexChoice | None, fields: Fields, registry: Encoders
) -> Acceptance:
    """Which documents the collection will take once it is there, and the fields are declared."""
    layout = Layout(path)
    if not layout.catalog.is_file():
        wanted = choice or IndexChoice()
        given = CollectionEncoders(registry, wanted.specs).given
        codec = check_pooled_codec(wanted.pooled_codec or "int8")
        return Acceptance(fields, given, wanted.passages is not None, codec)
    catalog = Catalog.open(layout.catalog)
    try:
        specs = encoder_specs(catalog.setting("encoders"))
        found = Acceptance.of(catalog, CollectionEncoders(registry, specs))
    finally:
        catalog.close()
    return replace(found, fields={**fields, **found.fields})


def _opened(
    path: Path,
    choice: IndexChoice | None,
    fields: Mapping[str, str],
    encoders: Encoders | None,
) -> Collection:
    if not Layout(path).catalog.is_file():
        return Collection.chosen(
            path,
            replace(choice or IndexChoice(), fields=fields),
            encoders=encoders,
            merge_in_background=False,
        )
    collection = Collection.open(path, encoders=encoders, merge_in_background=False)
    try:
        if choice is not None:
            choice.require_same(collection.choice, path, collection.encoders.registry)
        if fields:
            collection.declare_fields(fields)
    except BaseException:
        collection.abandon()
        raise
    return collection
