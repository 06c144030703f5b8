"""How are the nearest neighbours of all documents found?

Each document's direction is compared with all others; past 100,000 documents with those in the
nearest cells of k-means.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from lexmax.index.cells import train_cells
from lexmax.index.neighbours import Neighbours
from lexmax.index.pooled import PooledIndex
from lexmax.index.product import multiply, padded
from lexmax.types import ranges

SEED = 42
EXHAUSTIVE_DOCS = 100_000
# Of 262,144 documents, each is compared with an eighth.
CELL_DOCS, PROBES = 2048, 16
_SAMPLE_A_CELL = 256
# Documents that are read, or searched for, at once.
_BLOCK = 1024


def build_neighbours(
    directions: PooledIndex,
    k: int,
    *,
    signal: str,
    seed: int = SEED,
    threads: int = 1,
    exhaustive_docs: int = EXHAUSTIVE_DOCS,
    cell_docs: int = CELL_DOCS,
    probes: int = PROBES,
    progress: Callable[[int], None] | None = None,
) -> Neighbours:
    """The graph of the k nearest neighbours of documents with these directions.

    A document has no edge to itself, to one whose cosine is 0 or less, and, where its direction is
    zero, none at all. Equal cosines go to the smaller ordinals. The number of threads changes
    nothing.

    Args:
        directions: Of length one, or zero.
        k: Edges of a document at most.
        signal: Whose directions they are.
        seed: Of the cells.
        threads: That search.
        exhaustive_docs: Up to here, all documents are compared.
        cell_docs: Documents of a cell on average, where they are not.
        probes: Cells that a document is compared with, its own included.
        progress: Told how many documents have their neighbours.
    """
    n = directions.n_docs
    ordinals = np.full((n, k), -1, np.int64)
    similarities = np.zeros((n, k), np.float32)
    exhaustive, done = n <= exhaustive_docs, 0
    for documents, candidates in (
        [(np.arange(n), None)] if exhaustive else _by_cell(directions, cell_docs, probes, seed)
    ):
        among = directions if candidates is None else directions.rows(candidates)
        for start, stop in ranges(len(documents), _BLOCK):
            some = documents[start:stop]
            hits = among.search(directions.vectors(some), k + 1, threads=threads)
            found = hits.ordinals
            if candidates is not None:
                found = np.where(found < 0, -1, candidates[found])
            _keep(ordinals, similarities, some, found, hits.scores)
            done += len(some)
            if progress is not None:
                progress(done)
    kept = ordinals >= 0
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept.sum(axis=1), dtype=np.int64)])
    return Neighbours(starts, ordinals[kept].astype(np.uint32), similarities[kept], k, signal)


def _keep(
    ordinals: NDArray[np.int64],
    similarities: NDArray[np.float32],
    documents: NDArray[np.int64],
    found: NDArray[np.int64],
    scores: NDArray[np.float32],
) -> None:
    """Put the first k of what was found, but for the document itself, into its row."""
    wanted = (found >= 0) & (found != documents[:, None]) & (scores > 0)
    places = np.cumsum(wanted, axis=1) - 1
    rows, columns = np.nonzero(wanted & (places < ordinals.shape[1]))
    into = documents[rows], places[rows, columns]
    ordinals[into] = found[rows, columns]
    # Codes of 8 bits may make a cosine a little more than it can be.
    similarities[into] = np.minimum(scores[rows, columns], 1)


def _by_cell(
    directions: PooledIndex, cell_docs: int, probes: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Documents of each cell, and those of the cells nearest to it, which hold its own."""
    n = directions.n_docs
    n_cells = -(-n // cell_docs)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(n, min(n, _SAMPLE_A_CELL * n_cells), replace=False))
    cells = train_cells(directions.vectors(chosen), n_cells, seed=(seed,))
    transposed = padded(cells.T)
    cell_of = np.concatenate(
        [
            multiply(directions.vectors(np.arange(start, stop)), transposed, n_cells).argmax(axis=1)
            for start, stop in ranges(n, _BLOCK)
        ]
    )
    products = multiply(cells, transposed, n_cells)
    np.fill_diagonal(products, np.inf)
    for cell in np.unique(cell_of):
        nearest = np.argsort(-products[cell], kind="stable")[:probes]
        yield np.flatnonzero(cell_of == cell), np.flatnonzero(np.isin(cell_of, nearest))
