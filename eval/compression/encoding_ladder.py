"""Which fixed-dimensional encodings of token vectors are compared, and how are they stored?

Encodings (MUVERA) are drawn by a seed, so each is made with several. What is found is compared with
MaxSim over the token vectors, whose candidates encodings are to find.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from lexmax.eval.compression.codecs.codec import Floats
from lexmax.eval.compression.codecs.products import Products
from lexmax.eval.compression.codecs.scalar import Plain
from lexmax.eval.compression.ladders import PooledWay
from lexmax.eval.compression.scan import Scan, SingleVectors, TokenVectors, Way
from lexmax.eval.compression.single_scans import ProjectedScan, decoded, stored
from lexmax.index.fde import FdeEncoder, FdeParameters
from lexmax.index.projection import Projection
from lexmax.types import ranges

# (repetitions, k_sim, d_proj) of the paper: 1,280, 2,560, 5,120 and 10,240 coordinates.
_SIZES = ((20, 3, 8), (20, 4, 8), (20, 5, 8), (20, 5, 16))
_PQ_SIZE = (20, 4, 8)
# Of the index: the greatest size, and the pooled vector with it.
_SERVED = "--engines fde --fde-store "
_SAMPLE_DOCS = 4096
_BLOCK = 128
_PROJECTED = (512, 256, 128)

BASELINE = "fp32, 10,240 and mean"


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding, and the ways to store it.

    Attributes:
        parameters: of the encoder, but for the seed.
        ways: names and builds over the encodings of all documents.
    """

    parameters: FdeParameters
    ways: tuple[PooledWay, ...]


def encoding_ladder(dim: int) -> Iterator[Encoding]:
    """For a vector of `dim` coordinates a token."""
    known: set[int] = set()
    for size in _SIZES:
        parameters = FdeParameters(dim, *size, pooled_weight=0.0)
        # Buckets keep no more coordinates than a token has.
        if parameters.encoding_dim in known:
            continue
        known.add(parameters.encoding_dim)
        name = f"fp32, {parameters.encoding_dim:,}"
        ways = [Way(name, "whole", _whole)]
        if size == _PQ_SIZE:
            ways.append(Way(f"pq8, 8, of {parameters.encoding_dim:,}", "pq of whole", _pq))
        yield Encoding(parameters, tuple(ways))
    yield Encoding(FdeParameters(dim, *_SIZES[-1]), tuple(_served_ways()))


def _served_ways() -> Iterator[PooledWay]:
    yield Way(BASELINE, "whole", _whole)
    fits = _Fits()
    for dim in _PROJECTED:
        yield Way(f"PCA {dim}", "PCA", fits.way(dim, "flat"), _said(dim, "flat"))
        yield Way(f"LeanVec {dim}", "LeanVec", fits.way(dim, "flat", by_queries=True))
    for text in ("sq8", "pq8", "pq4", "opq8", "opq4", "bits", "bits?refine=4"):
        yield Way(f"PCA 256, {text}", text.strip("48"), fits.way(256, text), _said(256, text))
    yield Way("LeanVec 256, pq4", "LeanVec, pq", fits.way(256, "pq4", by_queries=True))


def _said(dim: int, text: str) -> str:
    return f"{_SERVED}{text}" if dim == 256 else ""


class _Fits:
    """The index's projections of the encodings of one seed, each fitted once."""

    def __init__(self) -> None:
        self._of: SingleVectors | None = None
        self._made: dict[tuple[int, bool], tuple[Projection, SingleVectors]] = {}

    def way(
        self, dim: int, text: str, *, by_queries: bool = False
    ) -> Callable[[SingleVectors, int], Scan[Floats]]:
        """Builds a store of projected encodings."""

        def build(vectors: SingleVectors, seed: int) -> Scan[Floats]:
            projection, short = self._projected(vectors, seed, dim, by_queries)
            return ProjectedScan(stored(short, seed, text), projection)

        return build

    def _projected(
        self, vectors: SingleVectors, seed: int, dim: int, by_queries: bool
    ) -> tuple[Projection, SingleVectors]:
        # Those of the last seed alone are kept: there are gigabytes of them otherwise.
        if vectors is not self._of:
            self._of, self._made = vectors, {}
        if (dim, by_queries) not in self._made:
            self._made[dim, by_queries] = _fit(vectors, seed, dim, by_queries=by_queries)
        return self._made[dim, by_queries]


def _fit(
    vectors: SingleVectors, seed: int, dim: int, *, by_queries: bool
) -> tuple[Projection, SingleVectors]:
    sample = _sample(vectors.documents, seed)
    queries = vectors.training if by_queries and len(vectors.training) else None
    projection = Projection.fit(sample, min(dim, *sample.shape), seed=seed, queries=queries)
    short = SingleVectors(
        projection.apply(vectors.documents),
        projection.apply_queries(vectors.queries),
        projection.apply_queries(vectors.training),
    )
    return projection, short


def encoded(vectors: TokenVectors, parameters: FdeParameters) -> SingleVectors:
    """Encodings of documents, of queries and of training queries."""
    encoder = FdeEncoder(parameters)
    n_docs = len(vectors.documents)
    documents = np.zeros((n_docs, parameters.encoding_dim), np.float32)
    for start, stop in ranges(n_docs, _BLOCK):
        documents[start:stop] = encoder.documents(vectors.documents.slice(start, stop))
    return SingleVectors(
        documents, encoder.queries(vectors.queries), encoder.queries(vectors.training)
    )


def _whole(vectors: SingleVectors, seed: int) -> Scan[Floats]:
    return decoded(vectors, seed, Plain())


def _pq(vectors: SingleVectors, seed: int) -> Scan[Floats]:
    """MUVERA's own code: 256 centroids for 8 coordinates each."""
    return decoded(vectors, seed, Products(8, 8))


def _sample(documents: Floats, seed: int) -> Floats:
    if len(documents) <= _SAMPLE_DOCS:
        return documents
    chosen = np.random.default_rng(seed).choice(len(documents), _SAMPLE_DOCS, replace=False)
    return documents[np.sort(chosen)]
