"""Which documents are worth scoring by MaxSim? The best of an estimate that costs one look each.

Fixed-dimensional encodings (fde.py) are projected to a few hundred coordinates (projection.py)
and scanned as codes (scan.py). Parameters are kept in segment.json, arrays in `fde.*.npy`.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index.fde import FdeEncoder, FdeParameters
from lexmax.index.npy import map_npy, write_npy
from lexmax.index.projection import Projection
from lexmax.index.scan import FlatScan, PqScan, Scan, encode, train_codebooks
from lexmax.index.tokens import TokenStore
from lexmax.types import Hits, Json, TokenBatch, best_first, ranges

_CODES, _CODEBOOKS = "fde.codes.npy", "fde.codebooks.npy"
_REMEDY = "run `lexmax rebuild` on the collection, or restore a backup"

MAX_DIM = 512
MAX_SAMPLE = 4096
# Fewer documents are scanned as they are: codes would need as much room for their codebooks.
MIN_CODED_DOCS = 1000
_MIN_CODED_DIM = 16
# Documents whose tokens and encodings are in memory at a time.
_BLOCK = 128


class CandidateIndex:
    """Finds candidates for MaxSim among the documents of one token store.

    Attributes:
        n_docs: documents that can be found.
        fde: what encodings depend on.
    """

    def __init__(
        self,
        fde: FdeParameters,
        projection: Projection,
        codes: NDArray[Any],
        codebooks: NDArray[np.float32] | None,
        *,
        seed: int,
    ) -> None:
        """Codes are float32 (n, dim) without codebooks, else uint8 (n, dim / 4)."""
        self.n_docs = len(codes)
        self.fde = fde
        self._projection = projection
        self._codes = codes
        self._codebooks = codebooks
        self._seed = seed
        self._scan: Scan = FlatScan(codes) if codebooks is None else PqScan(codebooks, codes)
        self._encoder: FdeEncoder | None = None

    @staticmethod
    def build(
        store: TokenStore,
        *,
        parameters: FdeParameters,
        seed: int,
        progress: Callable[[int], None] | None = None,
    ) -> "CandidateIndex":
        """Fit on at most 4,096 documents of the store, chosen by `seed`, and encode all of them.

        `progress` is told how many documents are encoded. Memory is bounded: the sample's
        encodings and 128 bytes a document. The same store and seed give the same bytes, whatever
        the number of threads.

        Raises:
            ShapeError: if the store is empty or `parameters` are for another dim.
        """
        if store.n_docs == 0:
            raise ShapeError("the store has no documents; expected at least one to choose from")
        builder = _Builder(store, FdeEncoder(parameters), progress)
        sample = _sample(store.n_docs, seed)
        encodings = builder.encodings(sample)
        coded = store.n_docs >= MIN_CODED_DOCS and min(encodings.shape) >= _MIN_CODED_DIM
        dim = min(MAX_DIM, *encodings.shape)
        projection = Projection.fit(encodings, dim - dim % 4 if coded else dim, seed=seed)
        vectors = projection.apply(encodings)
        del encodings
        codebooks = train_codebooks(vectors, seed=seed) if coded else None
        first = _coded(vectors, codebooks)
        codes = np.empty((store.n_docs, first.shape[1]), dtype=first.dtype)
        codes[sample] = first
        for ordinals in _others(store.n_docs, sample):
            codes[ordinals] = _coded(projection.apply(builder.encodings(ordinals)), codebooks)
        return CandidateIndex(parameters, projection, codes, codebooks, seed=seed)

    @staticmethod
    def open(directory: Path, parameters: Mapping[str, Json]) -> "CandidateIndex":
        """Map what `save` wrote; `parameters` are those of segment.json.

        Raises:
            CorruptionError: if a file is missing, or is not what the parameters say.
        """
        fde, dim, coded, seed = _read(directory, parameters)
        projection = Projection.open(directory)
        codes = map_npy(directory / _CODES, (np.uint8 if coded else np.float32,), 2)
        expected: list[tuple[str, NDArray[Any], tuple[int, ...]]] = [
            ("fde.projection.npy", projection.matrix, (fde.encoding_dim, dim)),
            (_CODES, codes, (len(codes), dim // 4 if coded else dim)),
        ]
        codebooks = None
        if coded:
            codebooks = map_npy(directory / _CODEBOOKS, (np.float32,), 3)
            expected.append((_CODEBOOKS, codebooks, (dim // 2, 16, 2)))
            if not np.isfinite(codebooks).all():
                raise CorruptionError(f"{directory / _CODEBOOKS}: found NaN or infinity; {_REMEDY}")
        for name, array, shape in expected:
            if array.shape != shape:
                raise CorruptionError(
                    f"{directory / name}: found {array.shape}; expected {shape}; {_REMEDY}"
                )
        return CandidateIndex(fde, projection, codes, codebooks, seed=seed)

    def save(self, directory: Path) -> None:
        """Write the files that `open` reads; equal indexes give equal bytes."""
        self._projection.save(directory)
        write_npy(directory / _CODES, self._codes)
        if self._codebooks is not None:
            write_npy(directory / _CODEBOOKS, self._codebooks)

    def parameters(self) -> dict[str, Json]:
        """What `open` needs besides the files."""
        return {
            "fde": self.fde.to_json(),
            "codes": "flat" if self._codebooks is None else "pq4",
            "dim": self._projection.dim,
            "seed": self._seed,
        }

    def search(self, queries: TokenBatch, n: int) -> Hits:
        """Candidates of every query, (n_queries, min(n, n_docs)), by their estimates.

        Estimates are comparable inside a query only. A query without tokens has none.

        Raises:
            ShapeError: if the queries have another dim.
        """
        vectors = self.project(queries)
        rows = [
            self.nearest(vector, n if stop > start else 0)
            for vector, start, stop in zip(
                vectors, queries.offsets[:-1], queries.offsets[1:], strict=True
            )
        ]
        return Hits.from_rows(rows, min(n, self.n_docs))

    def project(self, queries: TokenBatch) -> NDArray[np.float32]:
        """Projected encodings of queries, (n_queries, dim), for `nearest`."""
        if self._encoder is None:
            self._encoder = FdeEncoder(self.fde)
        return self._projection.apply(self._encoder.queries(queries))

    def nearest(
        self, vector: NDArray[np.float32], n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ordinals and estimates of the best `n` documents for one projected query."""
        if n < 1:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        return best_first(*self._scan.nearest(vector, n), n)


class _Builder:
    """Encodes documents block by block, and tells how many are done."""

    def __init__(
        self, store: TokenStore, encoder: FdeEncoder, progress: Callable[[int], None] | None
    ) -> None:
        self._store, self._encoder, self._progress = store, encoder, progress
        self._done = 0

    def encodings(self, ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
        """(len(ordinals), encoding_dim)."""
        shape = (len(ordinals), self._encoder.parameters.encoding_dim)
        encodings = np.empty(shape, dtype=np.float32)
        for start, stop in ranges(len(ordinals), _BLOCK):
            tokens = self._store.decode(ordinals[start:stop])
            encodings[start:stop] = self._encoder.documents(tokens)
            self._done += stop - start
            if self._progress is not None:
                self._progress(self._done)
        return encodings


def _sample(n_docs: int, seed: int) -> NDArray[np.int64]:
    if n_docs <= MAX_SAMPLE:
        return np.arange(n_docs)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n_docs, MAX_SAMPLE, replace=False))


def _others(n_docs: int, sample: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    others = np.setdiff1d(np.arange(n_docs), sample, assume_unique=True)
    return (others[start:stop] for start, stop in ranges(len(others), _BLOCK))


def _coded(
    vectors: NDArray[np.float32], codebooks: NDArray[np.float32] | None
) -> NDArray[np.float32] | NDArray[np.uint8]:
    return vectors if codebooks is None else encode(vectors, codebooks)


def _read(directory: Path, written: Mapping[str, Json]) -> tuple[FdeParameters, int, bool, int]:
    """Encoding, dim, whether vectors are coded, and seed, as `CandidateIndex.parameters` says."""
    fde, dim, codes, seed = (written.get(name) for name in ("fde", "dim", "codes", "seed"))
    if (
        not isinstance(fde, Mapping)
        or not isinstance(dim, int)
        or not isinstance(seed, int)
        or codes not in ("pq4", "flat")
        or (codes == "pq4" and dim % 4)
    ):
        raise CorruptionError(
            f"{directory}: candidate parameters are {dict(written)}; "
            f"expected fde, codes, dim and seed; {_REMEDY}"
        )
    try:
        return FdeParameters.from_json(fde), dim, codes == "pq4", seed
    except CorruptionError as error:
        raise CorruptionError(f"{directory}: {error}") from error
