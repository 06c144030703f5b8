"""What must the search by clusters of tokens find? The numpy twin of the kernels, for tests."""

import numpy as np
from numpy.typing import NDArray

from lexmax.index.oracle_multivector import quantise

Row = tuple[NDArray[np.int64], NDArray[np.float32]]

# Clusters that the bound is counted off, at most.
_INSPECTED = 128


def centroid_similarities(
    query: NDArray[np.float32], centroids: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(query tokens, centroids), in units of the query token's scale: see `token_similarities`."""
    return token_similarities(query, *quantise(centroids))


def token_similarities(
    query: NDArray[np.float32], codes: NDArray[np.int8], scales: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(query tokens, tokens): exact integers times the token's scale, rounded once."""
    query_codes, _ = quantise(query)
    dots = query_codes.astype(np.int64) @ codes.astype(np.int64).T
    products: NDArray[np.float32] = dots.astype(np.float32) * scales
    return products


def residual_similarities(
    query: NDArray[np.float32],
    levels: NDArray[np.int8],
    scales: NDArray[np.float16],
    assigned: NDArray[np.uint16],
    *,
    centroids: NDArray[np.float32],
    widths: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The same of residual codes, whose levels are (tokens, dim): see `oracle_residual.maxsim`."""
    query_scales, (widened, widened_scales) = quantise(query)[1], quantise(query * widths)
    ratios = np.zeros(len(query), dtype=np.float32)
    np.divide(widened_scales, query_scales, out=ratios, where=query_scales > 0)
    dots = widened.astype(np.int64) @ levels.astype(np.int64).T
    rest = dots.astype(np.float32) * ratios[:, None]
    near = centroid_similarities(query, centroids)[:, assigned]
    products = (near + rest) * scales.astype(np.float32)
    return products.astype(np.float32)


def nearest(near: NDArray[np.float32], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Centroids that stand for tokens, nearest first, ties by the smaller; near (centroids,)."""
    filled = np.flatnonzero(sizes)
    order: NDArray[np.int64] = filled[np.lexsort((filled, -near[filled]))]
    return order


def imputed(
    near: NDArray[np.float32], sizes: NDArray[np.int64], *, n_probes: int, bound: int
) -> np.float32:
    """What a query token is to give where no token was read; near and sizes (centroids,).

    The similarity of the first centroid, nearest first, at which the sizes add up to more than the
    bound (Scheerer et al. 2025, section 4.3), or of the last one inspected.
    """
    at_mean_size = bound * np.count_nonzero(sizes) / sizes.sum()
    inspected = 1 + int(min(1.5 * at_mean_size, _INSPECTED - 1))
    order = nearest(near, sizes)[: max(n_probes, inspected)]
    place = int(np.count_nonzero(np.cumsum(sizes[order]) <= bound))
    return np.float32(near[order[min(place, len(order) - 1)]])


def search(
    similarities: NDArray[np.float32],
    near: NDArray[np.float32],
    weights: NDArray[np.float32],
    codes: NDArray[np.uint16],
    offsets: NDArray[np.int64],
    n: int,
    *,
    n_probes: int,
    bound: int,
    alive: NDArray[np.bool_] | None = None,
) -> Row:
    """The best n documents and their scores, best first, ties by the ordinal.

    similarities (query tokens, tokens) and near (query tokens, centroids), both to be multiplied
    with weights (query tokens,); codes (tokens,), offsets (documents + 1,).
    """
    sizes = np.bincount(codes, minlength=near.shape[1])
    probed = np.zeros(near.shape, dtype=bool)
    missing = np.zeros(len(near), dtype=np.float32)
    for q, row in enumerate(near):
        probed[q, nearest(row, sizes)[:n_probes]] = True
        missing[q] = imputed(row, sizes, n_probes=n_probes, bound=bound)
    found: dict[int, np.float32] = {}
    for doc in range(len(offsets) - 1):
        every: NDArray[np.int64] = np.arange(int(offsets[doc]), int(offsets[doc + 1]))
        tokens = every[probed[:, codes[every]].any(axis=0)]
        if len(tokens) == 0 or (alive is not None and not alive[doc]):
            continue
        total = 0.0
        for q, weight in enumerate(weights):
            best = similarities[q, tokens].max()
            if not probed[q, codes[tokens]].any():
                best = max(best, missing[q])
            total += float(best) * float(weight)
        found[doc] = np.float32(total)
    ordinals = np.array(sorted(found, key=lambda doc: (-found[doc], doc))[:n], dtype=np.int64)
    return ordinals, np.array([found[int(doc)] for doc in ordinals], dtype=np.float32)
