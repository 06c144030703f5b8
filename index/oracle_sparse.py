"""What is the right answer of a sparse search? Plain numpy, nothing clever: the truth for tests."""

import numpy as np
from numpy.typing import NDArray

from lexmax.types import Hits, SparseBatch, best_first


def search(
    documents: SparseBatch,
    queries: SparseBatch,
    k: int,
    *,
    alive: NDArray[np.bool_] | None = None,
) -> Hits:
    """The best documents of every query: hits of shape (n_queries, min(k, n_docs)).

    A score is the sum over the query's terms, in ascending term id, of query weight times
    document weight, in float64, rounded once to float32 at the end. A document that shares no
    term with the query is no hit, nor is one whose `alive` (n_docs,) is False.
    """
    width = min(k, len(documents))
    ordinal_of = np.repeat(np.arange(len(documents)), np.diff(documents.indptr))
    allowed = np.ones(len(documents), dtype=np.bool_) if alive is None else alive
    rows = [
        _ranked(documents, ordinal_of, *queries.row(i), allowed, width) for i in range(len(queries))
    ]
    return Hits.from_rows(rows, width)


def _ranked(
    documents: SparseBatch,
    ordinal_of: NDArray[np.int64],
    term_ids: NDArray[np.uint32],
    weights: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    width: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    sums = np.zeros(len(documents), dtype=np.float64)
    found = np.zeros(len(documents), dtype=np.bool_)
    for term_id, weight in zip(term_ids, weights, strict=True):
        held = np.flatnonzero(documents.term_ids == term_id)
        sums[ordinal_of[held]] += np.float64(weight) * documents.weights[held].astype(np.float64)
        found[ordinal_of[held]] = True
    ordinals = np.flatnonzero(found & allowed)
    # A sum above float32's range becomes infinity, as in the native engine.
    with np.errstate(over="ignore"):
        scores = sums[ordinals].astype(np.float32)
    return best_first(ordinals, scores, width)
