"""What is the right answer? MaxSim, written to be read.

Every kernel is tested against these: the quantised score to the bit.
"""

import numpy as np
from numpy.typing import NDArray

from lexmax.types import Hits, TokenBatch, best_first


def maxsim(query: NDArray[np.float32], document: NDArray[np.float32]) -> float:
    """Sum over query tokens of the best inner product with a document token.

    query (n_query_tokens, dim), document (n_tokens, dim); -inf for a document without tokens
    (Khattab & Zaharia 2020, section 3.3).
    """
    if len(document) == 0:
        return -np.inf
    products = query.astype(np.float64) @ document.astype(np.float64).T
    return float(products.max(axis=1).sum())


def search(
    documents: TokenBatch, queries: TokenBatch, k: int, *, alive: NDArray[np.bool_] | None = None
) -> Hits:
    """The best documents of every query: hits of shape (n_queries, min(k, n_docs)).

    A document without tokens is no hit, nor is one whose `alive` (n_docs,) is False; a query
    without tokens has no hits.
    """
    rows = [_search_one(documents, queries.row(i), k, alive) for i in range(len(queries))]
    return Hits.from_rows(rows, min(k, len(documents)))


def _search_one(
    documents: TokenBatch, query: NDArray[np.float32], k: int, alive: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    found = [
        ordinal
        for ordinal in range(len(documents))
        if len(query) and len(documents.row(ordinal)) and (alive is None or alive[ordinal])
    ]
    scores = [maxsim(query, documents.row(ordinal)) for ordinal in found]
    return best_first(np.array(found, dtype=np.int64), np.array(scores, dtype=np.float32), k)


def quantise(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Codes (n, dim) and scales (n,): scale = greatest magnitude / 127, 0 for a zero vector."""
    codes = np.zeros(vectors.shape, dtype=np.int8)
    scales = np.zeros(len(vectors), dtype=np.float32)
    for i, vector in enumerate(vectors):
        scales[i] = np.float32(max(abs(x) for x in vector)) / np.float32(127)
        if scales[i] > 0:
            codes[i] = [min(127, max(-127, np.rint(x / scales[i]))) for x in vector]
    return codes, scales


def quantised_maxsim(query: NDArray[np.float32], document: NDArray[np.float32]) -> np.float32:
    """MaxSim of quantised vectors, in the exact arithmetic of the kernels.

    Products of codes are summed in integers; a similarity is that sum as float32 times the
    document token's scale, rounded to float32; the score is the sum in float64, over query tokens
    in order, of the best similarity times the query token's scale.
    """
    if len(document) == 0:
        return np.float32(-np.inf)
    query_codes, query_scales = quantise(query)
    codes, scales = quantise(document)
    dots = query_codes.astype(np.int64) @ codes.astype(np.int64).T
    best = (dots.astype(np.float32) * scales).max(axis=1)
    total = 0.0
    for similarity, scale in zip(best, query_scales, strict=True):
        total += float(similarity) * float(scale)
    return np.float32(total)
