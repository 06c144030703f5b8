"""What is the right answer? Nearest centroids and estimates by them, written to be read.

Every kernel is tested against these, to the bit.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lexmax.index.centroids import QuantisedRows


def nearest(rows: QuantisedRows, centroids: QuantisedRows) -> NDArray[np.int64]:
    """Of every row the centroid with the greatest product, (n,); ties to the smaller."""
    dots = rows.codes.astype(np.int64) @ centroids.codes.astype(np.int64).T
    found: NDArray[np.int64] = (dots.astype(np.float32) * centroids.scales).argmax(axis=1)
    return found


def table(
    centroids: QuantisedRows, queries: QuantisedRows, low: NDArray[np.float32], step: float
) -> NDArray[np.uint8]:
    """Bytes (n_centroids, n_queries): similarity above `low` in steps; all in float32."""
    one_step = np.float32(step)
    dots = centroids.codes.astype(np.int64) @ queries.codes.astype(np.int64).T
    similarity = dots.astype(np.float32) * centroids.scales[:, None]
    steps = similarity * (queries.scales / one_step) - low / one_step + np.float32(0.5)
    found: NDArray[np.uint8] = np.clip(steps, 0, 255).astype(np.uint8)
    return found


def scores(
    table: NDArray[np.uint8], codes: NDArray[np.uint16], offsets: NDArray[np.int64]
) -> NDArray[np.int64]:
    """MaxSim over centroids, (n_docs,): for each lane the greatest byte of any token, summed."""
    rows = [
        table[codes[start:stop]].max(axis=0, initial=0).sum(dtype=np.int64)
        for start, stop in pairwise(offsets)
    ]
    return np.array(rows, dtype=np.int64)


def probe_scores(
    table: NDArray[np.uint8],
    codes: NDArray[np.uint16],
    offsets: NDArray[np.int64],
    *,
    n_queries: int,
    n_probes: int,
) -> NDArray[np.int64]:
    """What probing adds up for every document, (n_docs,).

    A query token gives its greatest byte among those of the document's centroids that it probes,
    less one less than that of the last one it probes; 0 where it probes none of them.
    """
    total = np.zeros(len(offsets) - 1, dtype=np.int64)
    for q in range(n_queries):
        column = table[:, q].astype(np.int64)
        probed = np.argsort(-column, kind="stable")[:n_probes]
        probed = probed[column[probed] > 0]
        last = column[probed[-1]] - 1 if len(probed) == n_probes else 0
        gains = np.zeros(len(column), dtype=np.int64)
        gains[probed] = column[probed] - last
        for doc, (start, stop) in enumerate(pairwise(offsets)):
            total[doc] += gains[codes[start:stop]].max(initial=0)
    return total


def best(
    scores: NDArray[np.int64], n: int, *, findable: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ordinals and scores of the best n findable documents, ties by ordinal."""
    ordinals = np.flatnonzero(findable)
    order = np.lexsort((ordinals, -scores[ordinals]))[:n]
    return ordinals[order], scores[ordinals][order]
