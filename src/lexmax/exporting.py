"""How do a collection's term weights become a file that other tools read? Whole, or not at all."""

import gzip
import os
import shutil
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from lexmax.building import Watcher
from lexmax.collection import Collection
from lexmax.encoders import NamesTerms
from lexmax.errors import InputError
from lexmax.index import vocabulary
from lexmax.index.durable import DRAFT, sync_folder
from lexmax.index.failures import storage_errors
from lexmax.index.layout import Layout
from lexmax.index.snapshot import Snapshot
from lexmax.interchange.anserini import write_json_vectors
from lexmax.interchange.ciff import write_ciff
from lexmax.interchange.csr import beside, columns_of, write_csr
from lexmax.interchange.vectors import CHUNK_DOCS, Outgoing, Progress, Quantiser, by_row
from lexmax.passages import passage_texts
from lexmax.types import SparseBatch, ranges

_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look at all weights found.

    term_ids uint32 (n_terms,), ascending; doc_freqs int64 (n_terms,).
    """

    n_docs: int
    term_ids: NDArray[np.uint32]
    doc_freqs: NDArray[np.int64]
    max_weight: float
    whole: bool

    @property
    def n_postings(self) -> int:
        """Weights that are not zero."""
        return int(self.doc_freqs.sum())


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written; `quantiser` is None where weights were written as they are."""

    files: tuple[Path, ...]
    survey: Survey
    n_unnamed: int
    quantiser: Quantiser | None
    seconds: float


def export_vectors(
    collection: Collection,
    path: Path,
    *,
    form: str,
    watcher: Watcher,
    scale: float | None = None,
    force: bool = False,
) -> ExportReport:
    """Write the term weights of all living documents as "ciff", "anserini" or "csr".

    Where documents are split, each passage is written as one, called `doc_id#0`, `doc_id#1`, ...:
    what Anserini takes together again by its option for passages.

    `scale` makes weights whole in ciff and anserini; None keeps whole weights as they are and
    gives the largest of others 255. A name that ends in .gz is compressed.

    Raises:
        InputError: if there is no sparse index, a file of that name is there and not `force`, or
            the scale is no number above zero.
        DiskFullError: if there is no room; nothing is left.
        KeyboardInterrupt: if the watcher stopped it; nothing is left.
    """
    began = time.perf_counter()
    if "sparse" not in collection.encoders.specs:
        raise InputError(f"{collection.path}: has no sparse index; export one that has")
    names = [beside(path, what) for what in ("ids", "terms")] if form == "csr" else []
    _require_place([path, *names], force=force)
    _require_form(form, scale)
    snapshot = collection.snapshot()
    survey = _surveyed(_watched(snapshot, "count", watcher))
    outgoing, n_unnamed = _outgoing(collection, snapshot, survey, watcher)
    quantiser = None if form == "csr" else _quantiser(survey, scale)

    def progress(done: int) -> None:
        watcher.advance("write", done, survey.n_docs)
        if watcher.stopped():
            raise KeyboardInterrupt

    if quantiser is None:
        files = _write_csr(outgoing, path, names, progress)
    else:
        files = _write_impacts(outgoing, path, form, quantiser, progress)
    return ExportReport(files, survey, n_unnamed, quantiser, time.perf_counter() - began)


def weights_of(snapshot: Snapshot) -> Iterator[tuple[NDArray[np.int64], SparseBatch]]:
    """Serials and exact term weights of all living documents, some thousand at a time."""
    for ordinals in _living_rows(snapshot):
        yield snapshot.serials(ordinals), snapshot.sparse_rows(ordinals)


def _living_rows(snapshot: Snapshot) -> Iterator[NDArray[np.int64]]:
    """Ordinals of all living documents that have weights, some thousand at a time."""
    for part in snapshot.parts:
        living = np.arange(len(part.segment)) if part.alive is None else np.flatnonzero(part.alive)
        for start, stop in ranges(len(living), CHUNK_DOCS):
            if part.segment.sparse is not None:
                yield living[start:stop] + part.base


def _require_place(paths: list[Path], *, force: bool) -> None:
    for path in paths:
        if path.is_dir() or (path.exists() and not force):
            found = "a folder" if path.is_dir() else "a file"
            raise InputError(
                f"{path}: found {found} of that name; expected none; choose another name, or "
                "replace a file with --force"
            )
        if not path.absolute().parent.is_dir():
            raise InputError(
                f"{path}: found no folder {path.absolute().parent}; expected one to write to; "
                "make it, or choose another path"
            )


def _require_form(form: str, scale: float | None) -> None:
    if form not in ("ciff", "anserini", "csr"):
        raise InputError(f"found the format {form!r}; expected one of ciff, anserini, csr")
    if form == "csr" and scale is not None:
        raise InputError("csr keeps weights as they are; leave --scale out")
    if scale is not None and not 0 < scale < float("inf"):
        raise InputError(f"found a scale of {scale}; expected a number above 0")


def _quantiser(survey: Survey, scale: float | None) -> Quantiser:
    if scale is not None:
        return Quantiser(scale)
    return Quantiser.fitting(whole=survey.whole, max_weight=survey.max_weight)


def _watched(
    snapshot: Snapshot, stage: str, watcher: Watcher
) -> Iterator[tuple[NDArray[np.int64], SparseBatch]]:
    done, total = 0, snapshot.n_living
    for serials, batch in weights_of(snapshot):
        yield serials, batch
        done += len(serials)
        watcher.advance(stage, done, total)
        if watcher.stopped():
            raise KeyboardInterrupt


def _surveyed(rows: Iterator[tuple[NDArray[np.int64], SparseBatch]]) -> Survey:
    n_docs, max_weight, whole = 0, 0.0, True
    term_ids, doc_freqs = np.zeros(0, np.uint32), np.zeros(0, np.int64)
    for serials, batch in rows:
        n_docs += len(serials)
        max_weight = max(max_weight, float(batch.weights.max(initial=0)))
        whole = whole and bool(np.all(batch.weights == np.rint(batch.weights)))
        found, counts = np.unique(batch.term_ids, return_counts=True)
        joined = np.union1d(term_ids, found)
        total = np.zeros(len(joined), np.int64)
        total[np.searchsorted(joined, term_ids)] = doc_freqs
        total[np.searchsorted(joined, found)] += counts
        term_ids, doc_freqs = joined, total
    return Survey(n_docs, term_ids, doc_freqs, max_weight, whole)


@dataclass(frozen=True, slots=True)
class _Living:
    """The living documents of a snapshot, with terms in the order of their names."""

    collection: Collection
    snapshot: Snapshot
    n_docs: int
    terms: list[str]
    doc_freqs: NDArray[np.int64]
    _term_ids: NDArray[np.uint32]
    _places: NDArray[np.uint32]

    def documents(self) -> Iterator[tuple[str, str]]:
        number, before = 0, -1
        for ordinals in _living_rows(self.snapshot):
            serials, spans = self.snapshot.serials(ordinals), self.snapshot.passages(ordinals)
            documents = self.collection.stored(self.snapshot, serials)
            texts = passage_texts(documents, spans)
            for serial, document, text in zip(serials.tolist(), documents, texts, strict=True):
                number, before = (number + 1 if serial == before else 0), serial
                yield document.doc_id if spans is None else f"{document.doc_id}#{number}", text

    def weights(self) -> Iterator[SparseBatch]:
        for _, batch in weights_of(self.snapshot):
            places = self._places[np.searchsorted(self._term_ids, batch.term_ids)]
            rows = np.repeat(np.arange(len(batch)), np.diff(batch.indptr))
            yield by_row(rows, places, batch.weights, len(batch), place=str)


def _outgoing(
    collection: Collection, snapshot: Snapshot, survey: Survey, watcher: Watcher
) -> tuple[Outgoing, int]:
    names = _names(collection, snapshot, survey.term_ids, watcher)
    taken = set(names.values())
    n_unnamed = 0
    for term_id in survey.term_ids.tolist():
        if term_id not in names:
            n_unnamed += 1
            names[term_id] = _number(term_id, taken)
    by_place = [names[term_id] for term_id in survey.term_ids.tolist()]
    # Python's order of texts is that of their UTF-8 bytes.
    sequence = sorted(range(len(by_place)), key=by_place.__getitem__)
    order = np.array(sequence, dtype=np.int64)
    places = np.empty(len(order), dtype=np.uint32)
    places[order] = np.arange(len(order), dtype=np.uint32)
    terms = [by_place[i] for i in sequence]
    return _Living(
        collection, snapshot, survey.n_docs, terms, survey.doc_freqs[order], survey.term_ids, places
    ), n_unnamed


def _number(term_id: int, taken: set[str]) -> str:
    """A term without a name is called by its id, marked if another term is called so."""
    name = str(term_id)
    while name in taken:
        name = f"#{name}"
    return name


def _names(
    collection: Collection, snapshot: Snapshot, term_ids: NDArray[np.uint32], watcher: Watcher
) -> dict[int, str]:
    """Names by term id, as far as the vocabulary or the documents' texts have them."""
    with_names = vocabulary.read_terms(Layout(collection.path).catalog)
    wanted = set(term_ids.tolist())
    names = {term_id: term for term_id, term in with_names.items() if term_id in wanted}
    encoder = collection.encoders.sparse
    if not isinstance(encoder, NamesTerms):
        return names
    for serials, _ in _watched(snapshot, "name", watcher):
        if len(names) == len(wanted):
            break
        stored = collection.stored(snapshot, np.unique(serials))
        texts = [document.full_text for document in stored]
        for term_id, term in encoder.vocabulary(texts).items():
            if term_id in wanted:
                names.setdefault(term_id, term)
    return names


def _write_impacts(
    outgoing: Outgoing, path: Path, form: str, quantiser: Quantiser, progress: Progress
) -> tuple[Path, ...]:
    with _replacing(path) as file:
        if form == "anserini":
            write_json_vectors(outgoing, file, quantiser=quantiser, progress=progress)
        else:
            with _workspace(path) as folder:
                write_ciff(outgoing, file, quantiser=quantiser, workspace=folder, progress=progress)
    return (path,)


@contextmanager
def _workspace(path: Path) -> Generator[Path, None, None]:
    """A folder beside `path`; of one name, so that what a killed export left is removed."""
    folder = path.with_name(f".{path.name}.exporting")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_csr(
    outgoing: Outgoing, path: Path, names: list[Path], progress: Progress
) -> tuple[Path, ...]:
    ids, terms = names
    # Columns that are numbers name themselves.
    named = columns_of(outgoing.terms) is None
    if (
        broken := next((t for t in outgoing.terms if "\n" in t or t.endswith("\r")), None)
    ) is not None:
        raise InputError(
            f"the term {broken[:40]!r} does not fit a line of {terms}; expected terms of one line; "
            "export as ciff or anserini"
        )
    with _replacing(path) as file:
        write_csr(outgoing, file, progress=progress)
        with _replacing(ids) as lines:
            lines.writelines(_lines(doc_id for doc_id, _ in outgoing.documents()))
        if named:
            with _replacing(terms) as lines:
                lines.writelines(_lines(outgoing.terms))
        else:
            terms.unlink(missing_ok=True)
    return (path, ids, terms) if named else (path, ids)


def _lines(names: Iterable[str]) -> Iterator[bytes]:
    for place, name in enumerate(names):
        # Whoever reads a text takes a first byte order mark off, so that of a name stands twice.
        twice = place == 0 and name.startswith(_MARK)
        yield f"{_MARK * twice}{name}\n".encode()


@contextmanager
def _replacing(path: Path) -> Generator[BinaryIO, None, None]:
    """A file that takes the name `path` once it is whole; it vanishes if the block raises."""
    draft = path.with_name(path.name + DRAFT)
    try:
        with storage_errors(path):
            with draft.open("wb") as raw:
                if path.suffix == ".gz":
                    # Without name and time the same collection gives the same bytes.
                    with gzip.GzipFile("", "wb", fileobj=raw, mtime=0, compresslevel=6) as packed:
                        yield cast("BinaryIO", packed)
                else:
                    yield raw
                raw.flush()
                os.fsync(raw.fileno())
            draft.replace(path)
            sync_folder(path.absolute().parent)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
