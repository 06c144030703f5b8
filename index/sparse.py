"""Which documents share the most term weight with a query? Exact top-k over learned impacts.

Postings of 8-bit impacts, cut into windows of documents, find the candidates; a forward index of
float32 weights gives the exact scores. Byte by byte: docs/format/sparse.md.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lexmax.errors import CorruptionError, QueryError, ShapeError
from lexmax.index import _native
from lexmax.index.npy import map_npy, write_npy
from lexmax.types import Hits, SparseBatch

# Offsets inside a window are 16 bits wide.
MAX_WINDOW_DOCS = 1 << 16
# Integer query weights, whose sum is bounded, need one unit a term.
MAX_QUERY_TERMS = 1 << 23
# Ordinals inside a segment are 32 bits wide.
_MAX_DOCS = (1 << 32) - 1
_MAX_IMPACT = 255

_FILES: Mapping[str, tuple[str, type[np.generic]]] = {
    "terms": ("sparse.terms.npy", np.uint32),
    "steps": ("sparse.steps.npy", np.float32),
    "doc_freqs_of_terms": ("sparse.doc_freqs.npy", np.int64),
    "window_starts": ("sparse.window_starts.npy", np.int64),
    "window_ptr": ("sparse.window_ptr.npy", np.int64),
    "list_terms": ("sparse.list_terms.npy", np.uint32),
    "list_ptr": ("sparse.list_ptr.npy", np.int64),
    "offsets": ("sparse.offsets.npy", np.uint16),
    "impacts": ("sparse.impacts.npy", np.uint8),
    "forward_indptr": ("forward.indptr.npy", np.int64),
    "forward_terms": ("forward.terms.npy", np.uint32),
    "forward_weights": ("forward.weights.npy", np.float32),
}


@dataclass(frozen=True, slots=True)
class SparseIndex:
    """An inverted index with its forward index, in memory or mapped from a folder.

    Attributes:
        terms: (n_terms,) ascending term ids; a term's place here is its local number.
        steps: (n_terms,) weight that one unit of a term's impact stands for.
        doc_freqs_of_terms: (n_terms,) documents that hold each term.
        window_starts: (n_windows + 1,) first ordinal of each window, then n_docs.
        window_ptr: (n_windows + 1,) first posting list of each window.
        list_terms: (n_lists,) local term number of each list, ascending inside a window.
        list_ptr: (n_lists + 1,) first posting of each list.
        offsets: (nnz,) document of a posting, counted from its window's start.
        impacts: (nnz,) 8-bit impact of a posting, 1 to 255.
        forward_indptr: (n_docs + 1,) first term of each document.
        forward_terms: (nnz,) local term numbers, ascending inside a document.
        forward_weights: (nnz,) their exact weights.
        source: folder that the arrays are mapped from, if any.

    Raises:
        ShapeError: if the arrays' lengths do not fit together.
    """

    terms: NDArray[np.uint32]
    steps: NDArray[np.float32]
    doc_freqs_of_terms: NDArray[np.int64]
    window_starts: NDArray[np.int64]
    window_ptr: NDArray[np.int64]
    list_terms: NDArray[np.uint32]
    list_ptr: NDArray[np.int64]
    offsets: NDArray[np.uint16]
    impacts: NDArray[np.uint8]
    forward_indptr: NDArray[np.int64]
    forward_terms: NDArray[np.uint32]
    forward_weights: NDArray[np.float32]
    source: Path | None = None

    def __post_init__(self) -> None:
        for name, expected in self._expected_lengths().items():
            if (found := len(getattr(self, name))) != expected:
                raise ShapeError(f"{_FILES[name][0]} has {found} entries; expected {expected}")
        nnz = len(self.offsets)
        _check_ends("window_starts", self.window_starts, self.n_docs)
        _check_ends("window_ptr", self.window_ptr, len(self.list_terms))
        _check_ends("list_ptr", self.list_ptr, nnz)
        _check_ends("forward_indptr", self.forward_indptr, nnz)
        if self.n_docs > _MAX_DOCS:
            raise ShapeError(f"{self.n_docs} documents; expected at most {_MAX_DOCS} in a segment")

    def _expected_lengths(self) -> dict[str, int]:
        n_terms, nnz = len(self.terms), len(self.offsets)
        return {
            "steps": n_terms,
            "doc_freqs_of_terms": n_terms,
            "window_starts": max(len(self.window_starts), 1),
            "window_ptr": len(self.window_starts),
            "list_ptr": len(self.list_terms) + 1,
            "impacts": nnz,
            "forward_indptr": max(len(self.forward_indptr), 1),
            "forward_terms": nnz,
            "forward_weights": nnz,
        }

    @staticmethod
    def build(documents: SparseBatch, *, window_docs: int = MAX_WINDOW_DOCS) -> "SparseIndex":
        """An index in memory; time is n log n and space linear in the n weights.

        Raises:
            ShapeError: if `window_docs`, the documents in a window, is not 1 to 65,536.
        """
        if not 1 <= window_docs <= MAX_WINDOW_DOCS:
            raise ShapeError(f"window_docs is {window_docs}; expected 1 to {MAX_WINDOW_DOCS}")
        # Plain arrays, whether the batch lies in memory or in a mapped file.
        indptr = np.ascontiguousarray(documents.indptr)
        term_ids = np.ascontiguousarray(documents.term_ids)
        weights = np.ascontiguousarray(documents.weights)
        terms = np.unique(term_ids)
        local = np.searchsorted(terms, term_ids).astype(np.uint32)
        steps = _steps(local, weights, len(terms))
        windows = [*range(0, len(documents), window_docs), len(documents)]
        window_ptr, list_terms, list_ptr, offsets, impacts = _postings(
            indptr, local, _impacts(local, weights, steps), windows, len(terms)
        )
        return SparseIndex(
            terms=terms,
            steps=steps,
            doc_freqs_of_terms=np.bincount(local, minlength=len(terms)).astype(np.int64),
            window_starts=np.array(windows, dtype=np.int64),
            window_ptr=window_ptr,
            list_terms=list_terms,
            list_ptr=list_ptr,
            offsets=offsets,
            impacts=impacts,
            forward_indptr=indptr,
            forward_terms=local,
            forward_weights=weights,
        )

    def save(self, directory: Path) -> None:
        """Write the files `sparse.*.npy` and `forward.*.npy`; equal indexes give equal bytes."""
        for name, (file, _) in _FILES.items():
            write_npy(directory / file, getattr(self, name))

    @staticmethod
    def open(directory: Path) -> "SparseIndex":
        """Map the files that `save` wrote; no posting and no weight is read.

        Raises:
            CorruptionError: if a file is missing, cut short, of another dtype, or does not fit
                the others. Values inside are not checked here; a search that meets values that
                no build writes raises CorruptionError then.
        """
        arrays = {
            name: map_npy(directory / file, (dtype,), 1) for name, (file, dtype) in _FILES.items()
        }
        with _corruption(directory):
            return SparseIndex(**arrays, source=directory)

    @property
    def n_docs(self) -> int:
        """Documents in the index, those without terms included."""
        return len(self.forward_indptr) - 1

    def doc_freqs(self, term_ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Documents that hold each term, (len(term_ids),); 0 for an unknown term."""
        local, known = self._local(term_ids)
        found = np.zeros(len(term_ids), dtype=np.int64)
        found[known] = self.doc_freqs_of_terms[local[known]]
        return found

    def search(
        self, queries: SparseBatch, k: int, *, alive: NDArray[np.bool_] | None = None
    ) -> Hits:
        """The best documents of every query: hits of shape (n_queries, min(k, n_docs)).

        Scores are exact: the bits of `oracle_sparse.search`. A document that shares no term with
        the query is no hit, nor is one whose `alive` (n_docs,) is False.

        Raises:
            QueryError: if k is below 1, or a query has more than 8,388,608 known terms.
            ShapeError: if `alive` has another shape or dtype.
            CorruptionError: if the search meets values that no build writes.
        """
        if k < 1:
            raise QueryError(f"k is {k}; expected 1 or more; ask for at least one document")
        shape = (len(queries), min(k, self.n_docs))
        hits = Hits(np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32))
        self._fill(hits, queries, None if alive is None else self._mask(alive))
        return hits

    def _fill(self, hits: Hits, queries: SparseBatch, mask: NDArray[np.uint8] | None) -> None:
        local, known = self._local(queries.term_ids)
        known_before = np.concatenate([np.zeros(1, np.int64), np.cumsum(known, dtype=np.int64)])
        if len(queries) and np.diff(known_before[queries.indptr]).max() > MAX_QUERY_TERMS:
            raise QueryError(
                f"a query has more than {MAX_QUERY_TERMS} terms that the index knows; "
                "expected fewer; keep the heaviest"
            )
        with _corruption(self.source):
            _native.sparse_search(
                self.steps,
                self.window_starts,
                self.window_ptr,
                self.list_terms,
                self.list_ptr,
                self.offsets,
                self.impacts,
                self.forward_indptr,
                self.forward_terms,
                self.forward_weights,
                known_before[queries.indptr],
                local[known].astype(np.uint32),
                queries.weights[known],
                mask,
                hits.ordinals,
                hits.scores,
            )

    def _mask(self, alive: NDArray[np.bool_]) -> NDArray[np.uint8]:
        if alive.shape != (self.n_docs,) or alive.dtype != np.bool_:
            raise ShapeError(
                f"alive is {alive.dtype} {alive.shape}; expected bool ({self.n_docs},), "
                "one for each document"
            )
        return np.ascontiguousarray(alive).view(np.uint8)

    def _local(self, term_ids: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Local numbers, and whether the term is known; numbers of unknown terms mean nothing."""
        if len(self.terms) == 0:
            return np.zeros(len(term_ids), np.int64), np.zeros(len(term_ids), np.bool_)
        local = np.minimum(np.searchsorted(self.terms, term_ids), len(self.terms) - 1)
        return local.astype(np.int64), self.terms[local] == term_ids

    def weights(self, ordinals: NDArray[np.int64]) -> SparseBatch:
        """Exact term weights of these documents, a row each, with global term ids.

        Raises:
            ShapeError: if an ordinal is not 0 to n_docs - 1.
            CorruptionError: if the forward index holds values that no build writes.
        """
        if len(ordinals) and not 0 <= ordinals.min() <= ordinals.max() < self.n_docs:
            raise ShapeError(
                f"ordinals run from {ordinals.min()} to {ordinals.max()}; "
                f"expected 0 to {self.n_docs - 1}"
            )
        starts, ends = self.forward_indptr[ordinals], self.forward_indptr[ordinals + 1]
        with _corruption(self.source):
            if np.any((starts < 0) | (starts > ends) | (ends > len(self.forward_terms))):
                raise ShapeError("forward.indptr points beyond forward.terms")
            indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(ends - starts)])
            shifts = np.repeat(starts - indptr[:-1], ends - starts)
            places: NDArray[np.int64] = np.arange(len(shifts)) + shifts
            local = self.forward_terms[places]
            if np.any(local >= len(self.terms)):
                raise ShapeError("forward.terms holds a term that sparse.terms does not have")
            return SparseBatch(indptr, self.terms[local], self.forward_weights[places])


def _check_ends(name: str, offsets: NDArray[np.int64], total: int) -> None:
    if offsets[0] != 0 or offsets[-1] != total:
        raise ShapeError(
            f"{_FILES[name][0]} runs from {offsets[0]} to {offsets[-1]}; expected 0 to {total}"
        )


def _steps(
    local: NDArray[np.uint32], weights: NDArray[np.float32], n_terms: int
) -> NDArray[np.float32]:
    """The least float32 for each term that, 255 times, reaches its largest weight."""
    largest = np.zeros(n_terms, dtype=np.float32)
    np.maximum.at(largest, local, weights)
    steps = (largest.astype(np.float64) / _MAX_IMPACT).astype(np.float32)
    short = steps.astype(np.float64) * _MAX_IMPACT < largest
    return np.where(short, np.nextafter(steps, np.float32(np.inf)), steps)


def _impacts(
    local: NDArray[np.uint32], weights: NDArray[np.float32], steps: NDArray[np.float32]
) -> NDArray[np.uint8]:
    ratios = np.divide(weights, steps[local], dtype=np.float64)
    # A posting of impact 0 would not touch its document, which is a hit all the same.
    return np.maximum(np.rint(ratios, out=ratios), 1, out=ratios).astype(np.uint8)


def _postings(
    indptr: NDArray[np.int64],
    local: NDArray[np.uint32],
    impacts: NDArray[np.uint8],
    windows: list[int],
    n_terms: int,
) -> tuple[
    NDArray[np.int64],
    NDArray[np.uint32],
    NDArray[np.int64],
    NDArray[np.uint16],
    NDArray[np.uint8],
]:
    """window_ptr, list_terms, list_ptr, offsets, impacts: each window's rows transposed."""
    offsets, transposed = np.empty(len(local), np.uint16), np.empty(len(local), np.uint8)
    terms_of_lists: list[NDArray[np.uint32]] = []
    lengths: list[NDArray[np.int64]] = []
    for start, stop in pairwise(windows):
        a, b = indptr[start], indptr[stop]
        rows = (impacts[a:b], local[a:b], indptr[start : stop + 1] - a)
        columns = csr_array(rows, shape=(stop - start, n_terms)).tocsc()
        offsets[a:b], transposed[a:b] = columns.indices, columns.data
        freqs = np.diff(columns.indptr)
        held = np.flatnonzero(freqs)
        terms_of_lists.append(held.astype(np.uint32))
        lengths.append(freqs[held].astype(np.int64))
    return (
        _starts(np.array([len(held) for held in terms_of_lists], dtype=np.int64)),
        np.concatenate([np.zeros(0, np.uint32), *terms_of_lists]),
        _starts(np.concatenate([np.zeros(0, np.int64), *lengths])),
        offsets,
        transposed,
    )


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


_REBUILD = "restore a backup, or index the corpus into another folder with `lexmax index`"


@contextmanager
def _corruption(source: Path | None) -> Generator[None, None, None]:
    """Raise as CorruptionError what arrays that were checked when built or written cannot cause."""
    try:
        yield
    except (RuntimeError, ShapeError) as error:
        where = "the index in memory" if source is None else str(source)
        raise CorruptionError(
            f"{where}: {error}; the arrays are not what the build wrote; {_REBUILD}"
        ) from error
