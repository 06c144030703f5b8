"""Which documents have the greatest MaxSim with every query? Exact in float32, by numpy alone.

python oracle.py FOLDER --name test|train [--queries N]

Writes the best documents of each query, ties by ordinal, beside the vectors (token_files.py): the
truth that every system's overlap is measured against. It shares no code with lexmax.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from token_files import Tokens, batches, map_tokens

DEPTH = 1000
_DOCS_A_BATCH = 500
# Columns by rows of one product: it should stay in the second-level cache.
_QUERY_TOKENS, _TOKENS = 512, 512

Best = tuple[NDArray[np.int64], NDArray[np.float32]]


def maxsim(queries: Tokens, documents: Tokens) -> NDArray[np.float32]:
    """(n_queries, n_docs): for each query token the greatest product with a document's, summed.

    A document without tokens scores minus infinity.
    """
    scores = np.zeros((len(queries), len(documents)), np.float32)
    filled = np.flatnonzero(np.diff(documents.offsets) > 0)
    starts, stops = documents.offsets[filled], documents.offsets[filled + 1]
    cuts = np.flatnonzero(np.diff(starts // _TOKENS, prepend=-1))
    parts = list(zip(cuts, [*cuts[1:], len(filled)], strict=True))
    for first, last in _query_groups(queries.offsets):
        rows = np.asarray(queries.slice(first, last).vectors, dtype=np.float32).T.copy()
        query_starts = queries.offsets[first:last] - queries.offsets[first]
        for a, b in parts:
            tokens = np.asarray(documents.vectors[starts[a] : stops[b - 1]], dtype=np.float32)
            best = np.maximum.reduceat(tokens @ rows, starts[a:b] - starts[a], axis=0)
            scores[first:last, filled[a:b]] = np.add.reduceat(best, query_starts, axis=1).T
    scores[:, np.diff(documents.offsets) == 0] = -np.inf
    return scores


def _query_groups(offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of queries whose tokens fit into one product."""
    groups, first = [], 0
    for i in range(1, len(offsets)):
        if i == len(offsets) - 1 or offsets[i + 1] - offsets[first] > _QUERY_TOKENS:
            groups.append((first, i))
            first = i
    return groups


def merged(best: Best, scores: NDArray[np.float32], start: int, depth: int) -> Best:
    """The best of a query so far and of documents start, start + 1 ..., ties by ordinal."""
    ordinals = np.concatenate([best[0], np.arange(start, start + len(scores))])
    together = np.concatenate([best[1], scores])
    if len(together) > depth:
        enough = np.partition(together, -depth)[-depth]
        kept = together >= enough
        ordinals, together = ordinals[kept], together[kept]
    order = np.lexsort((ordinals, -together))[:depth]
    return ordinals[order], together[order]


def best_of(queries: Tokens, folder: Path, depth: int) -> list[Best]:
    """The best documents of every query, over all documents of a collection."""
    empty: Best = (np.zeros(0, np.int64), np.zeros(0, np.float32))
    found, start = [empty] * len(queries), 0
    for batch in batches(folder, _DOCS_A_BATCH):
        scores = maxsim(queries, batch)
        found = [merged(best, row, start, depth) for best, row in zip(found, scores, strict=True)]
        start += len(batch)
    return found


def truth_path(folder: Path, name: str, part: str) -> Path:
    """The file of the true `ordinals` or `scores` of the queries called `name`."""
    return folder / f"truth.{name}.{part}.npy"


def true_ordinals(folder: Path, name: str) -> NDArray[np.int64]:
    """(n_queries, depth) best documents of each query."""
    found: NDArray[np.int64] = np.load(truth_path(folder, name, "ordinals"), allow_pickle=False)
    return found


def overlap(found: NDArray[np.int64], truth: NDArray[np.int64], k: int) -> float:
    """Mean share of the true first k that is among the first k found; -1 stands for no hit.

    Queries beyond the shorter of the two do not count.
    """
    k = min(k, truth.shape[1])
    pairs = list(zip(found, truth, strict=False))
    return float(np.mean([len(np.intersect1d(f[:k], t[:k])) / k for f, t in pairs]))


def main() -> None:
    """Write the truth of some queries."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="test")
    parser.add_argument("--queries", type=int, default=None)
    asked = parser.parse_args()
    queries = map_tokens(asked.folder, asked.name)
    queries = queries.first(len(queries) if asked.queries is None else asked.queries)
    found = best_of(queries, asked.folder, DEPTH)
    ordinals = np.stack([best[0] for best in found])
    scores = np.stack([best[1] for best in found])
    np.save(truth_path(asked.folder, asked.name, "scores"), scores, allow_pickle=False)
    np.save(truth_path(asked.folder, asked.name, "ordinals"), ordinals, allow_pickle=False)


if __name__ == "__main__":
    main()
