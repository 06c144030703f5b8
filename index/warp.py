"""Which documents have the best tokens in the clusters near a query? The rest is imputed (WARP).

Each query token probes the clusters of its nearest centroids (Scheerer et al. 2025, section 4).
Where a document has no token in them it gets the imputed similarity of WARPSELECT: that of the
first centroid at which the nearest clusters together hold more tokens than a bound.

Unlike there, a token of a probed cluster is scored with every query token, whichever probed it: the
token's row has to be fetched once, and 32 products with it cost as much as one. So a document's
similarity is at least the best of all its tokens that were read, and only the rest is imputed. With
all clusters probed, scores are those of MaxSim, to the bit.
"""

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import QueryError, ShapeError
from lexmax.index.centroid_index import CentroidIndex
from lexmax.index.multivector_engines import WarpSource
from lexmax.index.residual_codec import Residuals
from lexmax.index.token_codec import quantise
from lexmax.index.tokens import TokenStore

Scored = tuple[NDArray[np.int64], NDArray[np.float32]]

# Where too few documents are found, so many times more clusters are probed.
_WIDER = 4


def imputation_bound(n_tokens: int) -> int:
    """Tokens that the nearest clusters hold before the imputed similarity is read off.

    sqrt(8 n_tokens), rounded down to thousands as in the paper's engine, unless that gives 0.
    """
    root = isqrt(8 * n_tokens)
    return root // 1000 * 1000 or root


def warp_candidates(
    index: CentroidIndex,
    store: TokenStore,
    source: WarpSource,
    query: NDArray[np.float32],
    n: int,
    alive: NDArray[np.bool_] | None,
) -> NDArray[np.int64]:
    """Ordinals of the n best by `warp_scores`, best first."""
    return warp_scores(index, store, source, query, n, alive)[0]


def xtr_scores(
    index: CentroidIndex,
    store: TokenStore,
    source: WarpSource,
    query: NDArray[np.float32],
    n: int,
    alive: NDArray[np.bool_] | None,
    *,
    path: str = "auto",
) -> Scored:
    """The n best, best first, by the mean over query tokens instead of the sum: see `warp_scores`.

    These are final scores of an encoder that was trained to be searched so (XTR, Lee et al. 2023,
    section 3.2), and of no other: similarities of other encoders are too flat to impute.
    """
    ordinals, scores = warp_scores(index, store, source, query, n, alive, path=path)
    return ordinals, scores / np.float32(max(1, len(query)))


def warp_scores(
    index: CentroidIndex,
    store: TokenStore,
    source: WarpSource,
    query: NDArray[np.float32],
    n: int,
    alive: NDArray[np.bool_] | None,
    *,
    path: str = "auto",
) -> Scored:
    """The n best of the documents with a token in a probed cluster, and their scores, best first.

    query (n_tokens, dim), alive (n_docs,). Ordinals and float32 sums over query tokens of the best
    similarity, read or imputed; ties by the ordinal. More clusters are probed while fewer than n
    documents are found and there are more; so at the end there are n, or all that have tokens and
    live. A query without tokens finds none.

    Raises:
        ShapeError: if index and store hold other tokens, query and store have other dims, or
            `alive` has another length.
        QueryError: if no cluster is to be probed.
        CorruptionError: if a token is assigned to a centroid that is not there.
    """
    _check(index, store, source, query)
    _check_alive(store, alive)
    if len(query) == 0 or store.n_tokens == 0 or n <= 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    bound = imputation_bound(store.n_tokens) if source.bound is None else source.bound
    vectors = np.ascontiguousarray(query, dtype=np.float32)
    search = _Search(index, store, vectors, min(n, store.n_docs), alive, bound, path)
    n_probes, wanted = source.probes, None
    while True:
        found = search.best(n_probes)
        if len(found[0]) >= n or n_probes >= len(index.centroids):
            return found
        wanted = _n_findable(store, alive) if wanted is None else wanted
        if len(found[0]) >= wanted:
            return found
        n_probes *= _WIDER


@dataclass(frozen=True, slots=True)
class _Search:
    """All but the number of probes."""

    index: CentroidIndex
    store: TokenStore
    query: NDArray[np.float32]
    n: int
    alive: NDArray[np.bool_] | None
    bound: int
    path: str

    def best(self, n_probes: int) -> Scored:
        store = self.store
        if store.scales is None:
            return self._best_of_halves(n_probes)
        if store.residuals is not None:
            return self._best_of_residuals(n_probes, store.residuals, store.scales)
        room = self._room()
        found = self.index.token_clusters().warp_int8(
            *quantise(self.query),
            n_probes,
            self.bound,
            store.codes,
            store.scales,
            self.alive,
            *room,
            path=self.path,
        )
        return room[0][:found], room[1][:found]

    def _best_of_halves(self, n_probes: int) -> Scored:
        room = self._room()
        found = self.index.token_clusters().warp_fp16(
            *quantise(self.query),
            n_probes,
            self.bound,
            self.query,
            self.store.codes.view(np.uint16),
            self.alive,
            *room,
            path=self.path,
        )
        return room[0][:found], room[1][:found]

    def _best_of_residuals(
        self, n_probes: int, residuals: Residuals, scales: NDArray[np.float16]
    ) -> Scored:
        room, form = self._room(), residuals.codec.query(self.query)
        found = self.index.token_clusters().warp_residual(
            form.whole,
            form.scales,
            n_probes,
            self.bound,
            self.store.codes,
            scales.view(np.uint16),
            residuals.codec.levels,
            form.widened,
            form.ratios,
            self.alive,
            *room,
            path=self.path,
        )
        return room[0][:found], room[1][:found]

    def _room(self) -> Scored:
        return np.empty(self.n, dtype=np.int64), np.empty(self.n, dtype=np.float32)


def _check(
    index: CentroidIndex, store: TokenStore, source: WarpSource, query: NDArray[np.float32]
) -> None:
    if len(index.codes) != store.n_tokens or index.n_docs != store.n_docs:
        raise ShapeError(
            f"found centroids of {len(index.codes)} tokens in {index.n_docs} documents, but "
            f"{store.n_tokens} tokens in {store.n_docs}; expected those of one index"
        )
    if query.ndim != 2 or query.shape[1] != store.dim:
        raise ShapeError(
            f"query vectors {query.shape}; documents have dim {store.dim}; expected "
            f"(tokens, {store.dim}); encode queries with the encoder of the documents"
        )
    if source.probes < 1:
        raise QueryError(f"engine warp: found probes={source.probes}; expected 1 or more")


def _check_alive(store: TokenStore, alive: NDArray[np.bool_] | None) -> None:
    if alive is not None and alive.shape != (store.n_docs,):
        raise ShapeError(f"found alive {alive.shape}; expected ({store.n_docs},)")


def _n_findable(store: TokenStore, alive: NDArray[np.bool_] | None) -> int:
    has_tokens = np.diff(store.offsets) > 0
    return int(np.count_nonzero(has_tokens if alive is None else has_tokens & alive))
