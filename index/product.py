"""Which matrix product gives a row the same bits in any company, on any number of threads?"""

import numpy as np
from numpy.typing import NDArray

from lexmax.index import _native

# The kernels' registers hold this many columns.
_LANES = 16


def padded(columns: NDArray[np.floating]) -> NDArray[np.float32]:
    """A matrix (depth, n) as float32, with columns of zeros up to a multiple of 16."""
    depth, n = columns.shape
    matrix = np.zeros((depth, n + -n % _LANES), dtype=np.float32)
    matrix[:, :n] = columns
    return matrix


def multiply(
    rows: NDArray[np.float32], columns: NDArray[np.float32], n: int
) -> NDArray[np.float32]:
    """The first `n` columns of rows (n_rows, depth) @ columns, which `padded` has made."""
    out = np.empty((len(rows), columns.shape[1]), dtype=np.float32)
    _native.project(np.ascontiguousarray(rows), columns, out)
    return np.ascontiguousarray(out[:, :n])
