"""Which matrix product gives a row the same bits in any company, on any number of threads?"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.index import _native

# The kernels' registers hold this many columns.
_LANES = 16


def padded(columns: NDArray[np.floating]) -> NDArray[np.float32]:
    """A matrix (depth, n) as float32, with columns of zeros up to a multiple of 16."""
    return _padded(columns, np.dtype(np.float32))


def padded_halves(columns: NDArray[np.float16]) -> NDArray[np.float16]:
    """A matrix (depth, n) with columns of zeros up to a multiple of 16, or itself."""
    if columns.shape[1] % _LANES == 0 and columns.flags.c_contiguous:
        return columns
    return _padded(columns, np.dtype(np.float16))


def multiply(
    rows: NDArray[np.float32], columns: NDArray[np.float32] | NDArray[np.float16], n: int
) -> NDArray[np.float32]:
    """The first `n` columns of rows (n_rows, depth) @ columns, which `padded` has made.

    Halves give the same bits as the same numbers in float32, and are read in half the time.
    """
    out = np.empty((len(rows), columns.shape[1]), dtype=np.float32)
    rows = np.ascontiguousarray(rows)
    if columns.dtype == np.float16:
        _native.project_halves(rows, columns.view(np.uint16), out)
    else:
        _native.project(rows, columns.astype(np.float32, copy=False), out)
    return np.ascontiguousarray(out[:, :n])


def _padded(columns: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    depth, n = columns.shape
    matrix = np.zeros((depth, n + -n % _LANES), dtype=dtype)
    matrix[:, :n] = columns
    return matrix
