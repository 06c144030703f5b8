"""Which few directions keep most of the inner products of long vectors?

The span of the strongest singular vectors of a sample, found by randomised subspace iteration
(Halko, Martinsson & Tropp 2011, algorithm 4.4), uncentred because inner products are what counts.
Its basis is turned at random, which spreads the variance evenly over the coordinates: product
quantisation gives each of them the same number of bits.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError
from lexmax.index.npy import map_npy, write_npy
from lexmax.index.product import multiply, padded
from lexmax.index.threads import one_thread

_FILE = "fde.projection.npy"
_ITERATIONS = 2


class Projection:
    """An orthonormal basis, as halves: matrix float16 (long_dim, dim)."""

    def __init__(self, matrix: NDArray[np.float16], source: Path | None = None) -> None:
        self.matrix = matrix
        self._source = source
        self._columns: NDArray[np.float32] | None = None

    @staticmethod
    def fit(sample: NDArray[np.float32], dim: int, *, seed: int) -> "Projection":
        """The `dim` directions that keep most of a sample (n, long_dim); dim at most both.

        Time is 5 products of the sample with a matrix of `dim` columns; the number of threads does
        not change the result.
        """
        rng = np.random.default_rng(seed)
        start = rng.standard_normal((len(sample), dim)).astype(np.float32)
        turn = rng.standard_normal((dim, dim)).astype(np.float32)
        with one_thread():
            basis = _orthonormal(sample.T @ start)
            for _ in range(_ITERATIONS):
                basis = _orthonormal(sample.T @ (sample @ basis))
            return Projection((basis @ _orthonormal(turn)).astype(np.float16))

    @staticmethod
    def open(directory: Path) -> "Projection":
        """Map what `save` wrote.

        Raises:
            CorruptionError: if the file is missing, or has another length or dtype.
        """
        return Projection(map_npy(directory / _FILE, (np.float16,), 2), directory / _FILE)

    def save(self, directory: Path) -> None:
        """Write `fde.projection.npy`."""
        write_npy(directory / _FILE, self.matrix)

    @property
    def long_dim(self) -> int:
        """Coordinates before."""
        return int(self.matrix.shape[0])

    @property
    def dim(self) -> int:
        """Coordinates after."""
        return int(self.matrix.shape[1])

    def apply(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows (n, long_dim) in (n, dim); a row's bits do not depend on the others.

        Raises:
            CorruptionError: if the file holds NaN or infinity.
        """
        if self._columns is None:
            self._columns = self._checked()
        return multiply(rows, self._columns, self.dim)

    def _checked(self) -> NDArray[np.float32]:
        columns = padded(self.matrix)
        if not np.isfinite(columns).all():
            raise CorruptionError(
                f"{self._source}: found NaN or infinity; expected finite numbers; "
                "run `lexmax rebuild` on the collection, or restore a backup"
            )
        return columns


def _orthonormal(columns: NDArray[Any]) -> NDArray[np.float32]:
    return np.linalg.qr(columns)[0]
