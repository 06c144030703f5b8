"""Which vectors have the greatest inner product with one? A look at all of them.

Few vectors are kept as they are; many as codes of 4 bits for two coordinates, which FAISS scans
in registers (product quantisation, Jegou et al. 2011; fast scan, Andre et al. 2017).
"""

import importlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lexmax.index.product import multiply, padded
from lexmax.index.threads import one_thread

# Centroids of a codebook: what 4 bits can tell apart.
_CENTROIDS = 16
# Coordinates that one codebook covers.
_SUB_DIM = 2


class Scan(Protocol):
    """Finds the vectors with the greatest inner products."""

    def nearest(
        self, vector: NDArray[np.float32], n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ordinals and estimated products of at most `n`, in no order; n is 1 or more."""
        ...


class FlatScan:
    """Exact products with vectors (n, dim)."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors
        self._columns: NDArray[np.float32] | None = None

    def nearest(
        self, vector: NDArray[np.float32], n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """As `Scan.nearest`."""
        if self._columns is None:
            self._columns = padded(self._vectors.T)
        products = multiply(vector[None], self._columns, len(self._vectors))[0]
        order = np.argsort(-products, kind="stable")[:n]
        return order, products[order]


class PqScan:
    """Products with codes uint8 (n, dim / 4): two codes a byte, the first in the low bits.

    codebooks float32 (dim / 2, 16, 2).
    """

    def __init__(self, codebooks: NDArray[np.float32], codes: NDArray[np.uint8]) -> None:
        self._codebooks, self._codes = codebooks, codes
        self._index: Any = None

    def nearest(
        self, vector: NDArray[np.float32], n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """As `Scan.nearest`."""
        if self._index is None:
            self._index = _fast_scan(self._codebooks, self._codes)
        scores, ordinals = self._index.search(vector[None], min(n, len(self._codes)))
        found = ordinals[0] >= 0
        return ordinals[0][found], scores[0][found]


def train_codebooks(sample: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    """Codebooks (dim / 2, 16, 2) for vectors like the sample (n, dim), dim a multiple of 4."""
    with one_thread():
        quantiser = _quantiser(sample.shape[1])
        quantiser.cp.seed = seed % 2**31
        quantiser.train(sample)
        centroids: NDArray[np.float32] = _faiss().vector_to_array(quantiser.centroids)
    return centroids.reshape(-1, _CENTROIDS, _SUB_DIM).copy()


def encode(vectors: NDArray[np.float32], codebooks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Codes (n, dim / 4) of vectors (n, dim)."""
    codes: NDArray[np.uint8] = _with_codebooks(codebooks).compute_codes(vectors)
    return codes


def _faiss() -> Any:
    return importlib.import_module("faiss")


def _quantiser(dim: int) -> Any:
    return _faiss().ProductQuantizer(dim, dim // _SUB_DIM, 4)


def _with_codebooks(codebooks: NDArray[np.float32]) -> Any:
    quantiser = _quantiser(len(codebooks) * _SUB_DIM)
    _faiss().copy_array_to_vector(codebooks.reshape(-1), quantiser.centroids)
    return quantiser


def _fast_scan(codebooks: NDArray[np.float32], codes: NDArray[np.uint8]) -> Any:
    faiss = _faiss()
    dim = len(codebooks) * _SUB_DIM
    index = faiss.IndexPQ(dim, dim // _SUB_DIM, 4, faiss.METRIC_INNER_PRODUCT)
    index.pq = _with_codebooks(codebooks)
    faiss.copy_array_to_vector(np.ascontiguousarray(codes).reshape(-1), index.codes)
    index.ntotal, index.is_trained = len(codes), True
    return faiss.IndexPQFastScan(index)
