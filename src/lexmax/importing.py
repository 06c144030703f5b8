"""How do vectors that another tool made become a collection? Whole, or not at all.

The file is read once to learn its terms, which fixes the encoder, and streamed a second time into
a folder beside the target. That folder takes the target's name when everything is in it, so that
a killed import leaves no collection; the next one removes what it left.
"""

import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lexmax.building import SEGMENT_DOCS, Watcher
from lexmax.encoders import Impacts
from lexmax.errors import CollectionExistsError, CorpusError, DocumentError, InputError
from lexmax.index import vocabulary
from lexmax.index.catalog import Catalog
from lexmax.index.durable import sync_folder
from lexmax.index.failures import storage_errors
from lexmax.index.layout import Layout
from lexmax.index.lock import WriterLock
from lexmax.index.segment import SegmentPlan, SegmentWriter
from lexmax.index.segment_rows import SegmentRow
from lexmax.interchange.anserini import read_json_vectors, total_bytes
from lexmax.interchange.ciff import read_ciff
from lexmax.interchange.csr import read_csr
from lexmax.interchange.vectors import Chunk, Incoming, Progress
from lexmax.types import Document, ranges

FORMATS = ("ciff", "anserini", "csr")

_TRANSACTION_DOCS = 1000


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import brought."""

    n_docs: int
    n_terms: int
    n_segments: int
    seconds: float


def import_vectors(
    source: Path,
    path: Path,
    *,
    form: str,
    watcher: Watcher,
    ids: Path | None = None,
    terms: Path | None = None,
) -> ImportReport:
    """Make the collection at `path` from a file of vectors; `form` is one of `FORMATS`.

    `ids` and `terms` name the rows and columns of csr.

    Raises:
        CorpusError: if the file cannot be read, contradicts itself, or has a document twice.
        CollectionExistsError: if `path` holds anything.
        LockedError: if another process is importing to `path`.
        KeyboardInterrupt: if the watcher stopped it; nothing is left.
    """
    began = time.perf_counter()
    _require_blank(path)
    if form != "csr" and (ids is not None or terms is not None):
        raise InputError(f"{form} has names of its own; leave --ids and --terms out")
    total = _bytes_of(source, form)

    def progress(done: int) -> None:
        watcher.advance("read", done, total)
        _check_stop(watcher)

    with _draft(path) as layout:
        workspace = layout.folder / "staging"
        incoming = _read(source, form, workspace, progress, ids, terms)
        n_segments = _Import(incoming, layout, watcher).run()
        shutil.rmtree(workspace, ignore_errors=True)
    return ImportReport(
        incoming.n_docs, len(incoming.terms), n_segments, time.perf_counter() - began
    )


def _require_blank(path: Path) -> None:
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise CollectionExistsError(
            f"{path}: found files there; expected a folder that is empty or does not exist; "
            "choose another path"
        )


@contextmanager
def _draft(path: Path) -> Generator[Layout, None, None]:
    """A folder that becomes `path` if the block ends, and vanishes if it raises."""
    layout = Layout(path.absolute().with_name(f".{path.absolute().name}.importing"))
    with storage_errors(layout.folder):
        layout.folder.mkdir(parents=True, exist_ok=True)
    lock = WriterLock(layout.lock)
    lock.acquire()
    try:
        with storage_errors(layout.folder):
            for left in layout.folder.iterdir():
                if left.is_dir():
                    shutil.rmtree(left)
                elif left != layout.lock:
                    left.unlink()
            (layout.folder / "segments").mkdir()
            (layout.folder / "staging").mkdir()
        yield layout
        with storage_errors(path):
            sync_folder(layout.folder)
            layout.folder.rename(path)
            sync_folder(path.absolute().parent)
    except BaseException:
        shutil.rmtree(layout.folder, ignore_errors=True)
        raise
    finally:
        lock.release()


def _bytes_of(source: Path, form: str) -> int:
    if not source.exists():
        raise CorpusError(f"{source}: no such file; expected a file of vectors; check the path")
    return total_bytes(source) if form == "anserini" else source.stat().st_size


def _check_stop(watcher: Watcher) -> None:
    if watcher.stopped():
        raise KeyboardInterrupt


def _read(
    source: Path,
    form: str,
    workspace: Path,
    progress: Progress,
    ids: Path | None,
    terms: Path | None,
) -> Incoming:
    match form:
        case "ciff":
            return read_ciff(source, workspace=workspace, progress=progress)
        case "anserini":
            return read_json_vectors(source, progress=progress)
        case "csr":
            return read_csr(source, ids=ids, terms=terms)
        case _:
            raise InputError(f"found the format {form!r}; expected one of {', '.join(FORMATS)}")


@dataclass(frozen=True, slots=True)
class _Import:
    incoming: Incoming
    layout: Layout
    watcher: Watcher

    def run(self) -> int:
        """Store documents and segments; how many segments."""
        encoder = Impacts.over(self.incoming.terms)
        term_ids = encoder.term_ids(self.incoming.terms)
        catalog = Catalog.create(self.layout.catalog, {"encoders": {"sparse": encoder.spec}})
        try:
            vocabulary.write_terms(
                self.layout.catalog, zip(term_ids, self.incoming.terms, strict=True)
            )
            chunks = self.incoming.chunks(np.array(term_ids, dtype=np.uint32))
            cut = _Cut(chunks)
            n_segments = self._build(catalog, encoder, cut)
            if not cut.at_end:
                raise self._changed("more")
            return n_segments
        finally:
            catalog.close()

    def _build(self, catalog: Catalog, encoder: Impacts, chunks: "_Cut") -> int:
        encoders = {"sparse": {"spec": encoder.spec, "fingerprint": encoder.fingerprint}}
        n_segments = 0
        for start, stop in ranges(self.incoming.n_docs, SEGMENT_DOCS):
            # A new catalog counts from 1 without gaps.
            serials = np.arange(start + 1, stop + 1, dtype=np.int64)
            segment_id = f"{serials[0]:012d}-{serials[-1]:012d}"
            plan = SegmentPlan(segment_id, serials, encoders, None)
            self._build_segment(catalog, plan, chunks)
            n_segments += 1
        return n_segments

    def _build_segment(self, catalog: Catalog, plan: SegmentPlan, chunks: "_Cut") -> None:
        first, last = int(plan.serials[0]), int(plan.serials[-1])
        folder, staging = self.layout.segment(plan.segment_id), self.layout.staging(plan.segment_id)
        with storage_errors(self.layout.folder):
            writer = SegmentWriter(folder, staging, plan)
        done = first - 1
        for chunk in chunks.take(last - done):
            self._store(catalog, chunk, done)
            with storage_errors(self.layout.folder):
                writer.append(chunk.weights, None)
            done += len(chunk.doc_ids)
            self.watcher.advance("store", done, self.incoming.n_docs)
            _check_stop(self.watcher)
        if done < last:
            raise self._changed("fewer")
        with storage_errors(self.layout.folder):
            manifest_xxh3 = writer.finish()
            sync_folder(self.layout.folder / "segments")
            shutil.rmtree(staging)
        row = SegmentRow(plan.segment_id, first, last, len(plan.serials), manifest_xxh3)
        catalog.publish(row)

    def _changed(self, found: str) -> CorpusError:
        return CorpusError(
            f"{self.incoming.source}: found {found} documents than the {self.incoming.n_docs:,} "
            "when it was read first; expected a file that does not change; try again"
        )

    def _store(self, catalog: Catalog, chunk: Chunk, done: int) -> None:
        texts = chunk.texts or [""] * len(chunk.doc_ids)
        try:
            documents = [Document(*pair) for pair in zip(chunk.doc_ids, texts, strict=True)]
        except DocumentError as error:
            raise CorpusError(f"{self.incoming.source}: {error}") from error
        for start, stop in ranges(len(documents), _TRANSACTION_DOCS):
            stored = catalog.upsert(documents[start:stop])
            if stored.added < stop - start:
                doc_id = _twice(catalog, chunk.doc_ids[start:stop], done + start)
                raise CorpusError(
                    f"{self.incoming.source}: found the id {doc_id!r} twice; expected each "
                    "document once; make the ids unique"
                )


def _twice(catalog: Catalog, doc_ids: list[str], before: int) -> str:
    """The first of these ids that another one of them, or of the first `before` documents, is."""
    seen: set[str] = set()
    for doc_id in doc_ids:
        if doc_id in seen or catalog.versions([doc_id])[0] <= before:
            return doc_id
        seen.add(doc_id)
    raise ValueError(f"none of {len(doc_ids)} ids is there twice")


class _Cut:
    """A stream of chunks that can be taken in numbers of documents."""

    def __init__(self, chunks: Iterator[Chunk]) -> None:
        self._chunks = chunks
        self._left: Chunk | None = None

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        self._left = self._left or next(self._chunks, None)
        return self._left is None

    def take(self, n: int) -> Iterator[Chunk]:
        """Chunks of the next n documents together, or of all if they are fewer."""
        while n and (chunk := self._left or next(self._chunks, None)) is not None:
            self._left = None
            if len(chunk.doc_ids) > n:
                chunk, self._left = _split(chunk, n)
            n -= len(chunk.doc_ids)
            yield chunk


def _split(chunk: Chunk, n: int) -> tuple[Chunk, Chunk]:
    total = len(chunk.doc_ids)
    parts = [
        replace(
            chunk,
            doc_ids=chunk.doc_ids[start:stop],
            texts=None if chunk.texts is None else chunk.texts[start:stop],
            weights=chunk.weights.slice(start, stop),
        )
        for start, stop in ((0, n), (n, total))
    ]
    return parts[0], parts[1]
