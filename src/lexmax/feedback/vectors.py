"""Where does a query's one vector move when documents answer it?

Li, Mourad, Zhuang, Koopman & Zuccon, "Pseudo Relevance Feedback with Deep Language Models and Dense
Retrievers", arXiv 2108.11044. For pooled vectors and for fixed dimensional encodings, whose
documents have to be `matched` first. What comes out is not scaled to length one: rankings by dot
product do not depend on it.
"""

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError


def average(query: NDArray[np.float32], documents: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the query (d,) and of k documents (k, d), each of the same weight, (d,).

    Without documents it is the query.

    Raises:
        ShapeError: if shapes do not fit, or a number is not finite.
    """
    _check(query, documents)
    return _mean(np.concatenate([query[None], documents])).astype(np.float32)


def rocchio(
    query: NDArray[np.float32],
    documents: NDArray[np.float32],
    *,
    alpha: float = 0.4,
    beta: float = 0.6,
    gamma: float = 0.0,
    negatives: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """The sum alpha query + beta mean(documents) - gamma mean(negatives), (d,).

    Without documents it is the query itself.

    Args:
        query: Of shape (d,).
        documents: What answers the query, (k, d).
        alpha: Weight of the query.
        beta: Weight of the documents.
        gamma: Weight of the negatives.
        negatives: What does not answer the query, such as the end of its ranking, (k', d).

    Raises:
        ShapeError: if shapes do not fit, or a number is not finite.
    """
    _check(query, documents)
    if len(documents) == 0:
        return query
    moved = alpha * query.astype(np.float64) + beta * _mean(documents)
    if negatives is not None and len(negatives):
        _check(query, negatives)
        moved -= gamma * _mean(negatives)
    return moved.astype(np.float32)


def matched(query: NDArray[np.float32], documents: NDArray[np.float32]) -> NDArray[np.float32]:
    """The documents (k, d) times the one factor that gives their mean the query's length.

    A query's fixed dimensional encoding sums its tokens and a document's averages them (Dhulipala
    et al., MUVERA, arXiv 2405.19504), so that the one is many times as long as the other. A mean of
    zeros stays as it is.

    Raises:
        ShapeError: if shapes do not fit, or a number is not finite.
    """
    _check(query, documents)
    length = np.linalg.norm(_mean(documents)) if len(documents) else 0.0
    if length == 0:
        return documents
    factor = np.linalg.norm(query.astype(np.float64)) / length
    return (documents * factor).astype(np.float32)


def _mean(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.mean(rows, axis=0, dtype=np.float64))


def _check(query: NDArray[np.float32], documents: NDArray[np.float32]) -> None:
    if query.ndim != 1 or documents.ndim != 2 or documents.shape[1] != len(query):
        raise ShapeError(f"query {query.shape}, documents {documents.shape}; expected (d,), (k, d)")
    if not (np.isfinite(query).all() and np.isfinite(documents).all()):
        raise ShapeError("vectors for feedback hold NaN or infinity; expected finite numbers")
