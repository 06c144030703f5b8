"""How many candidates find the wanted share of the exact best? Measured on sample queries.

The queries are those that a user gave, or pieces of the documents themselves, which resemble real
queries only so far: a document finds itself. They are kept with the index, so that the figure can
be measured again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index.candidate_numbers import CandidateNumbers
from lexmax.index.enough import Enough
from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.multivector_engines import (
    EXACT_MAXSIM,
    CentroidSource,
    FdeSource,
    MultiVectorEngine,
    Source,
    source_name,
)
from lexmax.index.npy import map_npy, write_npy
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch

_VECTORS, _OFFSETS = "sample.vectors.npy", "sample.offsets.npy"
_REMEDY = "run `lexmax rebuild` on the collection, or restore a backup"

MAX_QUERIES = 64
_QUERY_TOKENS = 16
_KS = (10, 100)
# Candidates that are tried first, and by how much each trial exceeds the one before.
_LEAST, _STEP = 16, 1.25


def drawn_queries(store: TokenStore, *, seed: int) -> TokenBatch:
    """At most 64 queries: up to 16 tokens in a row of documents chosen by `seed`."""
    rng = np.random.default_rng(seed)
    with_tokens = np.flatnonzero(np.diff(store.offsets))
    docs = np.sort(rng.permutation(with_tokens)[:MAX_QUERIES])
    rows: list[NDArray[np.float32]] = []
    for vectors in (store.decode(docs[i : i + 1]).vectors for i in range(len(docs))):
        start = int(rng.integers(0, max(1, len(vectors) - _QUERY_TOKENS + 1)))
        rows.append(vectors[start : start + _QUERY_TOKENS])
    return TokenBatch.from_rows(rows, store.dim)


def write_queries(folder: Path, queries: TokenBatch) -> None:
    """Write the files that `read_queries` reads: halves of the vectors."""
    write_npy(folder / _VECTORS, queries.vectors.astype(np.float16))
    write_npy(folder / _OFFSETS, queries.offsets)


def read_queries(folder: Path) -> TokenBatch:
    """The sample queries of an index.

    Raises:
        CorruptionError: if a file is missing or damaged.
    """
    vectors = map_npy(folder / _VECTORS, (np.float16,), 2).astype(np.float32)
    try:
        return TokenBatch(np.array(map_npy(folder / _OFFSETS, (np.int64,), 1)), vectors)
    except ShapeError as error:
        raise CorruptionError(f"{folder}: sample queries: {error}; {_REMEDY}") from error


@dataclass(frozen=True, slots=True)
class Recall:
    """Mean share of the exact best k that was found, on `n_queries` sample queries."""

    k: int
    share: float
    n_queries: int


def measure(
    index: MultiVectorIndex, queries: TokenBatch, engine: MultiVectorEngine, *, threads: int = 1
) -> list[Recall]:
    """Recall at 10 and 100, or as many documents as there are."""
    return [
        Recall(k, _share(index, queries, truth, engine, threads), len(queries))
        for k in _ks(index)
        for truth in [_truth(index, queries, k, threads)]
    ]


def enough(
    index: MultiVectorIndex, queries: TokenBatch, *, recall: float, threads: int = 1
) -> Enough:
    """The fewest candidates of each source, on a grid, that reach `recall` for k 10 and 100.

    All documents, which is to score all, always reach it.
    """
    truths = {k: _truth(index, queries, k, threads) for k in _ks(index)}
    numbers: dict[str, CandidateNumbers] = {}
    for kind in _built(index):
        points = [
            (k, _fewest(index, queries, truth, kind, recall, threads))
            for k, truth in truths.items()
        ]
        if len(points) > 1:
            numbers[source_name(kind())] = CandidateNumbers(tuple(points))
    return Enough(recall, len(queries), numbers)


def _ks(index: MultiVectorIndex) -> list[int]:
    return sorted({min(k, index.store.n_docs) for k in _KS})


def _built(index: MultiVectorIndex) -> Iterator[type[CentroidSource] | type[FdeSource]]:
    if index.centroids is not None:
        yield CentroidSource
    if index.candidates is not None:
        yield FdeSource


def _fewest(
    index: MultiVectorIndex,
    queries: TokenBatch,
    truth: NDArray[np.int64],
    kind: type[CentroidSource] | type[FdeSource],
    recall: float,
    threads: int,
) -> int:
    candidates = max(_LEAST, int(truth.shape[1]))
    while candidates < index.store.n_docs:
        engine = engine_of(kind(candidates))
        if _share(index, queries, truth, engine, threads) >= recall:
            return candidates
        candidates = int(candidates * _STEP) + 1
    return index.store.n_docs


def engine_of(source: Source) -> MultiVectorEngine:
    """The engine of this source alone."""
    return MultiVectorEngine(source_name(source), (source,))


def _truth(index: MultiVectorIndex, queries: TokenBatch, k: int, threads: int) -> NDArray[np.int64]:
    return index.search(queries, k, engine=EXACT_MAXSIM, threads=threads).ordinals


def _share(
    index: MultiVectorIndex,
    queries: TokenBatch,
    truth: NDArray[np.int64],
    engine: MultiVectorEngine,
    threads: int,
) -> float:
    found = index.search(queries, truth.shape[1], engine=engine, threads=threads).ordinals
    shares = [
        len(np.intersect1d(row[row >= 0], best)) / max(1, len(best))
        for row, best in zip(found, (one[one >= 0] for one in truth), strict=True)
    ]
    return float(np.mean(shares)) if shares else 1.0
