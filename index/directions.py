"""Which one direction stands for a document?

Its pooled vector's, or else that of the mean of its token vectors, or else that of its row of term
weights, projected. Kept in 8 bits a coordinate, as pooled vectors are.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.index.pooled import PooledIndex, PooledPlan, PooledWriter
from lexmax.index.sparse import SparseIndex
from lexmax.index.tokens import TokenStore
from lexmax.types import SparseBatch, TokenBatch, ranges

TERM_DIM = 1024
"""Coordinates of projected terms: estimates of cosines then err by about 1/32."""

_SEED = 42
# Documents that are read at once.
_BLOCK = 1024


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors (n, d) at length one; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: NDArray[np.float32] = np.divide(
        vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0
    )
    return directions


def token_means(documents: TokenBatch) -> NDArray[np.float32]:
    """The mean of each document's token vectors, (n, d); zeros for one without tokens."""
    means = np.zeros((len(documents), documents.dim), np.float32)
    # One after the other: `np.add.reduceat` along rows takes ten times as long.
    for i, mean in enumerate(means):
        if len(row := documents.row(i)):
            np.mean(row, axis=0, out=mean)
    return means


def projected(documents: SparseBatch, *, dim: int = TERM_DIM) -> NDArray[np.float32]:
    """Each document's term weights in `dim` coordinates, (n, dim).

    A term adds its weight to one coordinate, or takes it off, by a hash of its id: products are
    kept on average (Weinberger et al., "Feature Hashing", ICML 2009).
    """
    hashed = _mixed(documents.term_ids.astype(np.uint64) + np.uint64(_SEED << 32))
    signs = np.where(hashed >> np.uint64(63), 1.0, -1.0)
    row_of = np.repeat(np.arange(len(documents)), np.diff(documents.indptr))
    places = row_of * dim + (hashed % np.uint64(dim)).astype(np.int64)
    sums = np.bincount(places, weights=documents.weights * signs, minlength=len(documents) * dim)
    return sums.reshape(len(documents), dim).astype(np.float32)


def directions(
    folder: Path,
    *,
    pooled: PooledIndex | None = None,
    tokens: TokenStore | None = None,
    terms: SparseIndex | None = None,
) -> tuple[str, PooledIndex] | None:
    """The signal whose directions stand for the documents, and these; None where there is none.

    They are written into `folder`, which only the build needs.
    """
    if pooled is not None:
        return "pooled", of_pooled(pooled, folder)
    if tokens is not None:
        return "multivector", of_tokens(tokens, folder)
    return None if terms is None else ("sparse", of_terms(terms, folder))


def of_pooled(index: PooledIndex, folder: Path) -> PooledIndex:
    """The directions of pooled vectors, written into a folder."""
    blocks = (index.vectors(np.arange(*some)) for some in ranges(index.n_docs, _BLOCK))
    return _written(folder, index.dim, blocks)


def of_tokens(store: TokenStore, folder: Path) -> PooledIndex:
    """The directions of mean token vectors, written into a folder."""
    blocks = (token_means(store.decode(np.arange(*some))) for some in ranges(store.n_docs, _BLOCK))
    return _written(folder, store.dim, blocks)


def of_terms(index: SparseIndex, folder: Path) -> PooledIndex:
    """The directions of projected term weights, written into a folder."""
    blocks = (projected(index.weights(np.arange(*some))) for some in ranges(index.n_docs, _BLOCK))
    return _written(folder, TERM_DIM, blocks)


def _written(folder: Path, dim: int, blocks: Iterable[NDArray[np.float32]]) -> PooledIndex:
    folder.mkdir(parents=True, exist_ok=True)
    writer = PooledWriter(folder, PooledPlan(dim))
    for vectors in blocks:
        writer.append(unit(vectors))
    writer.close()
    return PooledIndex.open(folder, writer.parameters())


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014): every bit depends on all bits."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
