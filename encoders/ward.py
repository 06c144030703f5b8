"""Which tokens of a text lie together, by Ward's criterion?"""

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from lexmax.types import TokenBatch


def ward_clusters(directions: TokenBatch, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of each token's cluster inside its text, (n_tokens,), below the text's tokens.

    From every token by itself, the two clusters are joined that add least to the squared distances
    from the means (Ward 1963), until counts[text] are left.

    Args:
        directions: Vectors of length one, or zero.
        counts: Clusters of each text, (n_texts,), at most its tokens.
    """
    lengths = np.diff(directions.offsets)
    clusters = np.arange(len(directions.vectors)) - np.repeat(directions.offsets[:-1], lengths)
    for text in np.flatnonzero(counts < lengths):
        start, stop = directions.offsets[text : text + 2]
        clusters[start:stop] = _joined(directions.vectors[start:stop], int(counts[text]))
    return clusters


def _joined(vectors: NDArray[np.float32], n_clusters: int) -> NDArray[np.int64]:
    cosines = (vectors @ vectors.T).astype(np.float64)
    # Euclidean between unit vectors: with 1 - cosine itself it would not be Ward's criterion.
    distances = np.sqrt(np.maximum(2 - 2 * cosines, 0))
    pairs = squareform(distances, checks=False)
    joins: NDArray[np.float64] = linkage(pairs, method="ward")[: len(vectors) - n_clusters]
    parts: list[list[int]] = joins[:, :2].astype(np.int64).tolist()
    return _leaves(parts, len(vectors))


def _leaves(joins: list[list[int]], n: int) -> NDArray[np.int64]:
    """Cluster of each of n tokens, by its first token; the i-th join makes the part n + i."""
    names = list(range(n))
    for a, b in joins:
        names.append(min(names[a], names[b]))
    for i in range(len(joins) - 1, -1, -1):
        a, b = joins[i]
        names[a] = names[b] = names[n + i]
    return np.array(names[:n], dtype=np.int64)
