"""Which documents share the most term weight with a query? Exact top-k over learned weights.

Postings of upper bounds, cut into windows of documents, find the candidates; a forward index of
float32 weights gives the exact scores. Byte by byte: docs/format/sparse.md.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, QueryError, ShapeError
from lexmax.index import _native, sparse_v1
from lexmax.index.engines import EXACT, SparseEngine
from lexmax.index.npy import map_npy
from lexmax.index.sparse_build import (
    MAX_WINDOW_DOCS,
    SPARSE_FILES,
    ArraySinks,
    FileSinks,
    encode_documents,
)
from lexmax.types import Hits, SparseBatch

_REBUILD = "run `lexmax rebuild` on the collection, or restore a backup"


@dataclass(frozen=True)
class SparseIndex:
    """An inverted index with its forward index, in memory or mapped from a folder.

    Attributes:
        arrays: what docs/format/sparse.md describes, by the names of its files.
        source: folder that the arrays are mapped from, if any.

    Raises:
        CorruptionError: if the arrays' lengths do not fit together.
    """

    arrays: Mapping[str, NDArray[Any]]
    source: Path | None = None
    _postings: _native.Postings = field(init=False, repr=False)

    def __post_init__(self) -> None:
        with _corruption(self.source):
            if (cut := self.arrays["sparse.cut"]).shape != (2,):
                raise ShapeError(f"sparse.cut is {cut.shape}; expected (2,)")
            window_docs, span_windows = (int(number) for number in cut)
            if not 1 <= window_docs <= MAX_WINDOW_DOCS or span_windows < 1:
                raise ShapeError(
                    f"sparse.cut holds {window_docs}, {span_windows}; expected 1 to "
                    f"{MAX_WINDOW_DOCS} documents a window and a window or more a span"
                )
            postings = _native.Postings(
                terms=self.arrays["sparse.terms"],
                steps=self.arrays["sparse.steps"],
                doc_freqs=self.arrays["sparse.doc_freqs"],
                window_docs=window_docs,
                span_windows=span_windows,
                term_lists=self.arrays["sparse.term_lists"],
                list_windows=self.arrays["sparse.list_windows"],
                list_ptr=self.arrays["sparse.list_ptr"],
                span_ptr=self.arrays["sparse.span_ptr"],
                postings=self.arrays["sparse.postings"],
                rows=self.arrays["sparse.rows"],
                forward_indptr=self.arrays["forward.indptr"],
                forward_rows=self.arrays["forward.rows"],
            )
        object.__setattr__(self, "_postings", postings)

    @staticmethod
    def build(
        documents: SparseBatch, *, window_docs: int = MAX_WINDOW_DOCS, threads: int = 1
    ) -> "SparseIndex":
        """An index in memory; time and space are linear in the number of weights.

        Raises:
            ShapeError: if `window_docs`, the documents in a window, is no power of two up to
                32,768, or there are more than 65,536 windows.
        """
        sinks = ArraySinks()
        encode_documents(documents, sinks, window_docs=window_docs, threads=threads)
        return SparseIndex(sinks.arrays())

    @staticmethod
    def write(
        directory: Path,
        documents: SparseBatch,
        *,
        window_docs: int = MAX_WINDOW_DOCS,
        threads: int = 1,
    ) -> None:
        """Write the files that `open` maps; equal documents give equal bytes.

        The documents may be mapped from files. Memory beyond them: about 12 bytes a weight of one
        span, 524,288 documents, whatever their number.

        Raises:
            ShapeError: as `build`.
            StorageError: where a file cannot be written.
        """
        sinks = FileSinks(directory)
        encode_documents(documents, sinks, window_docs=window_docs, threads=threads)
        sinks.close()

    @staticmethod
    def open(directory: Path) -> "SparseIndex":
        """Map the files that `write` wrote; no posting and no weight is read.

        An index of format version 1 is encoded anew in memory from its forward index.

        Raises:
            CorruptionError: if a file is missing, cut short, of another dtype, or does not fit
                the others. Values inside are not checked here; a search that meets values that
                no build writes raises CorruptionError then.
        """
        if sparse_v1.is_here(directory):
            with _corruption(directory):
                return SparseIndex.build(sparse_v1.documents(directory))
        arrays = {
            name: map_npy(directory / f"{name}.npy", dtypes, 1, huge_pages=True)
            for name, dtypes in SPARSE_FILES.items()
        }
        return SparseIndex(arrays, directory)

    @property
    def n_docs(self) -> int:
        """Documents in the index, those without terms included."""
        return len(self.arrays["forward.indptr"]) - 1

    @cached_property
    def terms(self) -> NDArray[np.uint32]:
        """Term ids that occur, ascending; a term's place here is its local number."""
        return self.arrays["sparse.terms"].astype(np.uint32, copy=False)

    def doc_freqs(self, term_ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Documents that hold each term, (len(term_ids),); 0 for an unknown term."""
        found = np.zeros(len(term_ids), dtype=np.int64)
        if len(self.terms):
            local = np.minimum(np.searchsorted(self.terms, term_ids), len(self.terms) - 1)
            known = self.terms[local] == term_ids
            found[known] = self.arrays["sparse.doc_freqs"][local[known]]
        return found

    def search(
        self,
        queries: SparseBatch,
        k: int,
        *,
        alive: NDArray[np.bool_] | None = None,
        floors: NDArray[np.float32] | None = None,
        engine: SparseEngine = EXACT,
        threads: int = 1,
        path: str = "auto",
    ) -> Hits:
        """The best documents of every query: hits of shape (n_queries, min(k, n_docs)).

        Scores are exact: the bits of `oracle_sparse.search`. A document that shares no term with
        the query is no hit, nor is one whose `alive` (n_docs,) is False. Documents that score less
        than the query's floor, from `floors` (n_queries,), may be missing; with an engine that is
        not exact, others too. The result of an exact search depends neither on `threads` nor on
        `path`, the instructions to use ("auto": the fastest here).

        Raises:
            QueryError: if k is below 1.
            ShapeError: if `alive` or `floors` has another shape or dtype.
            CorruptionError: if the search meets values that no build writes.
        """
        if k < 1:
            raise QueryError(f"k is {k}; expected 1 or more; ask for at least one document")
        shape = (len(queries), min(k, self.n_docs))
        hits = Hits(np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32))
        if floors is not None and (floors.shape != (len(queries),) or floors.dtype != np.float32):
            raise ShapeError(
                f"floors is {floors.dtype} {floors.shape}; expected float32 ({len(queries)},)"
            )
        mask = None if alive is None else self._mask(alive)
        with _corruption(self.source):
            self._postings.search(
                query_indptr=queries.indptr,
                query_terms=queries.term_ids,
                query_weights=queries.weights,
                floors=floors,
                alive=mask,
                ordinals=hits.ordinals,
                scores=hits.scores,
                share=engine.share,
                budget=engine.budget,
                affordable=engine.affordable,
                threads=threads,
                path=path,
            )
        return hits

    def touched_bytes(self, queries: SparseBatch) -> int:
        """Bytes of postings and dense rows of the queries' terms: what a search may read."""
        with _corruption(self.source):
            return self._postings.touched_bytes(queries.term_ids)

    def _mask(self, alive: NDArray[np.bool_]) -> NDArray[np.uint8]:
        if alive.shape != (self.n_docs,) or alive.dtype != np.bool_:
            raise ShapeError(
                f"alive is {alive.dtype} {alive.shape}; expected bool ({self.n_docs},), "
                "one for each document"
            )
        return np.ascontiguousarray(alive).view(np.uint8)

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
        with _corruption(self.source):
            return SparseBatch(*self._postings.weights(ordinals.astype(np.int64, copy=False)))


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
