"""Which terms does a sparse query get from documents that answer it?

Rocchio's feedback (1971) over rows of term weights, as in arXiv 2108.11044 over vectors:
w' = alpha w_q + beta mean(w_d), of which the strongest terms are kept.

Where queries and documents are weighed alike, as with learned encoders of one head, rows are used
as they are. Where they are not, the documents' weights first have to mean what the query's do:
`reweighted` by idf for bm25, whose documents are stored without, and `matched` where one side is
longer than the other.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.types import SparseBatch

Terms: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.float32]]
"""One row of a SparseBatch: term ids, ascending, and their weights."""

Weight: TypeAlias = Callable[[NDArray[np.uint32]], NDArray[np.floating]]
"""What a term counts, such as its idf: (n,) of (n,) term ids; at least 0."""


def average(query: Terms, documents: SparseBatch, *, max_terms: int = 64) -> Terms:
    """The mean of the query's row and the documents', each of the same weight.

    Terms ascend; of equal weights at the cut, those of the smaller ids are kept. Without documents,
    or where no document has a term, it is the query.

    Raises:
        ShapeError: if `max_terms` is less than one.
    """
    n = len(documents)
    return rocchio(query, documents, alpha=1 / (n + 1), beta=n / (n + 1), max_terms=max_terms)


def rocchio(
    query: Terms,
    documents: SparseBatch,
    *,
    alpha: float = 0.4,
    beta: float = 0.6,
    gamma: float = 0.0,
    negatives: SparseBatch | None = None,
    max_terms: int = 64,
) -> Terms:
    """What is above 0 of alpha query + beta mean(documents) - gamma mean(negatives).

    Terms ascend; of equal weights at the cut, those of the smaller ids are kept. Without documents,
    or where no document has a term, it is the query itself.

    Args:
        query: Term ids and weights.
        documents: Rows of what answers the query.
        alpha: Weight of the query.
        beta: Weight of the documents.
        gamma: Weight of the negatives.
        negatives: Rows of what does not answer the query.
        max_terms: Terms that are kept, the strongest.

    Raises:
        ShapeError: if `max_terms` is less than one.
    """
    if max_terms < 1:
        raise ShapeError(f"max_terms is {max_terms}; expected 1 or more")
    if len(documents.term_ids) == 0:
        return query
    terms, mean = mean_row(documents)
    ids, shares = [query[0], terms], [alpha * query[1].astype(np.float64), beta * mean]
    if negatives is not None and len(negatives.term_ids):
        terms, mean = mean_row(negatives)
        ids, shares = [*ids, terms], [*shares, -gamma * mean]
    return strongest(*summed(np.concatenate(ids), np.concatenate(shares)), max_terms=max_terms)


def reweighted(documents: SparseBatch, weight: Weight) -> SparseBatch:
    """The rows with every weight times what its term counts; terms that count 0 are dropped."""
    terms, places = np.unique(documents.term_ids, return_inverse=True)
    return _times(documents, np.asarray(weight(terms), np.float64)[places])


def matched(query: Terms, documents: SparseBatch) -> SparseBatch:
    """The rows times the one factor that gives their mean the query's length.

    A query without terms and documents without terms have no length to match: the rows stay.
    """
    length = np.linalg.norm(query[1].astype(np.float64))
    if length == 0 or len(documents.term_ids) == 0:
        return documents
    factor = length / np.linalg.norm(mean_row(documents)[1])
    return _times(documents, np.float64(factor))


def _times(documents: SparseBatch, factors: NDArray[np.float64] | np.float64) -> SparseBatch:
    weights = (documents.weights * factors).astype(np.float32)
    kept = weights > 0
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept, dtype=np.int64)])
    return SparseBatch(before[documents.indptr], documents.term_ids[kept], weights[kept])


def mean_row(documents: SparseBatch) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    """Terms of any row, ascending, and the mean of their weights over all rows."""
    terms, sums = summed(documents.term_ids, documents.weights.astype(np.float64))
    return terms, sums / max(len(documents), 1)


def summed(
    term_ids: NDArray[np.uint32], weights: NDArray[np.float64]
) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    """Distinct terms, ascending, and the sums of their weights."""
    terms, places = np.unique(term_ids, return_inverse=True)
    sums = np.bincount(places, weights=weights, minlength=len(terms))
    return terms, np.asarray(sums, np.float64)


def strongest(terms: NDArray[np.uint32], weights: NDArray[np.float64], *, max_terms: int) -> Terms:
    """The terms of the greatest weights above zero, ascending; of equal ones, the smaller ids."""
    rounded = weights.astype(np.float32)
    order = np.lexsort((terms, -rounded))[:max_terms]
    kept = np.sort(order[rounded[order] > 0])
    return terms[kept], rounded[kept]
