"""Which documents are the true best of every query? Run in the bench environment (numba).

python truth.py FOLDER

Exact float64 scores over the float32 weights, summed in ascending term order, the best 1,000 of
each test and train query, ties by ordinal; written beside the vectors.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray
from profiles import VOCABULARY
from shape import score_decay
from vectors import TRUTH_DEPTH, Vectors, map_vectors, truth_path

_CHUNK = 1 << 18


@njit(cache=True)
def transposed(indptr, term_ids, weights):  # noqa: ANN001, ANN201
    """CSC of the rows: starts (VOCABULARY + 1,), rows and weights (nnz,)."""
    starts = np.zeros(VOCABULARY + 1, np.int64)
    for term in term_ids:
        starts[term + 1] += 1
    starts = np.cumsum(starts)
    cursor = starts.copy()
    rows, values = np.empty(len(term_ids), np.int32), np.empty(len(term_ids), np.float32)
    for row in range(len(indptr) - 1):
        for i in range(indptr[row], indptr[row + 1]):
            place = cursor[term_ids[i]]
            rows[place], values[place] = row, weights[i]
            cursor[term_ids[i]] += 1
    return starts, rows, values


@njit(cache=True)
def _scores(starts, rows, values, term_ids, weights, scores):  # noqa: ANN001, ANN202
    scores[:] = 0.0
    for i in range(len(term_ids)):
        weight = np.float64(weights[i])
        for j in range(starts[term_ids[i]], starts[term_ids[i] + 1]):
            scores[rows[j]] += weight * np.float64(values[j])


def best(
    documents: Vectors, queries: Vectors, depth: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Ordinals and scores (n_queries, depth) of the best documents, a chunk of documents a turn."""
    ordinals = np.full((len(queries), depth), -1, np.int64)
    scores = np.full((len(queries), depth), -np.inf)
    for start in range(0, len(documents), _CHUNK):
        stop = min(start + _CHUNK, len(documents))
        indptr = documents.indptr[start : stop + 1]
        a, b = indptr[0], indptr[-1]
        columns = transposed(indptr - a, documents.term_ids[a:b], documents.weights[a:b])
        found = np.empty(stop - start)
        for i in range(len(queries)):
            _scores(*columns, *queries.row(i), found)
            ordinals[i], scores[i] = _merged(ordinals[i], scores[i], found, start)
    return ordinals, scores


def _merged(
    ordinals: NDArray[np.int64], scores: NDArray[np.float64], found: NDArray[np.float64], start: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    depth = len(ordinals)
    enough = np.partition(found, -depth)[-depth] if len(found) > depth else -np.inf
    places = np.flatnonzero((found >= max(enough, scores[-1])) & (found > 0))
    all_ordinals = np.concatenate([ordinals, places + start])
    all_scores = np.concatenate([scores, found[places]])
    order = np.lexsort((all_ordinals, -all_scores))[:depth]
    return all_ordinals[order], all_scores[order]


def main() -> None:
    """Write the truth of test and train; print the decay of the scores."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    documents = map_vectors(folder, "documents")
    for name in ("train", "test"):
        depth = min(TRUTH_DEPTH, len(documents))
        ordinals, scores = best(documents, map_vectors(folder, name), depth)
        np.save(truth_path(folder, name, "scores"), scores, allow_pickle=False)
        np.save(truth_path(folder, name, "ordinals"), ordinals, allow_pickle=False)
    print(json.dumps(score_decay(scores)))


if __name__ == "__main__":
    main()
