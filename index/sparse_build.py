"""How do documents become a sparse index? Terms are counted, then spans of documents encoded.

A span is 16 windows; it is encoded in memory by the native kernel and appended to the arrays of
docs/format/sparse.md, which may lie in memory or in files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.index import _native
from lexmax.index.append import NpyAppender
from lexmax.types import SparseBatch, ranges

# 16-bit sums of a window fill 64 KiB: most of a first-level cache, little of a second-level one.
MAX_WINDOW_DOCS = 1 << 15
_SPAN_WINDOWS = 16
_MAX_WINDOWS = 1 << 16
_MAX_LEVEL = 255
_CHUNK_WEIGHTS = 1 << 22
# Up to so many terms, forward rows hold them as 16 bits.
_SHORT_TERMS = 1 << 16

SPARSE_FILES: Mapping[str, tuple[type[np.generic], ...]] = {
    "sparse.cut": (np.int64,),
    "sparse.terms": (np.uint32,),
    "sparse.steps": (np.float32,),
    "sparse.doc_freqs": (np.uint32,),
    "sparse.term_lists": (np.uint32,),
    "sparse.list_windows": (np.uint16,),
    "sparse.list_ptr": (np.uint32,),
    "sparse.span_ptr": (np.int64,),
    "sparse.postings": (np.uint16,),
    "sparse.rows": (np.uint8,),
    "forward.indptr": (np.int64,),
    "forward.rows": (np.uint32,),
}


class Sinks(Protocol):
    """Takes the arrays of an index part by part."""

    def append(self, name: str, part: NDArray[Any]) -> None:
        """Add the next entries of an array."""
        ...


class ArraySinks:
    """Keeps the parts in memory."""

    def __init__(self) -> None:
        self._parts: dict[str, list[NDArray[Any]]] = {}

    def append(self, name: str, part: NDArray[Any]) -> None:
        """Keep the part."""
        self._parts.setdefault(name, []).append(part)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Each array whole."""
        return {
            name: np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts))
            for name, parts in self._parts.items()
        }


class FileSinks:
    """Appends the parts to `.npy` files in a folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, NpyAppender] = {}

    def append(self, name: str, part: NDArray[Any]) -> None:
        """Append the part to its file; the first one decides about the dtype."""
        if name not in self._files:
            self._files[name] = NpyAppender(self._directory / f"{name}.npy", part.dtype, ())
        self._files[name].append(part)

    def close(self) -> None:
        """Complete the files and force them to the disk."""
        for file in self._files.values():
            file.close()


def encode_documents(
    documents: SparseBatch, sinks: Sinks, *, window_docs: int, threads: int
) -> None:
    """Append every array of the documents' index to `sinks`.

    Raises:
        ShapeError: if `window_docs` is no power of two up to 32,768, or there are more than
            65,536 windows.
    """
    n_windows = -(-len(documents) // max(window_docs, 1))
    if not 1 <= window_docs <= MAX_WINDOW_DOCS or window_docs & (window_docs - 1):
        raise ShapeError(
            f"window_docs is {window_docs}; expected a power of two up to {MAX_WINDOW_DOCS}"
        )
    if n_windows > _MAX_WINDOWS:
        raise ShapeError(
            f"{len(documents)} documents fill {n_windows} windows; expected at most "
            f"{_MAX_WINDOWS}; cut them into several segments"
        )
    table = _native.Terms()
    for start, stop in ranges(len(documents.term_ids), _CHUNK_WEIGHTS):
        table.add(_plain(documents.term_ids[start:stop]), _plain(documents.weights[start:stop]))
    terms, doc_freqs, largest = table.sorted()
    steps = _steps(largest)
    sinks.append("sparse.cut", np.array([window_docs, _SPAN_WINDOWS], dtype=np.int64))
    for name, array in (("terms", terms), ("steps", steps), ("doc_freqs", doc_freqs)):
        sinks.append(f"sparse.{name}", array)
    spans = _Spans(sinks, table, steps, window_docs=window_docs, threads=threads)
    for start, stop in ranges(len(documents), window_docs * _SPAN_WINDOWS):
        spans.encode(documents, start, stop)
    spans.close()


class _Spans:
    """Encodes spans one after another and counts what lies before each."""

    def __init__(
        self,
        sinks: Sinks,
        table: "_native.Terms",
        steps: NDArray[np.float32],
        *,
        window_docs: int,
        threads: int,
    ) -> None:
        self._sinks, self._table, self._steps = sinks, table, steps
        self._window_docs, self._threads = window_docs, threads
        self._n_lists = self._row_bytes = self._forward_units = 0
        self._span_ptr = [0]
        empty: tuple[tuple[str, type[np.generic]], ...] = (
            ("sparse.term_lists", np.uint32),
            ("sparse.list_windows", np.uint16),
            ("sparse.list_ptr", np.uint32),
            ("sparse.postings", np.uint16),
            ("sparse.rows", np.uint8),
            ("forward.rows", np.uint32),
        )
        for name, dtype in empty:
            sinks.append(name, np.zeros(0, dtype))
        sinks.append("forward.indptr", np.zeros(1, np.int64))

    def encode(self, documents: SparseBatch, start: int, stop: int) -> None:
        begin, end = int(documents.indptr[start]), int(documents.indptr[stop])
        weights = _plain(documents.weights[begin:end])
        local = np.empty(end - begin, dtype=np.uint32)
        self._table.localise(_plain(documents.term_ids[begin:end]), local)
        indptr = documents.indptr[start : stop + 1] - begin
        ends, forward_rows = _native.encode_forward(
            indptr=indptr,
            terms=local,
            weights=weights,
            short_terms=len(self._steps) <= _SHORT_TERMS,
            before=self._forward_units,
        )
        self._forward_units += len(forward_rows)
        self._sinks.append("forward.indptr", ends)
        self._sinks.append("forward.rows", forward_rows)
        term_lists, list_windows, list_ptr, postings, rows = _native.encode_span(
            indptr=indptr,
            terms=local,
            weights=weights,
            steps=self._steps,
            window_docs=self._window_docs,
            first_doc=start,
            lists=self._n_lists,
            chunks=self._row_bytes // 64,
            threads=self._threads,
        )
        self._sinks.append("sparse.term_lists", term_lists[:-1])
        self._sinks.append("sparse.list_windows", list_windows)
        self._sinks.append("sparse.list_ptr", list_ptr)
        self._sinks.append("sparse.postings", postings)
        self._sinks.append("sparse.rows", rows)
        self._n_lists += len(list_windows)
        self._row_bytes += len(rows)
        self._span_ptr.append(self._span_ptr[-1] + len(postings))

    def close(self) -> None:
        self._sinks.append("sparse.term_lists", np.array([self._n_lists], dtype=np.uint32))
        self._sinks.append("sparse.span_ptr", np.array(self._span_ptr, dtype=np.int64))


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers as a contiguous array, whether they lie in memory or in a mapped file."""
    return np.ascontiguousarray(array)


def _steps(largest: NDArray[np.float32]) -> NDArray[np.float32]:
    """The least float32 for each term that, 255 times, reaches its largest weight."""
    steps = (largest.astype(np.float64) / _MAX_LEVEL).astype(np.float32)
    short = steps.astype(np.float64) * _MAX_LEVEL < largest
    return np.where(short, np.nextafter(steps, np.float32(np.inf)), steps)
