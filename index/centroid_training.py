"""Where should centroids lie? Spherical k-means (Dhillon & Modha 2001) over quantised tokens.

Many centroids are trained in two levels: heads first, then those of each head's tokens, so that
65,536 of them take seconds. Sums run in the order of the rows, so the bytes do not depend on the
number of threads.
"""

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.index import _native
from lexmax.index.centroids import Centroids, QuantisedRows, unit

_ITERATIONS = 8
# Up to here all centroids are trained at once.
_FLAT = 1024
_HEAD_ROWS = 256


def train_centroids(
    sample: QuantisedRows, n_centroids: int, *, seed: int, threads: int = 1
) -> Centroids:
    """Centroids for tokens like the sample; fewer where it has not so many rows.

    Raises:
        ShapeError: if the sample is empty, or n_centroids below 1.
    """
    if len(sample) == 0 or n_centroids < 1:
        raise ShapeError(
            f"found a sample of {len(sample)} tokens for {n_centroids} centroids; "
            "expected at least one of both"
        )
    rng = np.random.default_rng(seed)
    n = min(n_centroids, len(sample))
    if n <= _FLAT:
        means = _lloyd(sample, n, rng, threads)
        return _grouped([means])
    n_groups = 1 << round(np.log2(n) / 2)
    few = _choice(len(sample), min(len(sample), _HEAD_ROWS * n_groups), rng)
    heads = unit(_lloyd(sample.take(few), n_groups, rng, threads))
    group_of = _assigned(sample, heads, threads)
    return _grouped(_trained_groups(sample, group_of, n, rng, threads))


def _trained_groups(
    sample: QuantisedRows,
    group_of: NDArray[np.uint16],
    n: int,
    rng: np.random.Generator,
    threads: int,
) -> list[NDArray[np.float32]]:
    sizes = np.bincount(group_of)
    order = np.argsort(group_of, kind="stable")
    ends = np.cumsum(sizes)
    shares = _shares(sizes, n)
    return [
        _lloyd(sample.take(order[end - size : end]), share, rng, threads)
        for size, end, share in zip(sizes, ends, shares, strict=True)
        if share
    ]


def _shares(sizes: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Parts of n in proportion to sizes, of which none is exceeded; n is at most their sum."""
    exact = sizes * (n / sizes.sum())
    shares: NDArray[np.int64] = np.minimum(
        np.maximum(np.floor(exact).astype(np.int64), sizes > 0), sizes
    )
    order = np.argsort(np.floor(exact) - exact, kind="stable")
    while (missing := n - int(shares.sum())) > 0:
        open_ones = order[shares[order] < sizes[order]][:missing]
        shares[open_ones] += 1
    while (surplus := int(shares.sum()) - n) > 0:
        wide = np.argsort(-shares, kind="stable")[:surplus]
        shares[wide[shares[wide] > 1]] -= 1
    return shares


def _lloyd(
    rows: QuantisedRows, n: int, rng: np.random.Generator, threads: int
) -> NDArray[np.float32]:
    """Means (n, dim) of the rows nearest to each centroid, which began as some of the rows."""
    means = _decoded(rows.take(_choice(len(rows), n, rng)))
    sums = np.empty_like(means)
    for _ in range(_ITERATIONS):
        assigned = _assigned(rows, unit(means), threads)
        _native.centroid_sums(rows.codes, rows.scales, assigned, sums)
        counts = np.bincount(assigned, minlength=n).astype(np.float32)[:, None]
        # A centroid that lost all its rows stays where it was.
        means = np.where(counts > 0, sums / np.maximum(counts, 1), means)
    return means


def _assigned(
    rows: QuantisedRows, directions: NDArray[np.float32], threads: int
) -> NDArray[np.uint16]:
    one_group = _grouped([directions])
    return one_group.assign(rows, threads=threads, exhaustive=True)


def _grouped(groups: list[NDArray[np.float32]]) -> Centroids:
    heads = unit(np.stack([group.sum(axis=0) for group in groups]))
    starts = np.cumsum([0, *map(len, groups)]).astype(np.int64)
    vectors = np.concatenate(groups)
    return Centroids(vectors.astype(np.float16), heads.astype(np.float16), starts)


def _decoded(rows: QuantisedRows) -> NDArray[np.float32]:
    decoded: NDArray[np.float32] = rows.codes.astype(np.float32) * rows.scales[:, None]
    return decoded


def _choice(n: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    chosen: NDArray[np.int64] = np.sort(rng.choice(n, size, replace=False))
    return chosen
