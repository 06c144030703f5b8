"""What is the right answer of residual codes? Written to be read, in the kernels' arithmetic."""

import numpy as np
from numpy.typing import NDArray

from lexmax.index.oracle_multivector import quantise


def codes_of(row: NDArray[np.uint8], bits: int, dim: int) -> list[int]:
    """The codes of the dim coordinates of a token, whose bytes are `row` (n_bytes,).

    Coordinate i is bits (i // n_bytes) * bits and up of byte i % n_bytes.
    """
    n_bytes = len(row)
    return [(int(row[i % n_bytes]) >> (i // n_bytes * bits)) & (2**bits - 1) for i in range(dim)]


def maxsim(
    query: NDArray[np.float32],
    tokens: NDArray[np.int8],
    scales: NDArray[np.float16],
    assigned: NDArray[np.uint16],
    *,
    centroids: NDArray[np.float32],
    widths: NDArray[np.float32],
) -> np.float32:
    """MaxSim of a query (n_query_tokens, dim) and one document, in the arithmetic of the kernels.

    tokens (n_tokens, dim) are the levels that the codes name, not the codes. Integers are exact;
    every operation on float32 is rounded once: the centroid's product times its scale; the
    residual's product times the query token's ratio; their sum; that times the token's scale. The
    score is the sum in float64, over query tokens in order, of the best times the query's scale.
    """
    if len(tokens) == 0:
        return np.float32(-np.inf)
    whole, query_scales = quantise(query)
    widened, widened_scales = quantise(query * widths)
    centroid_codes, centroid_scales = quantise(centroids)
    total = 0.0
    for q, scale in enumerate(query_scales):
        ratio = widened_scales[q] / scale if scale > 0 else np.float32(0)
        best = -np.inf
        for token, token_scale, centroid in zip(tokens, scales, assigned, strict=True):
            near = np.float32(_dot(whole[q], centroid_codes[centroid])) * centroid_scales[centroid]
            rest = np.float32(_dot(widened[q], token)) * ratio
            best = max(best, float((near + rest) * np.float32(token_scale)))
        total += best * float(scale)
    return np.float32(total)


def _dot(a: NDArray[np.int8], b: NDArray[np.int8]) -> int:
    return int(a.astype(np.int64) @ b.astype(np.int64))
