"""The exact store: float32 vectors as they are. The oracle of the others, and best for few."""

import numpy as np
from numpy.typing import NDArray

from lexmax.index.product import multiply, padded
from lexmax.index.stores.spec import StoreSpec
from lexmax.index.stores.store import Arrays, Coder, Form, Row, Store, cut


class FlatKind:
    """As `StoreKind`; array `codes` float32 (n, dim)."""

    def forms(self, spec: StoreSpec, n: int, dim: int) -> dict[str, Form]:
        """As `StoreKind`."""
        return {"codes": Form(np.float32, (n, dim))}

    def train(self, spec: StoreSpec, sample: NDArray[np.float32], *, seed: int) -> Arrays:
        """Nothing."""
        return {}

    def coder(self, spec: StoreSpec, trained: Arrays) -> Coder:
        """As `StoreKind`."""
        return lambda vectors: {"codes": vectors}

    def complete(self, spec: StoreSpec, arrays: Arrays) -> Arrays:
        """Nothing."""
        return {}

    def open(self, spec: StoreSpec, arrays: Arrays) -> Store:
        """As `StoreKind`."""
        return FlatStore(arrays["codes"])


class FlatStore:
    """Exact products with vectors (n, dim)."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors
        self._columns: NDArray[np.float32] | None = None

    def nearest(
        self, vector: NDArray[np.float32], n: int, alive: NDArray[np.bool_] | None = None
    ) -> Row:
        """As `Store.nearest`."""
        if self._columns is None:
            self._columns = padded(self._vectors.T)
        products = multiply(vector[None], self._columns, len(self._vectors))[0]
        ordinals = np.arange(len(products)) if alive is None else np.flatnonzero(alive)
        return cut((ordinals, products[ordinals]), n)
