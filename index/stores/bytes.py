"""Vectors as bytes, one for each coordinate, with a scale each: scanned, or scored again."""

import numpy as np
from numpy.typing import NDArray

from lexmax.index import _native
from lexmax.index.stores.spec import StoreSpec
from lexmax.index.stores.store import Arrays, Coder, Form, Row, Store, cut, living
from lexmax.index.token_codec import quantise


class ByteVectors:
    """Products with vectors that are about codes int8 (n, dim) * scales float32 (n,)."""

    def __init__(self, codes: NDArray[np.int8], scales: NDArray[np.float32]) -> None:
        self._codes, self._scales = codes, scales

    def __len__(self) -> int:
        return len(self._codes)

    def scan(
        self,
        vector: NDArray[np.float32],
        n: int,
        alive: NDArray[np.bool_] | None = None,
        *,
        threads: int = 1,
        path: str = "auto",
    ) -> Row:
        """The greatest products of all that live, best first; exact products of what is stored."""
        query, unit = quantise(vector[None])
        ordinals, scores = room(living(alive, len(self)), n)
        found = _native.scan_int8(
            query[0], self._codes, self._scales, alive, ordinals, scores, threads, path
        )
        return scaled((ordinals[:found], scores[:found]), unit[0])

    def score(self, vector: NDArray[np.float32], ordinals: NDArray[np.int64]) -> Row:
        """Products with those alone."""
        query, unit = quantise(vector[None])
        scores = np.empty(len(ordinals), dtype=np.float32)
        _native.score_int8(query[0], self._codes, self._scales, ordinals, scores)
        return scaled((ordinals, scores), unit[0])

    def walk(
        self,
        vector: NDArray[np.float32],
        n: int,
        alive: NDArray[np.bool_] | None,
        *,
        graph: tuple[NDArray[np.int32], NDArray[np.int32]],
        beam: int,
        path: str = "auto",
    ) -> Row:
        """The greatest products that a walk over links (n, width) from some entries finds."""
        query, unit = quantise(vector[None])
        ordinals, scores = room(living(alive, len(self)), n)
        beam = max(beam, len(ordinals))
        found = _native.search_graph(
            query[0], self._codes, self._scales, *graph, alive, beam, ordinals, scores, path
        )
        return scaled((ordinals[:found], scores[:found]), unit[0])


class ByteKind:
    """As `StoreKind`; arrays `codes` int8 (n, dim) and `scales` float32 (n,)."""

    def forms(self, spec: StoreSpec, n: int, dim: int) -> dict[str, Form]:
        """As `StoreKind`."""
        return {"codes": Form(np.int8, (n, dim)), "scales": Form(np.float32, (n,))}

    def train(self, spec: StoreSpec, sample: NDArray[np.float32], *, seed: int) -> Arrays:
        """Nothing."""
        return {}

    def coder(self, spec: StoreSpec, trained: Arrays) -> Coder:
        """As `StoreKind`."""
        return byte_rows

    def complete(self, spec: StoreSpec, arrays: Arrays) -> Arrays:
        """Nothing."""
        return {}

    def open(self, spec: StoreSpec, arrays: Arrays) -> Store:
        """As `StoreKind`."""
        return ByteStore(ByteVectors(arrays["codes"], arrays["scales"]))


class ByteStore:
    """A scan of all bytes that live."""

    def __init__(self, vectors: ByteVectors) -> None:
        self._vectors = vectors

    def nearest(
        self, vector: NDArray[np.float32], n: int, alive: NDArray[np.bool_] | None = None
    ) -> Row:
        """As `Store.nearest`."""
        return self._vectors.scan(vector, n, alive)


class RefinedStore:
    """Scores again what another store finds."""

    def __init__(self, first: Store, vectors: ByteVectors, factor: int) -> None:
        self._first, self._vectors, self._factor = first, vectors, factor

    def nearest(
        self, vector: NDArray[np.float32], n: int, alive: NDArray[np.bool_] | None = None
    ) -> Row:
        """As `Store.nearest`."""
        found, _ = self._first.nearest(vector, n * self._factor, alive)
        return cut(self._vectors.score(vector, np.sort(found)), n)


def byte_rows(vectors: NDArray[np.float32]) -> Arrays:
    """Codes and scales of vectors (n, dim)."""
    codes, scales = quantise(vectors)
    return {"codes": codes, "scales": scales}


def room(most: int, n: int) -> Row:
    """Arrays that a kernel can write min(n, most) ordinals and scores to."""
    size = min(n, most)
    return np.empty(size, dtype=np.int64), np.empty(size, dtype=np.float32)


def scaled(found: Row, unit: np.float32) -> Row:
    """Products with what a query's codes stand for."""
    # Only damaged scales overflow, and where they do there is nothing right to find.
    with np.errstate(over="ignore", invalid="ignore"):
        return found[0], found[1] * unit
