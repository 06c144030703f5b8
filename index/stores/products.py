"""Vectors as codes for a few coordinates each (product quantisation, Jegou et al. 2011).

Codes of 4 bits are scanned in registers (Andre et al. 2017), by FAISS. Vectors may be turned
first, to suit the codes (Ge et al. 2013), or lie in lists about centroids, of which a few are
scanned.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError
from lexmax.index.product import multiply, padded
from lexmax.index.stores import faiss_codes
from lexmax.index.stores.spec import StoreSpec
from lexmax.index.stores.store import Arrays, Coder, Form, Row, Store, cut, living


class ProductKind:
    """As `StoreKind`, for n vectors of dim.

    Arrays: `codes` uint8 (n, bytes), those of a FAISS ProductQuantizer; `codebooks` float32
    (dim / sub_dim, 16 or 256, sub_dim); for opq `rotation` float32 (dim, dim), whose columns the
    vectors are multiplied by; for ivf `lists` uint16 (n,) and `list_centroids` float32
    (lists, dim).
    """

    def forms(self, spec: StoreSpec, n: int, dim: int) -> dict[str, Form]:
        """As `StoreKind`."""
        places = dim // spec.sub_dim
        forms = {
            "codes": Form(np.uint8, (n, places * spec.bits // 8)),
            "codebooks": Form(np.float32, (places, 2**spec.bits, spec.sub_dim), finite=True),
        }
        if _turns(spec):
            forms["rotation"] = Form(np.float32, (dim, dim), finite=True)
        if spec.lists:
            forms["lists"] = Form(np.uint16, (n,))
            forms["list_centroids"] = Form(np.float32, (spec.lists, dim), finite=True)
        return forms

    def train(self, spec: StoreSpec, sample: NDArray[np.float32], *, seed: int) -> Arrays:
        """As `StoreKind`; fewer vectors than there are codes are all of them centroids."""
        trained: Arrays = {}
        shape = (2**spec.bits, spec.sub_dim)
        if _turns(spec):
            trained["rotation"] = faiss_codes.train_rotation(sample, *shape, seed=seed)
            sample = _turned(sample, padded(trained["rotation"]))
        trained["codebooks"] = faiss_codes.train_codebooks(sample, *shape, seed=seed)
        if spec.lists:
            trained["list_centroids"] = faiss_codes.train_lists(sample, spec.lists, seed=seed)
        return trained

    def coder(self, spec: StoreSpec, trained: Arrays) -> Coder:
        """As `StoreKind`."""
        quantiser = faiss_codes.quantiser(trained["codebooks"])
        turn = padded(trained["rotation"]) if _turns(spec) else None

        def rows(vectors: NDArray[np.float32]) -> Arrays:
            if turn is not None:
                vectors = _turned(vectors, turn)
            made: Arrays = {"codes": quantiser.compute_codes(vectors)}
            if spec.lists:
                made["lists"] = _list_of(vectors, trained["list_centroids"])
            return made

        return rows

    def complete(self, spec: StoreSpec, arrays: Arrays) -> Arrays:
        """Nothing."""
        return {}

    def open(self, spec: StoreSpec, arrays: Arrays) -> Store:
        """As `StoreKind`."""
        return ProductStore(spec, arrays)


class ProductStore:
    """A scan of codes that FAISS makes, in lists; one list where the spec has none.

    One list of an inverted file can skip the dead, which FAISS cannot in a plain array of codes;
    the same are found.
    """

    def __init__(self, spec: StoreSpec, arrays: Arrays) -> None:
        self._spec, self._arrays = spec, arrays
        self._n, self._lists = len(arrays["codes"]), max(1, spec.lists)
        self._turn: NDArray[np.float32] | None = None
        self._scan: Any = None

    def nearest(
        self, vector: NDArray[np.float32], n: int, alive: NDArray[np.bool_] | None = None
    ) -> Row:
        """As `Store.nearest`."""
        if self._scan is None:
            self._scan = self._opened()
        query = vector[None] if self._turn is None else _turned(vector[None], self._turn)
        wanted = min(n, living(alive, self._n))
        probes = min(self._spec.nprobe or 1, self._lists)
        while wanted:
            found = self._scan.search(query, wanted, probes=probes, alive=alive)
            if len(found[0]) >= wanted:
                return cut(found, n)
            if probes >= self._lists:
                return cut(self._with_the_worst(query[0], found, wanted, alive), n)
            probes = min(2 * probes, self._lists)
        return np.zeros(0, np.int64), np.zeros(0, np.float32)

    def _with_the_worst(
        self,
        query: NDArray[np.float32],
        found: Row,
        wanted: int,
        alive: NDArray[np.bool_] | None,
    ) -> Row:
        """What was found, and vectors that FAISS leaves out: those with the least of all products.

        Fast scan finds none whose every code has the least product, 0 in its tables.
        """
        living = np.arange(self._n) if alive is None else np.flatnonzero(alive)
        missed = np.setdiff1d(living, found[0])[: wanted - len(found[0])]
        decoded = faiss_codes.quantiser(self._arrays["codebooks"]).decode(
            np.ascontiguousarray(self._arrays["codes"][missed])
        )
        # Only damaged codebooks overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            return np.append(found[0], missed), np.append(found[1], decoded @ query)

    def _opened(self) -> "faiss_codes.ListScan":
        if _turns(self._spec):
            self._turn = padded(self._arrays["rotation"])
        return faiss_codes.ListScan(
            self._arrays["codebooks"], self._arrays["codes"], *self._lists_of()
        )

    def _lists_of(self) -> tuple[NDArray[Any], NDArray[np.float32]]:
        codebooks = self._arrays["codebooks"]
        if not self._spec.lists:
            dim = codebooks.shape[0] * codebooks.shape[2]
            return np.zeros(self._n, np.uint16), np.zeros((1, dim), np.float32)
        lists = self._arrays["lists"]
        if lists.max(initial=0) >= self._lists:
            raise CorruptionError(
                f"fde.lists.npy: found list {lists.max()}; expected less than {self._lists}; "
                "run `lexmax rebuild` on the collection, or restore a backup"
            )
        return lists, self._arrays["list_centroids"]


def _turns(spec: StoreSpec) -> bool:
    return spec.name.startswith("opq")


def _turned(vectors: NDArray[np.float32], turn: NDArray[np.float32]) -> NDArray[np.float32]:
    return multiply(vectors, turn, vectors.shape[1])


def _list_of(vectors: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The list of the nearest centroid; the first of several."""
    products = multiply(vectors, padded(centroids.T), len(centroids))
    distances = (centroids**2).sum(axis=1) - 2 * products
    nearest: NDArray[np.uint16] = distances.argmin(axis=1).astype(np.uint16)
    return nearest
