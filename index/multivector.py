"""Which documents have the greatest MaxSim with a query?

Sources find candidates by estimates (candidate_search.py), and these are scored exactly on the
stored vectors (tokens.py); or all documents are. A score does not depend on how its document was
found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, QueryError, ShapeError
from lexmax.index.candidate_search import CandidateSearch, Wanted
from lexmax.index.candidates import CandidateIndex
from lexmax.index.centroid_index import CentroidIndex
from lexmax.index.enough import Enough
from lexmax.index.multivector_engines import (
    AUTO_MAXSIM,
    EXACT_MAXSIM,
    MultiVectorEngine,
    Source,
    WarpSource,
    XtrSource,
)
from lexmax.index.tokens import TokenStore
from lexmax.index.warp import xtr_scores
from lexmax.types import Hits, Json, TokenBatch

Row = tuple[NDArray[np.int64], NDArray[np.float32]]
_REMEDY = "restore a backup, or index the corpus into another folder"


@dataclass(frozen=True, slots=True)
class MultiVectorIndex:
    """Late-interaction search over a token store; without sources every search is exhaustive.

    Attributes:
        store: the token vectors.
        candidates: fixed-dimensional encodings, if they were built.
        centroids: what tokens are near to, if that was built.
        enough: candidates that were measured to be enough; None for the rules.

    Raises:
        ShapeError: if these are of another number of documents, or another dim.
    """

    store: TokenStore
    candidates: CandidateIndex | None
    centroids: CentroidIndex | None = None
    enough: Enough | None = None

    def __post_init__(self) -> None:
        expected = (self.store.n_docs, self.store.dim)
        for found in self._sizes():
            if found != expected:
                raise ShapeError(
                    f"candidates are of {found[0]} documents of dim {found[1]}; "
                    f"expected {expected[0]} of dim {expected[1]}, as in the token store"
                )

    def _sizes(self) -> list[tuple[int, int]]:
        sizes: list[tuple[int, int]] = []
        if self.candidates is not None:
            sizes.append((self.candidates.n_docs, self.candidates.fde.dim))
        if self.centroids is not None:
            sizes.append((self.centroids.n_docs, self.centroids.centroids.dim))
        return sizes

    @staticmethod
    def open(directory: Path, parameters: Mapping[str, Json]) -> "MultiVectorIndex":
        """Map what `save` wrote; `parameters` are those of segment.json. No vector is read.

        Raises:
            CorruptionError: if a file is missing, or is not what the parameters say.
        """
        store = TokenStore.open(directory)
        fde, near = parameters.get("candidates"), parameters.get("centroids")
        try:
            index = MultiVectorIndex(
                store,
                CandidateIndex.open(directory, fde) if isinstance(fde, Mapping) else None,
                CentroidIndex.open(directory, near, store.offsets)
                if isinstance(near, Mapping)
                else None,
                Enough.from_json(parameters.get("enough")),
            )
        except ShapeError as error:
            raise CorruptionError(f"{directory}: {error}; {_REMEDY}") from error
        # Format version 2 and older know of no centroids.
        known = {"centroids": None, "enough": None, **parameters}
        if (found := index.parameters()) != known:
            raise CorruptionError(f"{directory}: found {found}; expected {known}; {_REMEDY}")
        return index

    def save(self, directory: Path) -> None:
        """Write the files that `open` reads; token files that lie there already are kept."""
        if self.store.source != directory:
            self.store.save(directory)
        if self.candidates is not None:
            self.candidates.save(directory)
        if self.centroids is not None:
            self.centroids.save(directory)

    def parameters(self) -> dict[str, Json]:
        """What `open` needs besides the files."""
        return {
            "codec": self.store.codec,
            "dim": self.store.dim,
            "n_docs": self.store.n_docs,
            "n_tokens": self.store.n_tokens,
            "candidates": None if self.candidates is None else self.candidates.parameters(),
            "centroids": None if self.centroids is None else self.centroids.parameters(),
            "enough": None if self.enough is None else self.enough.to_json(),
        }

    def score(self, query: NDArray[np.float32], ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
        """MaxSim of a query's vectors with each of these documents; see TokenStore.maxsim."""
        return self.store.maxsim(query, ordinals)

    def search(
        self,
        queries: TokenBatch,
        k: int,
        *,
        engine: MultiVectorEngine = AUTO_MAXSIM,
        alive: NDArray[np.bool_] | None = None,
        given: Sequence[NDArray[np.int64]] | None = None,
        threads: int = 1,
    ) -> Hits:
        """The best documents of every query: hits of shape (n_queries, min(k, n_docs)).

        Documents whose `alive` (n_docs,) is False, or that have no tokens, are no hits; a query
        without tokens has none. `given` are candidates of each query from the sparse index, best
        first, for an engine that asks for them. The result does not depend on `threads`.

        Raises:
            QueryError: if k is below 1, or the engine needs what was not built or given.
            ShapeError: if the queries have another dim, or `alive` another shape or dtype.
        """
        if k < 1:
            raise QueryError(f"k is {k}; expected 1 or more; ask for at least one document")
        if queries.dim != self.store.dim:
            raise ShapeError(
                f"queries have dim {queries.dim}, documents {self.store.dim}; "
                "encode queries with the encoder of the documents"
            )
        n_living = self._n_living(alive)
        k = min(k, self.store.n_docs)
        if n_living == 0 or len(queries.vectors) == 0:
            return Hits.from_rows([_NOTHING] * len(queries), k)
        wanted = [
            Wanted(queries.row(i), k, alive, n_living, None if given is None else given[i])
            for i in range(len(queries))
        ]
        if engine.imputes and self.centroids is not None:
            rows = [self._imputed(self.centroids, engine.sources[0], one) for one in wanted]
            return Hits.from_rows(rows, k)
        hits = self.store.best_of_batch(
            queries,
            self._candidates(engine, wanted, alive, threads),
            k,
            alive=alive,
            threads=threads,
        )
        return _means(hits, queries) if engine.imputes else hits

    def _n_living(self, alive: NDArray[np.bool_] | None) -> int:
        n_docs = self.store.n_docs
        if alive is None:
            return n_docs
        if alive.shape != (n_docs,) or alive.dtype != np.bool_:
            raise ShapeError(
                f"alive is {alive.dtype} {alive.shape}; expected bool ({n_docs},), one a document"
            )
        return int(alive.sum())

    def _candidates(
        self,
        engine: MultiVectorEngine,
        wanted: Sequence[Wanted],
        alive: NDArray[np.bool_] | None,
        threads: int,
    ) -> Sequence[NDArray[np.int64]] | None:
        """What is scored for each query; None for all documents of each."""
        if engine == EXACT_MAXSIM or engine.imputes:
            proposed: list[NDArray[np.int64] | None] = [None] * len(wanted)
        else:
            search = CandidateSearch(self.store, self.candidates, self.centroids, self.enough)
            proposed = search.of_each(engine, wanted, threads=threads)
        if alive is None and all(some is None for some in proposed):
            return None
        # Few survivors of many documents: only they are gone through, by all queries together.
        living = np.arange(self.store.n_docs) if alive is None else np.flatnonzero(alive)
        return [living if some is None else some for some in proposed]

    def _imputed(self, near: CentroidIndex, source: Source, wanted: Wanted) -> Row:
        if len(wanted.query) == 0:
            return _NOTHING
        if not isinstance(source, XtrSource):
            raise TypeError(f"{source} does not impute")
        probing = WarpSource(probes=source.probes, bound=source.bound)
        return xtr_scores(near, self.store, probing, wanted.query, wanted.k, wanted.alive)


def _means(hits: Hits, queries: TokenBatch) -> Hits:
    """Sums as means over query tokens: imputed scores are, and both may have to be merged."""
    n_tokens = np.maximum(np.diff(queries.offsets), 1).astype(np.float32)
    return Hits(hits.ordinals, hits.scores / n_tokens[:, None])


_NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.float32))
