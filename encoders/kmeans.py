"""Which tokens of a text lie together, by k-means?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lexmax.encoders.batches import plan_batches
from lexmax.types import TokenBatch

ROUNDS = 20

# Texts of similar length are clustered beside each other. Of some 240 tokens that is 34 at once:
# enough that a step costs more than the call of it, and few enough for the caches.
_BATCH_TOKENS = 8192


def kmeans_clusters(
    directions: TokenBatch, counts: NDArray[np.int64], *, seed: int
) -> NDArray[np.int64]:
    """Number of each token's cluster inside its text, (n_tokens,): 0 to counts[text] - 1.

    Spherical k-means (Dhillon & Modha 2001) from k-means++ draws (Arthur & Vassilvitskii 2007), at
    most 20 rounds, until no token moves. Every text is clustered by itself, with the same stream of
    random numbers. No cluster is empty: one that loses its last token takes the token that is
    farthest from the mean of its own.

    Args:
        directions: Vectors of length one, or zero.
        counts: Clusters of each text, (n_texts,), at most its tokens.
        seed: Of the draws.
    """
    lengths = np.diff(directions.offsets)
    clusters = np.arange(len(directions.vectors)) - np.repeat(directions.offsets[:-1], lengths)
    uniforms = _uniforms(seed, int(counts.max(initial=0)))
    wanted = np.flatnonzero(counts < lengths)
    for batch in plan_batches(lengths[wanted], max_tokens=_BATCH_TOKENS):
        texts = wanted[batch]
        texts = texts[np.argsort(-counts[texts], kind="stable")]
        padded = _padded(directions, texts)
        found = _clustered(padded, counts[texts], uniforms)
        places = np.add(directions.offsets[texts, None], np.arange(found.shape[1], dtype=np.int64))
        clusters[places[padded.real]] = found[padded.real]
    return clusters


def _uniforms(seed: int, n: int) -> NDArray[np.float64]:
    """Numbers of [0, 1), from bits that every version of numpy draws alike."""
    # Of 32 bits, so that a product with the total of weights never rounds up to that total.
    bits = np.asarray(np.random.PCG64(seed).random_raw(n), np.uint64)
    return (bits >> np.uint64(32)).astype(np.float64) * 2.0**-32


@dataclass(frozen=True, slots=True)
class _Padded:
    """Cosines of all pairs of tokens, (n_texts, width, width), 0 beyond the texts' lengths."""

    cosines: NDArray[np.float32]
    lengths: NDArray[np.int64]

    def only(self, rows: NDArray[np.bool_]) -> "_Padded":
        return _Padded(self.cosines[rows], self.lengths[rows])

    @property
    def real(self) -> NDArray[np.bool_]:
        """Which places hold a token, (n_texts, width)."""
        places = np.arange(self.cosines.shape[1], dtype=np.int64)
        return np.less(places, self.lengths[:, None])


def _padded(directions: TokenBatch, texts: NDArray[np.int64]) -> _Padded:
    lengths = np.diff(directions.offsets)[texts]
    width = int(lengths.max())
    cosines = np.zeros((len(texts), width, width), np.float32)
    for place, text in enumerate(texts):
        # One text at a time, so that no bit depends on what the text is padded to.
        row = directions.row(int(text))
        np.matmul(row, row.T, out=cosines[place, : len(row), : len(row)])
    return _Padded(cosines, lengths)


def _clustered(
    padded: _Padded, counts: NDArray[np.int64], uniforms: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Cluster of each token, (n_texts, width)."""
    clusters = _drawn(padded, counts, uniforms)
    active = np.arange(len(counts))
    for _ in range(ROUNDS):
        before = clusters[active]
        after = _round(padded, counts[active], before)
        clusters[active] = after
        moved = np.any(after != before, axis=1)
        if not np.any(moved):
            break
        if not np.all(moved):
            active, padded = active[moved], padded.only(moved)
    return clusters


def _drawn(
    padded: _Padded, counts: NDArray[np.int64], uniforms: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Cluster of each token by the nearest of the drawn ones, each of which has its own.

    Counts descend, so that the texts that want another cluster are always the first ones.
    """
    free = padded.real
    distances = np.where(free, np.float32(np.inf), np.float32(0))
    clusters = np.zeros(free.shape, np.int64)
    drawn = (uniforms[0] * padded.lengths).astype(np.int64)
    for cluster in range(int(counts[0])):
        n = int(np.count_nonzero(counts > cluster))
        if cluster:
            drawn = _draw(distances[:n], free[:n], uniforms[cluster])
        texts = np.arange(n)
        # Between unit vectors, half the squared Euclidean distance: what k-means++ weighs by.
        new = np.maximum(1 - padded.cosines[texts, drawn], 0)
        nearer = new < distances[:n]
        np.copyto(clusters[:n], cluster, where=nearer)
        np.minimum(distances[:n], new, out=distances[:n])
        clusters[texts, drawn] = cluster
        distances[texts, drawn] = 0
        free[texts, drawn] = False
    return clusters


def _draw(
    distances: NDArray[np.float32], free: NDArray[np.bool_], uniform: np.float64
) -> NDArray[np.int64]:
    """A token that was not drawn before, with a probability by its distance, (n_texts,)."""
    totals = np.cumsum(distances, axis=1, dtype=np.float64)
    # Where all that is left equals what was drawn, any of it will do.
    same = totals[:, -1] == 0
    if np.any(same):
        totals[same] = np.cumsum(free[same], axis=1)
    drawn: NDArray[np.int64] = np.argmax(totals > uniform * totals[:, -1:], axis=1)
    return drawn


def _round(
    padded: _Padded, counts: NDArray[np.int64], clusters: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Cluster of each token by the nearest mean of the clusters before.

    Means are never formed: the cosine of x with the mean of members m is the sum of x.m over the
    length of the sum of members, and both follow from the cosines of pairs.
    """
    n_texts, width = clusters.shape
    most = int(counts.max())
    real = padded.real
    names = _names(clusters, most)[real]
    tokens = np.flatnonzero(real)
    sizes = np.bincount(names, minlength=n_texts * most)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    members = tokens[np.argsort(names, kind="stable")]
    adds = csr_matrix(
        (np.ones(len(members), np.float32), members, starts), (len(sizes), n_texts * width)
    )
    sums = (adds @ padded.cosines.reshape(-1, width)).reshape(n_texts, most, width)
    own = np.take_along_axis(sums, clusters[:, None, :], axis=1)[:, 0][real]
    squares = np.bincount(names, own, minlength=len(sizes))
    scales = np.where(squares > 0, 1 / np.sqrt(np.where(squares > 0, squares, 1)), 0)
    sums *= scales.astype(np.float32).reshape(n_texts, most, 1)
    sums[sizes.reshape(n_texts, most) == 0] = -np.inf
    nearest = np.argmax(sums, axis=1)
    nearest[~real] = 0
    return _refilled(nearest, sums, padded.real, counts)


def _names(clusters: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Numbers of clusters that no other text has."""
    return clusters + np.arange(len(clusters), dtype=np.int64)[:, None] * most


def _refilled(
    clusters: NDArray[np.int64],
    cosines: NDArray[np.float32],
    real: NDArray[np.bool_],
    counts: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The same with each empty cluster given the token that is farthest from its own mean."""
    most = cosines.shape[1]
    names = _names(clusters, most)[real]
    sizes = np.bincount(names, minlength=len(counts) * most).reshape(-1, most)
    wanted = np.less(np.arange(most, dtype=np.int64), counts[:, None])
    for text, cluster in np.argwhere((sizes == 0) & wanted):
        own = cosines[text, clusters[text], np.arange(clusters.shape[1])]
        may_leave = real[text] & (sizes[text, clusters[text]] > 1)
        token = np.argmin(np.where(may_leave, own, np.inf))
        sizes[text, clusters[text, token]] -= 1
        clusters[text, token] = cluster
        sizes[text, cluster] = 1
    return clusters
