"""What must a search of pooled vectors find? The plain numpy twin of the kernels, for tests."""

import numpy as np
from numpy.typing import NDArray

from lexmax.types import Hits, best_first

_MOST = 127 * 65536 + 127 * 256 + 127


def byte_products(
    query: NDArray[np.float32], codes: NDArray[np.int8], scales: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Products of a query (dim,) with codes (n, dim) * scales (n,): the bits of the kernels.

    The query is rounded to whole multiples of its greatest coordinate / 8,355,711. The sum of
    products with codes is exact; it is multiplied in float64 and rounded to float32 at the end.
    -inf where the scale is 0: no vector.
    """
    unit = np.float64(np.abs(query).max(initial=0.0)) / _MOST
    whole = np.rint(query.astype(np.float64) / (unit if unit > 0 else np.inf)).astype(np.int64)
    dots = (codes.astype(np.int64) @ whole).astype(np.float64)
    with np.errstate(over="ignore"):
        products = (dots * (unit * scales.astype(np.float64))).astype(np.float32)
    return np.where(scales > 0, products, np.float32(-np.inf))


def half_products(query: NDArray[np.float32], vectors: NDArray[np.float16]) -> NDArray[np.float32]:
    """Products of a query (dim,) with halves (n, dim) in float64, rounded at the end.

    The kernels add in float32, coordinate by coordinate. -inf where all halves are 0: no vector.
    """
    with np.errstate(over="ignore"):
        products = (vectors.astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
    return np.where(vectors.any(axis=1), products, np.float32(-np.inf))


def search(
    queries: NDArray[np.float32],
    codes: NDArray[np.int8] | NDArray[np.float16],
    scales: NDArray[np.float32] | None,
    k: int,
    *,
    alive: NDArray[np.bool_] | None = None,
) -> Hits:
    """The best documents of every query (n_queries, dim): hits of shape (n_queries, min(k, n)).

    Documents without a vector are no hits; a zero query has none.
    """
    rows: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    for query in queries:
        if scales is None:
            products = half_products(query, codes.view(np.float16))
        else:
            products = byte_products(query, codes.view(np.int8), scales)
        found = (products > -np.inf) & bool(query.any())
        ordinals = np.flatnonzero(found if alive is None else found & alive)
        rows.append(best_first(ordinals, products[ordinals], k))
    return Hits.from_rows(rows, min(k, len(codes)))
