"""What does a reader see? Some segments and their deletions at one generation, never disturbed.

Ordinals count through the parts in order, so document i of a part that begins at `base` has
ordinal base + i; ties in score go to the smaller ordinal, the document that was stored first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import QueryError, ShapeError
from lexmax.index import stored_rows
from lexmax.index.attributes import Attributes, Metadata
from lexmax.index.engines import EXACT, SparseEngine
from lexmax.index.fields import Fields, FieldType
from lexmax.index.filters import Filter
from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.multivector_engines import (
    AUTO_MAXSIM,
    MultiVectorEngine,
    SparseSource,
)
from lexmax.index.neighbours import Edges
from lexmax.index.part import Part
from lexmax.index.passage_rows import n_passages, rows_of
from lexmax.index.predicates import Predicate, check
from lexmax.index.segment import Segment
from lexmax.types import Hits, SparseBatch, TokenBatch, absent

Number = TypeVar("Number", np.int64, np.float32)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The parts that were published at `generation`, and the fields that were declared then."""

    generation: int
    parts: tuple[Part, ...]
    fields: Fields = field(default_factory=dict[str, FieldType])

    @staticmethod
    def of(
        generation: int,
        segments: Sequence[Segment],
        deleted: NDArray[np.int64],
        *,
        fields: Fields | None = None,
        like: "Snapshot | None" = None,
    ) -> "Snapshot":
        """A snapshot of segments, in the order of their serials, without deleted serials.

        All segments have columns of the declared `fields`. What is the same in `like`, which was
        made with the same deleted serials, is taken from there.
        """
        known = {id(part.segment): part for part in like.parts} if like is not None else {}
        parts: list[Part] = []
        base = 0
        for segment in segments:
            part = known.get(id(segment))
            same = part is not None and part.base == base
            parts.append(part if part and same else Part.of(segment, base, deleted))
            base += len(segment)
        return Snapshot(generation, tuple(parts), fields or {})

    def then(
        self,
        segments: Sequence[Segment],
        *,
        wanted: NDArray[np.int64],
    ) -> "Snapshot":
        """This snapshot and more segments, of which only the documents of these serials live."""
        parts = list(self.parts)
        base = self.n_docs
        for segment in segments:
            parts.append(Part.of(segment, base, np.unique(absent(segment.serials, wanted))))
            base += len(segment)
        return replace(self, parts=tuple(parts))

    @property
    def n_docs(self) -> int:
        """Rows that doc_freqs counts: documents, or passages where documents are split.

        Deleted ones leave only when segments merge.
        """
        return sum(len(part.segment) for part in self.parts)

    @property
    def n_documents(self) -> int:
        """Documents, each counted once; deleted ones leave only when segments merge."""
        return sum(part.segment.n_documents for part in self.parts)

    @property
    def has_passages(self) -> bool:
        """Whether a document may be several rows."""
        return any(part.segment.passages is not None for part in self.parts)

    @property
    def n_living(self) -> int:
        """Rows that a search can return."""
        return sum(part.n_living for part in self.parts)

    def ordinals(self, serials: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ordinals of those of these serials (ascending) that the parts hold, ascending.

        Where documents are split, these are the ordinals of all their passages.
        """
        found = [rows_of(part.segment.serials, serials) + part.base for part in self.parts]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def restricted(self, allowed: Filter) -> "Snapshot":
        """This snapshot, where searches return allowed documents only.

        Statistics such as doc_freqs, and so the scores, stay those of all documents.

        Raises:
            ShapeError: if the filter is over another number of documents.
        """
        if allowed.n_docs != self.n_docs:
            raise ShapeError(
                f"a filter is over {allowed.n_docs} documents, the snapshot has {self.n_docs}; "
                "make it for this snapshot"
            )
        parts = (
            part.restricted(allowed.mask[part.base : part.base + len(part.segment)])
            for part in self.parts
        )
        return replace(self, parts=tuple(parts))

    def matching(self, predicate: Predicate) -> Filter:
        """The documents that a predicate wants, deleted ones not looked at.

        Raises:
            FilterError: if it names a field that is not declared or a value of another type, is
                nested deeper than 32 levels, or has more than 1,024 clauses.
        """
        check(predicate, self.fields)
        found = [np.zeros(0, dtype=np.bool_)]
        for part in self.parts:
            if (columns := part.segment.attributes) is None:
                # A segment in memory that nobody gave columns: its documents have no fields.
                nothing: list[Metadata] = [{}] * len(part.segment)
                columns = Attributes.build(nothing, self.fields)
            found.append(columns.matching(predicate))
        return Filter(np.concatenate(found))

    def fingerprints(self, signal: str) -> frozenset[str]:
        """Fingerprints of the encoders that the parts' documents went through."""
        manifests = (part.segment.manifest for part in self.parts)
        return frozenset(
            manifest.encoders[signal]["fingerprint"]
            for manifest in manifests
            if manifest is not None and signal in manifest.encoders
        )

    def doc_freqs(self, term_ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Documents that hold each term, (len(term_ids),)."""
        total = np.zeros(len(term_ids), dtype=np.int64)
        for part in self.parts:
            if part.segment.sparse is not None:
                total += part.segment.sparse.doc_freqs(term_ids)
        return total

    def serials(self, ordinals: NDArray[np.int64]) -> NDArray[np.int64]:
        """Serials in the catalog of these documents."""
        return self._gather(ordinals, np.int64, lambda part, local: part.segment.serials[local])

    def passages(self, ordinals: NDArray[np.int64]) -> NDArray[np.int32] | None:
        """Start and end of these passages in characters of their texts, (len(ordinals), 2).

        None where documents are not split.
        """
        return stored_rows.spans(self.parts, ordinals) if self.has_passages else None

    def n_passages(self, ordinals: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many passages the document of each of these rows has."""

        def count(part: Part, local: NDArray[np.int64]) -> NDArray[np.int64]:
            return n_passages(part.segment.serials, part.segment.serials[local])

        return self._gather(ordinals, np.int64, count)

    def search_sparse(
        self, queries: SparseBatch, k: int, *, engine: SparseEngine = EXACT, threads: int = 1
    ) -> Hits:
        """The best k documents by the dot product of term weights."""
        _check_k(k)
        parts = [
            (part, index) for part in self._searchable if (index := part.segment.sparse) is not None
        ]
        found: list[tuple[int, Hits]] = []
        floors: NDArray[np.float32] | None = None
        # What the largest part finds tells the others which scores no longer matter.
        for part, index in sorted(parts, key=lambda pair: -len(pair[0].segment)):
            hits = index.search(
                queries,
                min(k, len(part.segment)),
                alive=part.alive,
                floors=floors,
                engine=engine,
                threads=threads,
            )
            if not found:
                floors = _floors(hits, k)
            found.append((part.base, hits))
        return self._merged(found, len(queries), k)

    def search_multivector(
        self,
        queries: TokenBatch,
        k: int,
        *,
        engine: MultiVectorEngine = AUTO_MAXSIM,
        terms: SparseBatch | None = None,
        threads: int = 1,
    ) -> Hits:
        """The best k documents by MaxSim, among those that the engine proposes in each segment.

        `terms` are the same queries' weights, for an engine that asks the sparse index.
        """

        def search(part: Part, index: MultiVectorIndex) -> Hits:
            return index.search(
                queries,
                min(k, len(part.segment)),
                engine=engine,
                alive=part.alive,
                given=_given(part, engine, terms, k),
                threads=threads,
            )

        found = [
            (part.base, search(part, part.segment.multivector))
            for part in self._searchable
            if part.segment.multivector
        ]
        return self._merged(found, len(queries), k)

    def search_pooled(self, queries: NDArray[np.float32], k: int, *, threads: int = 1) -> Hits:
        """The best k documents by the product of pooled vectors with queries (n_queries, dim).

        A document without a vector is no hit; a zero query has none.

        Raises:
            QueryError: if k is below 1.
            ShapeError: if the queries have another dim, or are not finite.
        """
        _check_k(k)
        found = [
            (
                part.base,
                index.search(queries, min(k, index.n_docs), alive=part.alive, threads=threads),
            )
            for part in self._searchable
            if (index := part.segment.pooled) is not None
        ]
        return self._merged(found, len(queries), k)

    def sparse_rows(self, ordinals: NDArray[np.int64]) -> SparseBatch:
        """Term weights of these documents; an empty row where a segment has none."""
        return stored_rows.terms(self.parts, ordinals)

    def token_rows(self, ordinals: NDArray[np.int64]) -> TokenBatch:
        """Token vectors of these documents, decoded; an empty row where a segment has none."""
        return stored_rows.tokens(self.parts, ordinals)

    def pooled_rows(self, ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
        """Pooled vectors of these documents, decoded, (len(ordinals), dim); zeros for none.

        `dim` is 0 where no segment has any.
        """
        return stored_rows.vectors(self.parts, ordinals)

    def score_pooled(
        self, query: NDArray[np.float32], ordinals: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Products of a query (dim,) with these documents; -inf for one without a vector."""

        def score(part: Part, local: NDArray[np.int64]) -> NDArray[np.float32]:
            index = part.segment.pooled
            if index is None:
                return np.full(len(local), -np.inf, dtype=np.float32)
            return index.score(query, local)

        return self._gather(ordinals, np.float32, score)

    def score_sparse(
        self, query: tuple[NDArray[np.uint32], NDArray[np.float32]], ordinals: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Products of a query's term ids and weights with these documents; 0 for no shared term.

        These are the bits of `search_sparse`.
        """

        def score(part: Part, local: NDArray[np.int64]) -> NDArray[np.float32]:
            index = part.segment.sparse
            if index is None:
                return np.zeros(len(local), dtype=np.float32)
            return stored_rows.term_products(query, index.weights(local))

        return self._gather(ordinals, np.float32, score)

    def maxsim(
        self, query: NDArray[np.float32], ordinals: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """MaxSim of a query's vectors, (n_tokens, dim), with each of these documents."""

        def score(part: Part, local: NDArray[np.int64]) -> NDArray[np.float32]:
            index = part.segment.multivector
            if index is None:
                return np.full(len(local), -np.inf, dtype=np.float32)
            return index.score(query, local)

        return self._gather(ordinals, np.float32, score)

    def edges(self, ordinals: NDArray[np.int64]) -> Edges:
        """What leads from these documents to living ones; nothing where a segment has no graph."""
        pieces: list[tuple[NDArray[np.int64], Edges]] = []
        for part in self.parts:
            mine = (ordinals >= part.base) & (ordinals < part.base + len(part.segment))
            if (graph := part.segment.neighbours) is None or not mine.any():
                continue
            found = graph.edges(ordinals[mine] - part.base)
            if part.alive is not None:
                found = found.only(part.alive[found.ordinals])
            pieces.append((np.flatnonzero(mine), found.shifted(part.base)))
        return Edges.gathered(len(ordinals), pieces)

    @property
    def _searchable(self) -> list[Part]:
        """Parts in which any document can be found."""
        return [part for part in self.parts if part.alive is None or part.alive.any()]

    def _gather(
        self,
        ordinals: NDArray[np.int64],
        dtype: type[Number],
        read: Callable[[Part, NDArray[np.int64]], NDArray[Number]],
    ) -> NDArray[Number]:
        values = np.zeros(len(ordinals), dtype=dtype)
        if len(ordinals) == 0:
            return values
        greatest = int(ordinals.max())
        for part in self.parts:
            if part.base == 0 and greatest < len(part.segment):
                return read(part, ordinals)
            if part.base > greatest:
                break
            mine = (ordinals >= part.base) & (ordinals < part.base + len(part.segment))
            if mine.any():
                values[mine] = read(part, ordinals[mine] - part.base)
        return values

    def _merged(self, found: Sequence[tuple[int, Hits]], n_queries: int, k: int) -> Hits:
        _check_k(k)
        shifted = [hits.shifted(base) for base, hits in found]
        return Hits.best_of(shifted, n_queries, min(k, self.n_docs))


# Candidates from the sparse index where the engine does not say how many.
_TERM_CANDIDATES = 500
_NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.float32))


def _given(
    part: Part, engine: MultiVectorEngine, terms: SparseBatch | None, k: int
) -> list[NDArray[np.int64]] | None:
    """Candidates of every query from the part's sparse index, best first."""
    wanted = [source for source in engine.sources if isinstance(source, SparseSource)]
    if not wanted or terms is None or part.segment.sparse is None:
        return None
    depth = max(max(source.candidates or _TERM_CANDIDATES, k) for source in wanted)
    hits = part.segment.sparse.search(terms, min(depth, len(part.segment)), alive=part.alive)
    return [hits.row(i)[0] for i in range(len(hits))]


def _check_k(k: int) -> None:
    if k < 1:
        raise QueryError(f"k is {k}; expected at least 1")


def _floors(best: Hits, k: int) -> NDArray[np.float32] | None:
    """The k-th score of every query, 0 where there are fewer hits."""
    if best.scores.shape[1] < k:
        return None
    return np.maximum(best.scores[:, k - 1], np.float32(0))
