"""What must the scans of coded vectors find? The plain numpy twin of the kernels, for tests."""

import heapq

import numpy as np
from numpy.typing import NDArray

Row = tuple[NDArray[np.int64], NDArray[np.float32]]


def byte_products(
    query: NDArray[np.int8], codes: NDArray[np.int8], scales: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Products of a query (dim,) with vectors (n, dim), times their scales: (n,)."""
    dots = codes.astype(np.int64) @ query.astype(np.int64)
    return dots.astype(np.float32) * scales


def sign_products(
    query: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    scales: NDArray[np.float32],
    *,
    dim: int,
) -> NDArray[np.float32]:
    """The same of signs packed eight a byte, query (width,) and vectors (n, width)."""
    differing = np.unpackbits(codes ^ query, axis=1).sum(axis=1, dtype=np.int64)
    dots: NDArray[np.float32] = (dim - 2 * differing).astype(np.float32)
    return dots * scales


def nearest(products: NDArray[np.float32], n: int, alive: NDArray[np.bool_] | None = None) -> Row:
    """Ordinals and products of the greatest n that live, best first, ties by the ordinal."""
    ordinals = np.arange(len(products)) if alive is None else np.flatnonzero(alive)
    order = np.lexsort((ordinals, -products[ordinals]))[:n]
    return ordinals[order], products[ordinals[order]]


def walk(
    products: NDArray[np.float32],
    links: NDArray[np.int32],
    entries: NDArray[np.int32],
    *,
    beam: int,
    alive: NDArray[np.bool_] | None = None,
) -> Row:
    """What a walk over a graph finds (Malkov & Yashunin 2020, algorithm 2), best first.

    Products (n,), links (n, width), of which those outside 0..n - 1 are none.
    """
    seen: set[int] = set()
    ahead: list[tuple[float, int]] = []
    found: list[tuple[float, int]] = []

    def visit(ordinals: NDArray[np.int32]) -> None:
        for ordinal in ordinals.tolist():
            if not 0 <= ordinal < len(products) or ordinal in seen:
                continue
            seen.add(ordinal)
            one = (float(products[ordinal]), -ordinal)
            if len(found) >= beam and one < found[0]:
                continue
            heapq.heappush(ahead, (-one[0], ordinal))
            if alive is None or alive[ordinal]:
                heapq.heappush(found, one)
                if len(found) > beam:
                    heapq.heappop(found)

    visit(entries)
    while ahead:
        score, ordinal = heapq.heappop(ahead)
        if len(found) >= beam and (-score, -ordinal) < found[0]:
            break
        visit(links[ordinal])
    best = sorted(found, reverse=True)
    ordinals = np.array([-ordinal for _, ordinal in best], dtype=np.int64)
    return ordinals, products[ordinals]
