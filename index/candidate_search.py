"""Which documents does each source of an engine propose? The few that MaxSim then scores."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import QueryError
from lexmax.index.candidate_numbers import CandidateNumbers
from lexmax.index.candidates import CandidateIndex
from lexmax.index.centroid_index import CentroidIndex
from lexmax.index.enough import Enough
from lexmax.index.multivector_engines import (
    CentroidSource,
    FdeSource,
    MultiVectorEngine,
    PlaidSource,
    Source,
    SparseSource,
    WarpSource,
    XtrSource,
    source_name,
)
from lexmax.index.plaid import plaid_candidates
from lexmax.index.tokens import TokenStore
from lexmax.index.warp import warp_candidates
from lexmax.types import TokenBatch

Ordinals = NDArray[np.int64]
Index = TypeVar("Index", CandidateIndex, CentroidIndex)

# What SciFact's training queries need for 99.8 % of the exact ten and hundred best.
_RULE = CandidateNumbers(((10, 100), (100, 500)))
# The more documents, the more of them come near: 1,000,000 synthetic ones need eight times as many.
_RULE_DOCS, _RULE_POWER = 5_000, 0.4
_RULES = MappingProxyType({"fde": CandidateNumbers(((10, 500), (100, 1000)))})
_PROBES = 32
# Documents from lists whose centroids are looked at, for each candidate.
_SCANNED = 4
# Lists pay where they spare most documents a look.
_SPARED = 20
# Of so few documents, one of so many, the best are not the nearest of all: candidates and lists
# are this many times more.
_STRICT, _ENLARGED = 5, 2
# Fewer queries than these are over before threads are there.
_SHARED_FROM = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """One query's question to a source.

    Attributes:
        query: float32 (n_tokens, dim), at least one token.
        k: documents that the search returns.
        alive: bool (n_docs,), documents that may be found; None for all.
        n_living: how many those are.
        given: ordinals that the sparse index found, best first, if it was asked.
    """

    query: NDArray[np.float32]
    k: int
    alive: NDArray[np.bool_] | None
    n_living: int
    given: Ordinals | None


@dataclass(frozen=True, slots=True)
class CandidateSearch:
    """The sources of one index; those that were not built are None."""

    store: TokenStore
    fde: CandidateIndex | None
    centroids: CentroidIndex | None
    enough: Enough | None

    def candidates(self, engine: MultiVectorEngine, wanted: Wanted) -> Ordinals | None:
        """Ordinals, ascending; None where scoring all living documents is no more work.

        Raises:
            QueryError: if a source was not built.
        """
        # What was never written, or has no tokens, has no sources: pending documents are few.
        sources = engine.sources or self._automatic()
        if not sources or (self.fde is None and self.centroids is None):
            return None
        found: list[Ordinals] = []
        for source in sources:
            if (ordinals := self._of(source, wanted)) is None:
                return None
            found.append(ordinals)
        return np.unique(np.concatenate(found))

    def of_each(
        self, engine: MultiVectorEngine, wanted: Sequence[Wanted], *, threads: int = 1
    ) -> list[Ordinals | None]:
        """`candidates` of every query; None for one without tokens too.

        Raises:
            QueryError: as `candidates`.
        """

        def found(one: Wanted) -> Ordinals | None:
            return self.candidates(engine, one) if len(one.query) else None

        if threads <= 1 or len(wanted) < _SHARED_FROM:
            return [found(one) for one in wanted]
        # Nearly all of the time goes by in kernels, which let other threads run.
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(found, wanted))

    def _automatic(self) -> Sequence[Source]:
        if self.centroids is not None:
            return (CentroidSource(),)
        return () if self.fde is None else (FdeSource(),)

    def _of(self, source: Source, wanted: Wanted) -> Ordinals | None:
        n = self._number(source, wanted)
        if isinstance(source, SparseSource):
            return _given(wanted, n)
        if wanted.n_living <= n + self._spared(source):
            return None
        if isinstance(source, FdeSource):
            return _by_encodings(_built(self.fde, "fde"), self.store.offsets, wanted, n)
        centroids = _built(self.centroids, "centroids")
        if isinstance(source, WarpSource):
            return warp_candidates(centroids, self.store, source, wanted.query, n, wanted.alive)
        if isinstance(source, XtrSource):
            return None
        if isinstance(source, PlaidSource):
            return plaid_candidates(centroids, source, wanted.query, wanted.k, wanted.alive)
        return _by_centroids(centroids, source, wanted, n)

    def _spared(self, source: Source) -> float:
        """Documents that are scored in the time that a source takes before its first candidate.

        The table of centroids takes a product for each of them, MaxSim one for each token.
        """
        if self.centroids is None or not isinstance(source, CentroidSource):
            return 0
        return len(self.centroids.centroids) * self.store.n_docs / max(1, self.store.n_tokens)

    def _number(self, source: Source, wanted: Wanted) -> int:
        if isinstance(source, XtrSource):
            return wanted.k
        if source.candidates is not None:
            return max(source.candidates, wanted.k)
        name = source_name(source)
        enlarged = _ENLARGED if _is_strict(wanted, self.store.n_docs) else 1
        if self.enough is not None and name in self.enough.numbers:
            return enlarged * self.enough.numbers[name].for_k(wanted.k)
        growth = max(1.0, self.store.n_docs / _RULE_DOCS) ** _RULE_POWER
        return enlarged * _RULES.get(name, _RULE).scaled(growth).for_k(wanted.k)


def _is_strict(wanted: Wanted, n_docs: int) -> bool:
    return wanted.n_living * _STRICT <= n_docs


def _built(index: Index | None, name: str) -> Index:
    if index is None:
        raise QueryError(
            f"found no {name} in this index; search with `exact`, or index the corpus again "
            f"with {name}"
        )
    return index


def _given(wanted: Wanted, n: int) -> Ordinals:
    if wanted.given is None:
        raise QueryError(
            "the engine `sparse` needs the query's terms; use a pipeline of a collection that has "
            "a sparse index"
        )
    return wanted.given[:n]


def _by_encodings(fde: CandidateIndex, offsets: Ordinals, wanted: Wanted, n: int) -> Ordinals:
    """Of documents with tokens: others are encoded as zeros, which many a document is below."""
    queries = TokenBatch(np.array([0, len(wanted.query)]), wanted.query)
    vector = fde.project(queries)[0]
    found, _ = fde.nearest(vector, n, wanted.alive)
    if len(_with_tokens(offsets, found)) < len(found):
        has_tokens = np.diff(offsets) > 0
        alive = has_tokens if wanted.alive is None else has_tokens & wanted.alive
        found, _ = fde.nearest(vector, n, alive)
    return found


def _with_tokens(offsets: Ordinals, ordinals: Ordinals) -> Ordinals:
    kept: Ordinals = ordinals[offsets[ordinals + 1] > offsets[ordinals]]
    return kept


def _by_centroids(
    centroids: CentroidIndex, source: CentroidSource, wanted: Wanted, n: int
) -> Ordinals:
    table = centroids.centroids.table(wanted.query)
    if wanted.alive is not None and wanted.n_living * _SPARED <= centroids.n_docs:
        living = _with_tokens(centroids.offsets, np.flatnonzero(wanted.alive))
        return centroids.scan(table, n, ordinals=living)[0]
    if _reads_lists(centroids, source, n):
        scanned = max(n, source.scanned or _SCANNED * n)
        probes = _PROBES * (_ENLARGED if _is_strict(wanted, centroids.n_docs) else 1)
        near, _ = centroids.probe(
            table,
            scanned,
            n_queries=len(wanted.query),
            n_probes=source.probes or probes,
            alive=wanted.alive,
        )
        if len(near) >= min(n, wanted.n_living):
            return centroids.scan(table, n, ordinals=np.sort(near))[0]
    return centroids.scan(table, n, alive=wanted.alive)[0]


def _reads_lists(centroids: CentroidIndex, source: CentroidSource, n: int) -> bool:
    if centroids.lists is None or source.probes == 0:
        return False
    return source.probes is not None or n * _SPARED <= centroids.n_docs
