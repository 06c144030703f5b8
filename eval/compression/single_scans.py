"""How are documents with one vector each stored and searched?"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lexmax.eval.compression.codecs.codec import Arrays, Codec, Fitted, Floats, Sample, rows_of
from lexmax.eval.compression.scan import FAISS, LEXMAX, NUMPY, Scan, SingleVectors, best
from lexmax.index.pooled import PooledCodec, PooledIndex
from lexmax.index.projection import Projection
from lexmax.index.stores.kinds import coder, complete, open_store, train
from lexmax.index.stores.spec import StoreSpec, fitted, parse_store
from lexmax.index.stores.store import Store
from lexmax.index.threads import one_thread
from lexmax.types import Hits, best_first, ranges

# Vectors that are decoded at a time.
_BLOCK = 4096
_SAMPLE = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class DecodedScan:
    """Codes that numpy decodes, block by block, and multiplies in float32."""

    codec: Fitted
    stored: Arrays
    alive: NDArray[np.bool_]
    scanned_by: str = field(default=NUMPY, init=False)

    @property
    def fixed(self) -> Arrays:
        """As `Scan`."""
        return self.codec.fixed

    def search(self, queries: Floats, k: int) -> Hits:
        """As `Scan`."""
        turned = self.codec.queries(queries)
        scores = np.empty((len(queries), len(self.alive)), np.float32)
        for start, stop in ranges(len(self.alive), _BLOCK):
            rows = self.codec.decode(rows_of(self.stored, start, stop))
            np.matmul(turned, rows.T, out=scores[:, start:stop])
        return best(scores, self.alive, k)


@dataclass(frozen=True, slots=True, eq=False)
class PooledScan:
    """The index of pooled vectors that collections have."""

    index: PooledIndex
    scanned_by: str = field(default=LEXMAX, init=False)

    @property
    def stored(self) -> Arrays:
        """As `Scan`."""
        codes: Arrays = {"codes": self.index.codes}
        return codes if self.index.scales is None else codes | {"scales": self.index.scales}

    @property
    def fixed(self) -> Arrays:
        """As `Scan`: nothing."""
        return {}

    def search(self, queries: Floats, k: int) -> Hits:
        """As `Scan`."""
        return self.index.search(queries, k)


@dataclass(frozen=True, slots=True, eq=False)
class StoreScan:
    """A store of `index/stores/`, in which collections keep fixed-dimensional encodings."""

    spec: StoreSpec
    store: Store
    stored: Arrays
    fixed: Arrays
    alive: NDArray[np.bool_]
    pad: int

    @property
    def scanned_by(self) -> str:
        """As `Scan`."""
        return FAISS if self.spec.sub_dim else LEXMAX

    def search(self, queries: Floats, k: int) -> Hits:
        """As `Scan`."""
        padded = _padded(queries, self.pad)
        n = min(k, len(self.alive))
        return Hits.from_rows([self.store.nearest(one, n, self.alive) for one in padded], n)


@dataclass(frozen=True, slots=True, eq=False)
class ProjectedScan:
    """A scan of vectors that the index's projection has made shorter."""

    inner: Scan[Floats]
    projection: Projection

    @property
    def stored(self) -> Arrays:
        """As `Scan`."""
        return self.inner.stored

    @property
    def fixed(self) -> Arrays:
        """As `Scan`."""
        matrices: Arrays = {"projection": self.projection.matrix}
        if self.projection.query_matrix is not self.projection.matrix:
            matrices["query_projection"] = self.projection.query_matrix
        return matrices | self.inner.fixed

    @property
    def scanned_by(self) -> str:
        """As `Scan`."""
        return self.inner.scanned_by

    def search(self, queries: Floats, k: int) -> Hits:
        """As `Scan`."""
        return self.inner.search(self.projection.apply_queries(queries), k)


@dataclass(frozen=True, slots=True, eq=False)
class RescoredScan:
    """The best `depth` of a scan, scored again by vectors in 8 bits, which are stored beside."""

    first: Scan[Floats]
    second: PooledIndex
    depth: int

    @property
    def stored(self) -> Arrays:
        """As `Scan`."""
        beside = PooledScan(self.second).stored
        return self.first.stored | {f"again_{name}": array for name, array in beside.items()}

    @property
    def fixed(self) -> Arrays:
        """As `Scan`."""
        return self.first.fixed

    @property
    def scanned_by(self) -> str:
        """As `Scan`: whose loops read the codes that all documents have."""
        return self.first.scanned_by

    def search(self, queries: Floats, k: int) -> Hits:
        """As `Scan`."""
        found = self.first.search(queries, max(k, self.depth))
        rows: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
        for i, query in enumerate(queries):
            ordinals, _ = found.row(i)
            rows.append(best_first(ordinals, self.second.score(query, ordinals), k))
        return Hits.from_rows(rows, min(k, self.second.n_docs))


def decoded(vectors: SingleVectors, seed: int, codec: Codec) -> DecodedScan:
    """Vectors in a codec that was fitted to them and to training queries."""
    stride = -(-max(1, len(vectors.documents)) // _SAMPLE)
    with one_thread():
        made = codec.fit(Sample(vectors.documents[::stride], vectors.training, seed))
        return DecodedScan(made, made.encode(vectors.documents), vectors.alive)


def pooled(vectors: SingleVectors, codec: PooledCodec) -> PooledScan:
    """Vectors in the index that `lexmax index --pooled` makes."""
    return PooledScan(PooledIndex.from_vectors(vectors.documents, codec=codec))


def stored(vectors: SingleVectors, seed: int, text: str) -> StoreScan:
    """Vectors in a store that a text such as `pq8?sub_dim=4` names; padded to whole bytes."""
    asked = parse_store(text)
    n, dim = vectors.documents.shape
    pad = -dim % asked.multiple
    rows = _padded(vectors.documents, pad)
    spec = fitted(asked, n, dim + pad)
    with one_thread():
        trained = train(spec, rows, seed=seed)
        coded = coder(spec, trained)(rows)
    arrays = complete(spec, trained | coded)
    fixed = {name: array for name, array in arrays.items() if name in trained}
    own = {name: array for name, array in arrays.items() if name not in trained}
    return StoreScan(spec, open_store(spec, arrays), own, fixed, vectors.alive, pad)


def rescored(vectors: SingleVectors, first: Scan[Floats], depth: int) -> RescoredScan:
    """A scan whose best are scored again by the same vectors in 8 bits."""
    return RescoredScan(first, PooledIndex.from_vectors(vectors.documents), depth)


def _padded(rows: Floats, pad: int) -> Floats:
    return rows if pad == 0 else np.pad(rows, ((0, 0), (0, pad)))
