"""Which token vectors does a query get from documents that answer it?

Wang, Macdonald, Tonellotto & Ounis, "Pseudo-Relevance Feedback for Multiple Representation Dense
Retrieval", ICTIR 2021 (ColBERT-PRF): clusters of the documents' tokens, of which the most telling
are added to the query. Besides, the feedback of `vectors`, token by token.

MaxSim is linear in each of the query's tokens, so that a token's weight is its vector's length.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.types import TokenBatch

Importance: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.floating]]
"""What a vector tells of a document, such as an idf: (n,) of (n, d); 0 for nothing."""


@dataclass(frozen=True, slots=True)
class Representatives:
    """Tokens that stand for clusters of the documents' tokens, the most telling first.

    Attributes:
        vectors: The clusters' means, as long as a token of the cluster is on the mean, (n, d).
        importance: What each tells, above 0, float32 (n,).
        tokens: The token of the documents that is nearest to each, as a row of their batch, (n,).
    """

    vectors: NDArray[np.float32]
    importance: NDArray[np.float32]
    tokens: NDArray[np.int64]


def representatives(
    documents: TokenBatch,
    importance: Importance,
    *,
    clusters: int = 24,
    added: int = 10,
    seed: int = 0,
) -> Representatives:
    """The `added` most telling of the means of `clusters` clusters of all documents' tokens.

    Clusters are spherical k-means'. Fewer tokens than clusters are one cluster each; a mean of
    zeros, or one that tells nothing, is left out. Equal importance goes to the first token.

    Raises:
        ShapeError: if `clusters` is less than one, or an importance is not finite.
    """
    if clusters < 1:
        raise ShapeError(f"clusters is {clusters}; expected 1 or more")
    lengths = np.linalg.norm(documents.vectors, axis=1)
    real = np.flatnonzero(lengths)
    directions = documents.vectors[real] / lengths[real, None]
    cluster_of = _clusters(directions, clusters, seed)
    means = _sums(directions, cluster_of)
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    means = np.divide(means, norms, out=np.zeros_like(means), where=norms > 0)
    sizes = np.bincount(cluster_of, minlength=len(means))
    mean_lengths = np.bincount(cluster_of, lengths[real], minlength=len(means)) / sizes
    vectors = (means * mean_lengths[:, None]).astype(np.float32)
    nearest = real[_nearest(directions, cluster_of, means)]
    told = np.where(norms[:, 0] > 0, _importance(importance, vectors), 0)
    order = np.lexsort((nearest, -told))[:added]
    order = order[told[order] > 0]
    return Representatives(vectors[order], told[order].astype(np.float32), nearest[order])


def expanded(
    query: NDArray[np.float32], found: Representatives, *, beta: float = 1.0
) -> NDArray[np.float32]:
    """The query's tokens (n, d) and after them those found, times beta and what they tell.

    A query without tokens stays without.

    Raises:
        ShapeError: if dimensions differ.
    """
    _check(query, found.vectors)
    if len(query) == 0:
        return query
    return np.concatenate([query, found.vectors * (beta * found.importance[:, None])]).astype(
        np.float32
    )


def average(query: NDArray[np.float32], documents: TokenBatch) -> NDArray[np.float32]:
    """Each query token's mean with what matches it best in each document, (n, d).

    All have the same weight; documents without tokens do not count.

    Raises:
        ShapeError: if dimensions differ.
    """
    n = int(np.count_nonzero(np.diff(documents.offsets)))
    return rocchio(query, documents, alpha=1 / (n + 1), beta=n / (n + 1))


def rocchio(
    query: NDArray[np.float32],
    documents: TokenBatch,
    *,
    alpha: float = 0.4,
    beta: float = 0.6,
) -> NDArray[np.float32]:
    """Each query token times alpha and the mean of what matches it best times beta, (n, d).

    That is, of each document, the token of the greatest dot product; of equal ones the first.
    Tokens that documents agree on keep their length, others become shorter, and so weigh less.
    Without documents that have tokens it is the query itself.

    Raises:
        ShapeError: if dimensions differ.
    """
    _check(query, documents.vectors)
    rows = [documents.row(i) for i in range(len(documents))]
    matches = [row[np.argmax(query @ row.T, axis=1)] for row in rows if len(row)]
    if len(query) == 0 or not matches:
        return query
    mean = np.mean(np.stack(matches), axis=0, dtype=np.float64)
    return (alpha * query.astype(np.float64) + beta * mean).astype(np.float32)


def idf_by_centroid(
    centroids: NDArray[np.float32], doc_freqs: NDArray[np.int64], n_docs: int
) -> Importance:
    """The idf of a vector's nearest centroid, ln((n_docs + 1) / (doc_freq + 1)).

    Args:
        centroids: Unit vectors, (c, d).
        doc_freqs: Documents with a token of each centroid, (c,).
        n_docs: All documents.
    """
    idfs = np.log((n_docs + 1) / (np.minimum(doc_freqs, n_docs) + 1.0))
    return lambda vectors: idfs[np.argmax(vectors @ centroids.T, axis=1)]


def _clusters(directions: NDArray[np.float32], clusters: int, seed: int) -> NDArray[np.int64]:
    """Number of each vector's cluster, none of them empty, (n,)."""
    # Imported here, because it imports scipy, which whoever asks for no feedback does not need.
    from lexmax.encoders.kmeans import kmeans_clusters

    together = TokenBatch(np.array([0, len(directions)]), directions)
    return kmeans_clusters(together, np.array([min(clusters, len(directions))]), seed=seed)


def _sums(rows: NDArray[np.float32], cluster_of: NDArray[np.int64]) -> NDArray[np.float64]:
    sums = np.zeros((int(cluster_of.max(initial=-1)) + 1, rows.shape[1]))
    np.add.at(sums, cluster_of, rows)
    return sums


def _nearest(
    directions: NDArray[np.float32], cluster_of: NDArray[np.int64], means: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Of each cluster, the member nearest to the mean, the first of equal ones."""
    cosines = np.einsum("nd,nd->n", directions, means[cluster_of])
    order = np.lexsort((np.arange(len(cosines)), -cosines, cluster_of))
    return order[np.searchsorted(cluster_of[order], np.arange(len(means)))]


def _importance(importance: Importance, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    told = np.asarray(importance(vectors), np.float64) if len(vectors) else np.zeros(0)
    if told.shape != (len(vectors),) or not np.isfinite(told).all():
        raise ShapeError(
            f"importance of {len(vectors)} vectors is {told.shape} or not finite; "
            "expected one finite number each"
        )
    return told


def _check(query: NDArray[np.float32], vectors: NDArray[np.float32]) -> None:
    if query.ndim != 2 or query.shape[1] != vectors.shape[1]:
        raise ShapeError(f"query {query.shape}, vectors {vectors.shape}; expected equal dimensions")
