"""Vectors as bytes, and a graph of neighbours: for so many that a scan of all takes too long.

Hierarchical navigable small worlds (Malkov & Yashunin 2020): FAISS links the vectors, a kernel of
ours walks. Only the lowest level is stored, and where to begin: in many dimensions the levels
above are of no use (Munyampirwa et al. 2024), and a link that is damaged leads nowhere.
"""

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from lexmax.index.stores import faiss_codes
from lexmax.index.stores.bytes import ByteVectors, byte_rows
from lexmax.index.stores.spec import StoreSpec
from lexmax.index.stores.store import Arrays, Coder, Form, Row, Store, living
from lexmax.index.token_codec import decode
from lexmax.types import ranges

# Where fewer live, a walk meets mostly the dead: those that live are all scored.
_WALKED_SHARE = 0.05
# Where so many are wanted, a walk looks at nearly all.
_SCANNED_SHARE = 0.1
_BLOCK = 4096


class GraphKind:
    """As `StoreKind`; arrays of bytes, `links` int32 (n, 2 m), `entries` int32 (root of n,)."""

    def forms(self, spec: StoreSpec, n: int, dim: int) -> dict[str, Form]:
        """As `StoreKind`."""
        return {
            "codes": Form(np.int8, (n, dim)),
            "scales": Form(np.float32, (n,)),
            "links": Form(np.int32, (n, 2 * spec.m)),
            "entries": Form(np.int32, (isqrt(n),)),
        }

    def train(self, spec: StoreSpec, sample: NDArray[np.float32], *, seed: int) -> Arrays:
        """Nothing."""
        return {}

    def coder(self, spec: StoreSpec, trained: Arrays) -> Coder:
        """As `StoreKind`."""
        return byte_rows

    def complete(self, spec: StoreSpec, arrays: Arrays) -> Arrays:
        """The graph; on one thread, whose order of vectors is always the same."""
        codes, scales = arrays["codes"], arrays["scales"]
        blocks = (decode(codes[a:b], scales[a:b]) for a, b in ranges(len(codes), _BLOCK))
        links, levels = faiss_codes.linked(blocks, codes.shape[1], spec.m)
        entries = np.argsort(-levels, kind="stable")[: isqrt(len(codes))]
        return {"links": links, "entries": np.sort(entries).astype(np.int32)}

    def open(self, spec: StoreSpec, arrays: Arrays) -> Store:
        """As `StoreKind`."""
        vectors = ByteVectors(arrays["codes"], arrays["scales"])
        return GraphStore(vectors, arrays["links"], arrays["entries"], beam=spec.ef)


class GraphStore:
    """A walk over links; a scan where few live or many are wanted, or a walk finds too few."""

    def __init__(
        self,
        vectors: ByteVectors,
        links: NDArray[np.int32],
        entries: NDArray[np.int32],
        *,
        beam: int,
    ) -> None:
        self._vectors, self._graph, self._beam = vectors, (links, entries), beam

    def nearest(
        self, vector: NDArray[np.float32], n: int, alive: NDArray[np.bool_] | None = None
    ) -> Row:
        """As `Store.nearest`."""
        size = len(self._vectors)
        most = living(alive, size)
        if most >= _WALKED_SHARE * size and n <= _SCANNED_SHARE * size:
            found = self._vectors.walk(vector, n, alive, graph=self._graph, beam=self._beam)
            if len(found[0]) >= min(n, most):
                return found
        return self._vectors.scan(vector, n, alive)
