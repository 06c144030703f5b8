"""How is a store of each name built, checked and opened?"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lexmax.index.stores.bytes import ByteKind, ByteVectors, RefinedStore, byte_rows
from lexmax.index.stores.flat import FlatKind
from lexmax.index.stores.graph import GraphKind
from lexmax.index.stores.products import ProductKind
from lexmax.index.stores.signs import SignKind
from lexmax.index.stores.spec import StoreSpec
from lexmax.index.stores.store import Arrays, Coder, Form, Store, StoreKind

_PRODUCTS = ProductKind()
_KINDS: Mapping[str, StoreKind] = {
    "flat": FlatKind(),
    "sq8": ByteKind(),
    "bits": SignKind(),
    "hnsw": GraphKind(),
    **dict.fromkeys(("pq4", "pq8", "opq4", "opq8", "ivf-pq4", "ivf-pq8"), _PRODUCTS),
}
_REFINED = "refined_"


def forms(spec: StoreSpec, n: int, dim: int) -> dict[str, Form]:
    """The arrays of a store of n vectors of dim."""
    found = _KINDS[spec.name].forms(spec, n, dim)
    if spec.refine:
        again = _KINDS["sq8"].forms(spec, n, dim)
        found |= {_REFINED + name: form for name, form in again.items()}
    return found


def train(spec: StoreSpec, sample: NDArray[np.float32], *, seed: int) -> Arrays:
    """What a store's codes depend on, from a sample (m, dim) of its vectors."""
    return _KINDS[spec.name].train(spec, sample, seed=seed)


def coder(spec: StoreSpec, trained: Arrays) -> Coder:
    """Makes the rows of a store's arrays from vectors (n, dim)."""
    first = _KINDS[spec.name].coder(spec, trained)
    if not spec.refine:
        return first

    def both(vectors: NDArray[np.float32]) -> Arrays:
        again = {_REFINED + name: rows for name, rows in byte_rows(vectors).items()}
        return first(vectors) | again

    return both


def complete(spec: StoreSpec, arrays: Arrays) -> Arrays:
    """All arrays of a store, given those that were trained and all rows."""
    return arrays | _KINDS[spec.name].complete(spec, arrays)


def open_store(spec: StoreSpec, arrays: Arrays) -> Store:
    """A store over arrays that have its forms."""
    first = _KINDS[spec.name].open(spec, arrays)
    if not spec.refine:
        return first
    again = ByteVectors(arrays[_REFINED + "codes"], arrays[_REFINED + "scales"])
    return RefinedStore(first, again, spec.refine)
