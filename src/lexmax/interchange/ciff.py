"""CIFF, the Common Index File Format: posting lists by term, as protobuf messages in one file.

One Header, then its number of PostingsList, then its number of DocRecord, each with its length
before it (Lin et al. 2020, "Supporting interoperability between open-source search engines with
the Common Index File Format"). Term frequencies hold the impacts. Documents are rows here, so
lists are transposed on the disk, in `workspace`, ten bytes a posting.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorpusError, InputError
from lexmax.index.failures import storage_errors
from lexmax.interchange import messages
from lexmax.interchange.messages import Stream, WireError, number, text
from lexmax.interchange.transposition import MOST_MAJORS, Bucket, Transposer
from lexmax.interchange.vectors import (
    CHUNK_DOCS,
    MAX_IMPACT,
    Chunk,
    Outgoing,
    Progress,
    Quantiser,
)
from lexmax.lines import read_expanded
from lexmax.types import SparseBatch, ranges

_VERSION = 1
_MOST_DOCS = (1 << 31) - 1
_MOST_HEADER = 1 << 24
_MOST_DOC_RECORD = 1 << 16
# A posting has two tags, a length, and numbers that may be padded to ten bytes each.
_MOST_POSTING, _MOST_LIST_HEAD = 32, 1 << 20
_BUCKET_POSTINGS, _BUCKET_DOCS = 1 << 21, 1 << 14
_REMEDY = "export it again, or copy it again"


@dataclass(frozen=True, slots=True)
class _Header:
    n_lists: int
    n_docs: int


@dataclass(frozen=True, slots=True)
class CiffFile:
    """A CIFF that was read to its end; its postings lie in the workspace until `chunks`."""

    source: Path
    terms: list[str]
    n_docs: int
    _transposer: Transposer
    _doc_ids: Path

    def chunks(self, term_ids: NDArray[np.uint32]) -> Iterator[Chunk]:
        """All documents in order, once: the workspace is emptied on the way."""
        ranks = np.empty(len(term_ids), dtype=np.uint32)
        ranks[np.argsort(term_ids)] = np.arange(len(term_ids), dtype=np.uint32)
        with self._doc_ids.open(encoding="utf-8", newline="\n") as names:
            for bucket in self._transposer.buckets(minor_ranks=ranks):
                n_rows = min(len(bucket.indptr) - 1, self.n_docs - bucket.start)
                for start, stop in ranges(n_rows, CHUNK_DOCS):
                    ids = [next(names)[:-1] for _ in range(start, stop)]
                    yield Chunk(ids, None, _rows(bucket, start, stop, term_ids))


def _rows(bucket: Bucket, start: int, stop: int, term_ids: NDArray[np.uint32]) -> SparseBatch:
    a, b = bucket.indptr[start], bucket.indptr[stop]
    weights = bucket.impacts[a:b].astype(np.float32)
    indptr = bucket.indptr[start : stop + 1] - a
    return SparseBatch(indptr, term_ids[bucket.minors[a:b]], weights)


def read_ciff(path: Path, *, workspace: Path, progress: Progress = lambda done: None) -> CiffFile:
    """Read a CIFF, plain, gzip or zstd; everything in it is checked before the first document.

    Raises:
        CorpusError: if the file is cut short or damaged, or its counts, gaps, frequencies or
            document numbers contradict each other.
        StorageError: if the workspace cannot be written.
    """
    done = 0

    def on_read(n: int) -> None:
        nonlocal done
        done += n
        progress(done)

    try:
        file = path.open("rb")
    except OSError as error:
        raise CorpusError(
            f"{path}: cannot be opened ({error.strerror}); expected a CIFF file; check the path"
        ) from error
    with file:
        return _Reader(path, Stream(read_expanded(file, str(path), on_read=on_read))).read(
            workspace
        )


@dataclass(slots=True)
class _Reader:
    path: Path
    stream: Stream

    def read(self, workspace: Path) -> CiffFile:
        header = self._header()
        bounds = np.arange(0, header.n_docs + _BUCKET_DOCS, _BUCKET_DOCS, dtype=np.int64)
        transposer = Transposer(workspace, bounds)
        terms = self._lists(header, transposer)
        names = workspace / "doc_ids.txt"
        self._doc_records(header, names)
        if not self.stream.at_end:
            raise self._error("after the last document", "more bytes", "the end of the file")
        return CiffFile(self.path, terms, header.n_docs, transposer, names)

    def _header(self) -> _Header:
        what = "in the header"
        found = self._fields(what, _MOST_HEADER)
        version, n_lists, n_docs = (self._number(found, field, what) for field in (1, 2, 3))
        if version != _VERSION:
            raise self._error(what, f"version {version}", f"version {_VERSION}")
        if not 0 <= n_lists <= _MOST_DOCS or not 0 < n_docs <= _MOST_DOCS:
            raise self._error(
                what, f"{n_lists} posting lists and {n_docs} documents", "at least one document"
            )
        return _Header(n_lists, n_docs)

    def _lists(self, header: _Header, transposer: Transposer) -> list[str]:
        known: dict[str, None] = {}
        for i in range(header.n_lists):
            what = f"in posting list {i + 1:,} of {header.n_lists:,}"
            term, gaps, tfs = self._list(what, header.n_docs)
            if not term or term in known:
                raise self._error(what, f"the term {term!r}", "a term that no other list has")
            known[term] = None
            ordinals = np.cumsum(gaps)
            minors = np.full(len(ordinals), i, dtype=np.uint32)
            transposer.add(ordinals, minors, tfs.astype(np.uint32))
        return list(known)

    def _list(self, what: str, n_docs: int) -> tuple[str, NDArray[np.int64], NDArray[np.int64]]:
        message = self._message(what, n_docs * _MOST_POSTING + _MOST_LIST_HEAD)
        try:
            found, gaps, tfs = _parsed_list(message)
        except WireError as error:
            raise self._error(what, str(error), "a whole posting list") from error
        term, df, cf = self._text(found, 1, what), *(self._number(found, n, what) for n in (2, 3))
        what = f"{what} (term {term[:40]!r})"
        if df != len(gaps):
            raise self._error(what, f"{len(gaps):,} postings", f"{df:,}, its document frequency")
        self._check_postings(what, gaps, tfs, n_docs)
        # Some tools leave the collection frequency out.
        if cf not in (0, int(tfs.sum())):
            raise self._error(what, f"frequencies that sum to {int(tfs.sum()):,}", f"{cf:,}")
        return term, gaps, tfs

    def _check_postings(
        self, what: str, gaps: NDArray[np.int64], tfs: NDArray[np.int64], n_docs: int
    ) -> None:
        if len(gaps) == 0:
            return
        if gaps[0] < 0 or np.any(gaps[1:] <= 0) or gaps.max() >= n_docs:
            bad = int(np.argmax((gaps < 0) | (gaps >= n_docs) | ((gaps == 0) & _after_first(gaps))))
            raise self._error(
                f"{what}, posting {bad + 1:,}", f"a gap of {gaps[bad]:,}",
                f"gaps from 1, below the header's {n_docs:,} documents",
            )  # fmt: skip
        if (last := int(gaps.sum())) >= n_docs:
            raise self._error(
                what, f"document {last:,}", f"documents below the header's {n_docs:,}"
            )
        if tfs.min() < 1 or tfs.max() > MAX_IMPACT:
            bad = int(np.argmax((tfs < 1) | (tfs > MAX_IMPACT)))
            raise self._error(
                f"{what}, posting {bad + 1:,}", f"a frequency of {tfs[bad]:,}",
                f"1 to {MAX_IMPACT:,}, which float32 holds exactly",
            )  # fmt: skip

    def _doc_records(self, header: _Header, names: Path) -> None:
        with storage_errors(names), names.open("w", encoding="utf-8", newline="\n") as file:
            for i in range(header.n_docs):
                what = f"in document {i:,} of {header.n_docs:,}"
                found = self._fields(what, _MOST_DOC_RECORD)
                if (ordinal := self._number(found, 1, what)) != i:
                    raise self._error(what, f"document number {ordinal}", f"{i}, in order")
                name = self._text(found, 2, what)
                if not name or "\n" in name:
                    raise self._error(what, f"the id {name[:40]!r}", "an id of one line")
                if (length := self._number(found, 3, what)) < 0:
                    raise self._error(what, f"a length of {length}", "0 or more")
                file.write(name + "\n")

    def _message(self, what: str, most: int) -> bytes:
        try:
            return self.stream.message(most)
        except WireError as error:
            raise self._error(what, str(error), "a whole message") from error

    def _fields(self, what: str, most: int) -> dict[int, int | bytes]:
        message = self._message(what, most)
        try:
            return dict(messages.fields(message))
        except WireError as error:
            raise self._error(what, str(error), "a whole message") from error

    def _number(self, found: dict[int, int | bytes], field: int, what: str) -> int:
        try:
            return number(found.get(field, 0))
        except WireError as error:
            raise self._error(f"{what}, field {field}", str(error), "a whole number") from error

    def _text(self, found: dict[int, int | bytes], field: int, what: str) -> str:
        try:
            return text(found.get(field, b""))
        except WireError as error:
            raise self._error(f"{what}, field {field}", str(error), "UTF-8 text") from error

    def _error(self, where: str, found: str, expected: str) -> CorpusError:
        return CorpusError(
            f"{self.path}: before byte {self.stream.position:,}, {where}: found {found}; "
            f"expected {expected}; {_REMEDY}"
        )


def _after_first(gaps: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.arange(len(gaps)) > 0


def _parsed_list(
    message: bytes,
) -> tuple[dict[int, int | bytes], NDArray[np.int64], NDArray[np.int64]]:
    """The fields before its postings, and the gaps and frequencies of these."""
    head, at = messages.head_of_list(message)
    if (fast := messages.postings(message[at:])) is not None:
        return head, *fast
    found: dict[int, int | bytes] = {}
    gaps: list[int] = []
    tfs: list[int] = []
    for field, value in messages.fields(message):
        if field == 4 and isinstance(value, bytes):
            posting = dict(messages.fields(value))
            gaps.append(number(posting.get(1, 0)))
            tfs.append(number(posting.get(2, 0)))
        else:
            found[field] = value
    return found, np.array(gaps, dtype=np.int64), np.array(tfs, dtype=np.int64)


def write_ciff(
    outgoing: Outgoing,
    file: BinaryIO,
    *,
    quantiser: Quantiser,
    workspace: Path,
    progress: Progress = lambda done: None,
) -> None:
    """Write a CIFF: terms ascending by their bytes, whole impacts as term frequencies.

    A document's length is the sum of its impacts.

    Raises:
        InputError: if an impact, or the sum of a document's, is above 2^31 - 1.
        StorageError: if the workspace cannot be written.
    """
    doc_lens = np.zeros(outgoing.n_docs, dtype=np.int64)
    transposer = Transposer(workspace, _bounds(outgoing.doc_freqs))
    base = 0
    for batch in outgoing.weights():
        rows = np.repeat(np.arange(len(batch)), np.diff(batch.indptr))
        impacts = quantiser.impacts(batch.weights)
        # As float64, which is exact up to far above what is refused below.
        doc_lens[base : base + len(batch)] = np.bincount(rows, impacts, minlength=len(batch))
        transposer.add(
            batch.term_ids.astype(np.int64),
            (rows + base).astype(np.uint32),
            impacts.astype(np.uint32),
        )
        base += len(batch)
        progress(base)
    if doc_lens.max(initial=0) > _MOST_DOCS:
        raise InputError(
            f"a document's impacts sum to {doc_lens.max():,}; CIFF holds at most {_MOST_DOCS:,}; "
            "give a smaller --scale"
        )
    _write_message(file, _encoded_header(outgoing, doc_lens, quantiser))
    for bucket in transposer.buckets():
        _write_lists(file, bucket, outgoing.terms)
    documents = zip(outgoing.documents(), doc_lens.tolist(), strict=True)
    for i, ((doc_id, _), doc_len) in enumerate(documents):
        values: tuple[int | str, ...] = (i, doc_id, doc_len)
        fields = (messages.encoded_field(n, value) for n, value in enumerate(values, start=1))
        _write_message(file, b"".join(fields))


def _bounds(doc_freqs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ranges of terms with few enough postings, and few enough terms, for one bucket."""
    ends = np.cumsum(doc_freqs)
    bounds = [0]
    while bounds[-1] < len(ends):
        start = bounds[-1]
        before = int(ends[start - 1]) if start else 0
        stop = int(np.searchsorted(ends, before + _BUCKET_POSTINGS, side="right"))
        bounds.append(max(start + 1, min(stop, start + MOST_MAJORS)))
    return np.array(bounds, dtype=np.int64)


def _encoded_header(outgoing: Outgoing, doc_lens: NDArray[np.int64], quantiser: Quantiser) -> bytes:
    n_lists, n_docs, total = len(outgoing.terms), outgoing.n_docs, int(doc_lens.sum())
    values = (_VERSION, n_lists, n_docs, n_lists, n_docs, total)
    fields = [messages.encoded_field(n, value) for n, value in enumerate(values, start=1)]
    average = struct.pack("<d", total / n_docs if n_docs else 0.0)
    description = f"written by lexmax; impact = max(1, round(weight * {quantiser.scale!r}))"
    fields += [messages.encoded_double(7, average), messages.encoded_field(8, description)]
    return b"".join(fields)


def _write_lists(file: BinaryIO, bucket: Bucket, terms: Sequence[str]) -> None:
    for i, (a, b) in enumerate(pairwise(bucket.indptr.tolist())):
        tfs = bucket.impacts[a:b].astype(np.int64)
        ordinals = bucket.minors[a:b].astype(np.int64)
        gaps = ordinals - np.concatenate([np.zeros(1, np.int64), ordinals[:-1]])
        values: tuple[str | int, ...] = (terms[bucket.start + i], b - a, int(tfs.sum()))
        fields = [messages.encoded_field(n, value) for n, value in enumerate(values, start=1)]
        _write_message(file, b"".join([*fields, messages.encoded_postings(gaps, tfs)]))


def _write_message(file: BinaryIO, message: bytes) -> None:
    file.write(messages.encoded_varint(len(message)) + message)
