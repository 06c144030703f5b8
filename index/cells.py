"""Which cells divide the token vectors of a collection? Spherical k-means (Dhillon & Modha)."""

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.index.product import multiply, padded

# Tokens a cell is trained on at most, and how often cells move.
_TOKENS_A_CELL = 256
_ITERATIONS = 8


def train_cells(
    sample: NDArray[np.float32], n_cells: int, *, seed: tuple[int, ...]
) -> NDArray[np.float32]:
    """Unit vectors (n_cells, dim) that the vectors (n, dim) of a sample cluster about.

    A vector belongs to the cell with which its product is greatest, the first of several; a cell
    that loses all of its vectors stays where it is. The number of threads changes nothing.

    Raises:
        ShapeError: if the sample has no vectors.
    """
    if len(sample) == 0:
        raise ShapeError("the sample has no vectors; expected one or more to train cells on")
    rng = np.random.default_rng(seed)
    n = min(len(sample), _TOKENS_A_CELL * n_cells)
    chosen = sample[np.sort(rng.choice(len(sample), n, replace=False))]
    cells = _unit(chosen[rng.choice(n, n_cells, replace=n < n_cells)])
    for _ in range(_ITERATIONS):
        cells = _moved(chosen, cells)
    return cells


def _moved(vectors: NDArray[np.float32], cells: NDArray[np.float32]) -> NDArray[np.float32]:
    cell_of = multiply(vectors, padded(cells.T), len(cells)).argmax(axis=1)
    order = np.argsort(cell_of, kind="stable")
    found, starts = np.unique(cell_of[order], return_index=True)
    moved = cells.copy()
    moved[found] = _unit(np.add.reduceat(vectors[order], starts, axis=0))
    return moved


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = rows / np.maximum(norms, np.finfo(np.float32).tiny)
    return unit
