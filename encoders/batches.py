"""Which texts go through a model together?"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError


def plan_batches(
    lengths: Sequence[int] | NDArray[np.int64], *, max_tokens: int
) -> list[NDArray[np.int64]]:
    """Row numbers of each batch; every row stands in exactly one.

    Rows are taken longest first, ties by row number, so that a batch holds rows of similar
    length and the largest batch, the one that could run out of memory, comes first. The longest
    row of a batch times its number of rows, which is its size once padded, stays within
    `max_tokens`; a single row longer than that makes a batch of its own.

    Args:
        lengths: Tokens of each row, (n_rows,).
        max_tokens: Tokens of one batch, padding counted.

    Returns:
        Arrays of row numbers, int64.

    Raises:
        ShapeError: if `max_tokens` is below one.
    """
    if max_tokens < 1:
        raise ShapeError(f"max_tokens is {max_tokens}; expected at least 1")
    sizes = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-sizes, kind="stable").astype(np.int64, copy=False)
    batches: list[NDArray[np.int64]] = []
    start = 0
    while start < len(order):
        longest = max(int(sizes[order[start]]), 1)
        stop = start + max(max_tokens // longest, 1)
        batches.append(order[start:stop])
        start = stop
    return batches
