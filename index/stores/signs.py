"""Vectors as the signs of their coordinates, and a scale: one bit each, scanned by counting.

The scale is the mean magnitude, which makes signs * scale the nearest such vector to the whole
one (Rastegari et al. 2016, section 3.1).
"""

import numpy as np
from numpy.typing import NDArray

from lexmax.index import _native
from lexmax.index.stores.bytes import room, scaled
from lexmax.index.stores.spec import StoreSpec
from lexmax.index.stores.store import Arrays, Coder, Form, Row, Store, living


class SignKind:
    """As `StoreKind`; arrays `codes` uint8 (n, ceil(dim / 8)) and `scales` float32 (n,)."""

    def forms(self, spec: StoreSpec, n: int, dim: int) -> dict[str, Form]:
        """As `StoreKind`."""
        return {"codes": Form(np.uint8, (n, -(-dim // 8))), "scales": Form(np.float32, (n,))}

    def train(self, spec: StoreSpec, sample: NDArray[np.float32], *, seed: int) -> Arrays:
        """Nothing."""
        return {}

    def coder(self, spec: StoreSpec, trained: Arrays) -> Coder:
        """As `StoreKind`."""
        return sign_rows

    def complete(self, spec: StoreSpec, arrays: Arrays) -> Arrays:
        """Nothing."""
        return {}

    def open(self, spec: StoreSpec, arrays: Arrays) -> Store:
        """As `StoreKind`."""
        return SignStore(arrays["codes"], arrays["scales"])


class SignStore:
    """A scan of all signs that live."""

    def __init__(self, codes: NDArray[np.uint8], scales: NDArray[np.float32]) -> None:
        self._codes, self._scales = codes, scales

    def nearest(
        self,
        vector: NDArray[np.float32],
        n: int,
        alive: NDArray[np.bool_] | None = None,
        *,
        path: str = "auto",
    ) -> Row:
        """As `Store.nearest`."""
        query = sign_rows(vector[None])
        ordinals, scores = room(living(alive, len(self._codes)), n)
        found = _native.scan_bits(
            query["codes"][0],
            self._codes,
            self._scales,
            len(vector),
            alive,
            ordinals,
            scores,
            path=path,
        )
        return scaled((ordinals[:found], scores[:found]), query["scales"][0])


def sign_rows(vectors: NDArray[np.float32]) -> Arrays:
    """Codes and scales of vectors (n, dim)."""
    return {
        "codes": np.packbits(vectors > 0, axis=1),
        "scales": np.abs(vectors).mean(axis=1, dtype=np.float32),
    }
