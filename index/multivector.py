"""Which documents have the greatest MaxSim with a query?

Candidates come from an estimate (candidates.py) and are scored exactly on the stored vectors
(tokens.py); or all documents are scored. A score does not depend on how its document was found.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, QueryError, ShapeError
from lexmax.index.candidates import CandidateIndex
from lexmax.index.fde import FdeParameters
from lexmax.index.tokens import TokenStore
from lexmax.types import Hits, Json, TokenBatch, best_first

Row = tuple[NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class MultiVectorIndex:
    """Late-interaction search over a token store; without candidates every search is exhaustive.

    Raises:
        ShapeError: if the candidates are of another number of documents, or another dim.
    """

    store: TokenStore
    candidates: CandidateIndex | None

    def __post_init__(self) -> None:
        if self.candidates is None:
            return
        found = (self.candidates.n_docs, self.candidates.fde.dim)
        if found != (expected := (self.store.n_docs, self.store.dim)):
            raise ShapeError(
                f"candidates are of {found[0]} documents of dim {found[1]}; "
                f"expected {expected[0]} of dim {expected[1]}, as in the token store"
            )

    @staticmethod
    def build(
        store: TokenStore,
        *,
        parameters: FdeParameters | None = None,
        seed: int = 42,
        progress: Callable[[int], None] | None = None,
    ) -> "MultiVectorIndex":
        """An index over the store, with candidates unless it is empty; see CandidateIndex.build."""
        if store.n_docs == 0:
            return MultiVectorIndex(store, None)
        fde = FdeParameters(dim=store.dim, seed=seed) if parameters is None else parameters
        return MultiVectorIndex(
            store, CandidateIndex.build(store, parameters=fde, seed=seed, progress=progress)
        )

    @staticmethod
    def open(directory: Path, parameters: Mapping[str, Json]) -> "MultiVectorIndex":
        """Map what `save` wrote; `parameters` are those of segment.json. No vector is read.

        Raises:
            CorruptionError: if a file is missing, or is not what the parameters say.
        """
        store = TokenStore.open(directory)
        written = parameters.get("candidates")
        candidates = None
        if isinstance(written, Mapping):
            candidates = CandidateIndex.open(directory, written)
        try:
            index = MultiVectorIndex(store, candidates)
        except ShapeError as error:
            raise CorruptionError(
                f"{directory}: {error}; restore a backup, or index the corpus into another folder"
            ) from error
        if (found := index.parameters()) != dict(parameters):
            raise CorruptionError(
                f"{directory}: found {found}; expected {dict(parameters)}; "
                "restore a backup, or index the corpus into another folder"
            )
        return index

    def save(self, directory: Path) -> None:
        """Write the files that `open` reads; token files that lie there already are kept."""
        if self.store.source != directory:
            self.store.save(directory)
        if self.candidates is not None:
            self.candidates.save(directory)

    def parameters(self) -> dict[str, Json]:
        """What `open` needs besides the files."""
        return {
            "codec": self.store.codec,
            "dim": self.store.dim,
            "n_docs": self.store.n_docs,
            "n_tokens": self.store.n_tokens,
            "candidates": None if self.candidates is None else self.candidates.parameters(),
        }

    def score(self, query: NDArray[np.float32], ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
        """MaxSim of a query's vectors with each of these documents; see TokenStore.maxsim."""
        return self.store.maxsim(query, ordinals)

    def search(
        self,
        queries: TokenBatch,
        k: int,
        *,
        n_candidates: int | None = 500,
        alive: NDArray[np.bool_] | None = None,
    ) -> Hits:
        """The best documents of every query: hits of shape (n_queries, min(k, n_docs)).

        At most max(k, n_candidates) documents are scored; None scores all. Documents whose `alive`
        (n_docs,) is False, or that have no tokens, are no hits; a query without tokens has none.

        Raises:
            QueryError: if k or n_candidates is below 1.
            ShapeError: if the queries have another dim, or `alive` another shape or dtype.
        """
        if k < 1:
            raise QueryError(f"k is {k}; expected 1 or more; ask for at least one document")
        if n_candidates is not None and n_candidates < 1:
            raise QueryError(
                f"n_candidates is {n_candidates}; expected 1 or more, or None to score all"
            )
        if queries.dim != self.store.dim:
            raise ShapeError(
                f"queries have dim {queries.dim}, documents {self.store.dim}; "
                "encode queries with the encoder of the documents"
            )
        living = self._living(alive)
        rows: list[Row]
        if n_candidates is None or self.candidates is None or len(living) <= max(k, n_candidates):
            rows = [self._best(queries.row(i), living, k) for i in range(len(queries))]
        else:
            chosen = self._chosen(self.candidates, queries, max(k, n_candidates), alive)
            rows = [self._best(queries.row(i), found, k) for i, found in enumerate(chosen)]
        return Hits.from_rows(rows, min(k, self.store.n_docs))

    def _living(self, alive: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        n_docs = self.store.n_docs
        if alive is None:
            return np.arange(n_docs)
        if alive.shape != (n_docs,) or alive.dtype != np.bool_:
            raise ShapeError(
                f"alive is {alive.dtype} {alive.shape}; expected bool ({n_docs},), one a document"
            )
        return np.flatnonzero(alive)

    def _chosen(
        self,
        candidates: CandidateIndex,
        queries: TokenBatch,
        n: int,
        alive: NDArray[np.bool_] | None,
    ) -> list[NDArray[np.int64]]:
        """The n living documents with the greatest estimates for every query, ascending."""
        vectors = candidates.project(queries)
        return [np.sort(_nearest_living(candidates, vector, n, alive)) for vector in vectors]

    def _best(self, query: NDArray[np.float32], ordinals: NDArray[np.int64], k: int) -> Row:
        if len(query) == 0:
            ordinals = ordinals[:0]
        scores = self.store.maxsim(query, ordinals)
        has_tokens = scores > -np.inf
        return best_first(ordinals[has_tokens], scores[has_tokens], k)


def _nearest_living(
    candidates: CandidateIndex,
    vector: NDArray[np.float32],
    n: int,
    alive: NDArray[np.bool_] | None,
) -> NDArray[np.int64]:
    # The scan cannot skip documents, so it is asked for more until enough of them live.
    asked = n if alive is None else ceil(n * len(alive) / max(1, int(alive.sum())))
    while True:
        found, _ = candidates.nearest(vector, asked)
        if alive is not None:
            found = found[alive[found]]
        if len(found) >= n or asked >= candidates.n_docs:
            return found[:n]
        asked *= 2
