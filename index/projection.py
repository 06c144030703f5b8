"""Which few directions keep most of the inner products of long vectors?

Without queries, the span of the strongest singular vectors of a sample, found by randomised
subspace iteration (Halko, Martinsson & Tropp 2011, algorithm 4.4), uncentred because inner
products are what counts. With queries, a matrix for each side, by which the products of sample
queries with sample documents change least (LeanVec, Tepper et al. 2024, arXiv 2312.16335).
Both bases are turned at random, which spreads the variance evenly over the coordinates: product
quantisation gives each of them the same number of bits.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError
from lexmax.index.npy import map_npy, write_npy
from lexmax.index.product import multiply, padded_halves
from lexmax.index.threads import one_thread

_FILE, _QUERY_FILE = "fde.projection.npy", "fde.query_projection.npy"
_ITERATIONS = 2
# Directions for each that is kept, the documents' strongest, in which queries and documents are
# compared: more cost time and hold mostly noise.
_COMPARED = 2
# How much of the documents' spread the queries are taken to have: a sample of queries is small.
_SHRINKAGE = 0.3
_LEAST = 1e-6


class Projection:
    """Matrices of halves (long_dim, dim): `matrix` for documents, `query_matrix` for queries.

    They are one and the same unless sample queries were given; then their columns are not
    orthonormal, and only products of a query with a document mean anything.
    """

    def __init__(
        self,
        matrix: NDArray[np.float16],
        source: Path | None = None,
        *,
        query_matrix: NDArray[np.float16] | None = None,
    ) -> None:
        self.matrix = matrix
        self.query_matrix = matrix if query_matrix is None else query_matrix
        self._source = source
        self._columns: dict[int, NDArray[np.float16]] = {}

    @staticmethod
    def fit(
        sample: NDArray[np.float32],
        dim: int,
        *,
        seed: int,
        queries: NDArray[np.float32] | None = None,
    ) -> "Projection":
        """The `dim` directions that keep most of a sample (n, long_dim); dim at most both.

        With `queries` (m, long_dim), those that keep most of their products with the sample, of
        the 2 * `dim` that keep most of the sample.
        Time is 5 products of the sample with a matrix of `dim` columns, twice as many with
        queries; the number of threads does not change the result.
        """
        rng = np.random.default_rng(seed)
        n_columns = dim if queries is None else min(_COMPARED * dim, *sample.shape)
        start = rng.standard_normal((len(sample), n_columns)).astype(np.float32)
        turn = rng.standard_normal((dim, dim)).astype(np.float32)
        with one_thread():
            basis = _orthonormal(sample.T @ start)
            for _ in range(_ITERATIONS):
                basis = _orthonormal(sample.T @ (sample @ basis))
            turn = _orthonormal(turn)
            if queries is None:
                return Projection((basis @ turn).astype(np.float16))
            sides = _sides(queries @ basis, sample @ basis, dim)
            for_queries, for_documents = (
                (basis @ side @ turn).astype(np.float16) for side in sides
            )
        return Projection(for_documents, query_matrix=for_queries)

    @staticmethod
    def sketch(long_dim: int, dim: int, *, seed: int) -> "Projection":
        """A count sketch: each coordinate is added to a random one with a random sign.

        MUVERA's final projection (Dhulipala et al. 2024, section 2; a count sketch in the
        authors' program), which needs no sample and keeps products less well.
        """
        rng = np.random.default_rng(seed)
        matrix = np.zeros((long_dim, dim), dtype=np.float16)
        signs = rng.choice(np.array([-1, 1], dtype=np.float16), long_dim)
        matrix[np.arange(long_dim), rng.integers(0, dim, long_dim)] = signs
        return Projection(matrix)

    @staticmethod
    def open(directory: Path) -> "Projection":
        """Map what `save` wrote.

        Raises:
            CorruptionError: if the file is missing, or has another length, dtype or shape.
        """
        matrix = map_npy(directory / _FILE, (np.float16,), 2)
        if not (directory / _QUERY_FILE).exists():
            return Projection(matrix, directory)
        query_matrix = map_npy(directory / _QUERY_FILE, (np.float16,), 2)
        if query_matrix.shape != matrix.shape:
            raise CorruptionError(
                f"{directory / _QUERY_FILE}: found {query_matrix.shape}; expected {matrix.shape}; "
                "run `lexmax rebuild` on the collection, or restore a backup"
            )
        return Projection(matrix, directory, query_matrix=query_matrix)

    def save(self, directory: Path) -> None:
        """Write `fde.projection.npy`, and `fde.query_projection.npy` if queries have their own."""
        write_npy(directory / _FILE, self.matrix)
        if self.query_matrix is not self.matrix:
            write_npy(directory / _QUERY_FILE, self.query_matrix)

    @property
    def long_dim(self) -> int:
        """Coordinates before."""
        return int(self.matrix.shape[0])

    @property
    def dim(self) -> int:
        """Coordinates after."""
        return int(self.matrix.shape[1])

    def apply(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Documents (n, long_dim) in (n, dim); a row's bits do not depend on the others.

        Raises:
            CorruptionError: if the file holds NaN or infinity; this holds for queries too.
        """
        return self._multiply(rows, self.matrix, _FILE)

    def apply_queries(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Queries (n, long_dim) in (n, dim)."""
        same = self.query_matrix is self.matrix
        return self._multiply(rows, self.query_matrix, _FILE if same else _QUERY_FILE)

    def _multiply(
        self, rows: NDArray[np.float32], matrix: NDArray[np.float16], name: str
    ) -> NDArray[np.float32]:
        if id(matrix) not in self._columns:
            self._columns[id(matrix)] = self._checked(matrix, name)
        return multiply(rows, self._columns[id(matrix)], self.dim)

    def _checked(self, matrix: NDArray[np.float16], name: str) -> NDArray[np.float16]:
        if not np.isfinite(matrix).all():
            raise CorruptionError(
                f"{(self._source or Path()) / name}: found NaN or infinity; expected finite "
                "numbers; run `lexmax rebuild` on the collection, or restore a backup"
            )
        return padded_halves(matrix)


def _orthonormal(columns: NDArray[Any]) -> NDArray[np.float32]:
    return np.linalg.qr(columns)[0]


def _sides(
    queries: NDArray[np.float32], documents: NDArray[np.float32], dim: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Matrices (long, dim) of queries (m, long) and documents (n, long).

    The best approximation of rank `dim` to all products of a query with a document, in closed
    form: the strongest singular vectors of sqrt(K_q) sqrt(K_d), with K the second moments of
    each side, scaled back by the inverses of the square roots. K_q is mixed with K_d: with
    K_d alone the result would be the directions that keep most of the documents.
    """
    moments_d = _moments(documents)
    moments_q = (1 - _SHRINKAGE) * _moments(queries) + _SHRINKAGE * moments_d
    root_q, inverse_q = _roots(moments_q)
    root_d, inverse_d = _roots(moments_d)
    left, strengths, right = np.linalg.svd(root_q @ root_d)
    scale = np.sqrt(strengths[:dim])
    for_queries, for_documents = inverse_q @ left[:, :dim], inverse_d @ right[:dim].T
    return (for_queries * scale).astype(np.float32), (for_documents * scale).astype(np.float32)


def _moments(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Second moments, (long, long), scaled to trace 1, or zero for rows of zeros."""
    wide = rows.astype(np.float64)
    moments: NDArray[np.float64] = wide.T @ wide
    return moments / max(float(np.trace(moments)), np.finfo(np.float64).tiny)


def _roots(moments: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The square root of a symmetric matrix and its inverse, kept away from zero."""
    values, vectors = np.linalg.eigh(moments)
    least = max(_LEAST / len(values), np.finfo(np.float64).tiny)
    roots = np.sqrt(np.maximum(values, least))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T
