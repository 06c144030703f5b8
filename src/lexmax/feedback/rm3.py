"""Which terms does RM3 add to a bm25 query?

Lavrenko & Croft, "Relevance-Based Language Models", SIGIR 2001 (RM1); Abdul-Jaleel et al., UMass at
TREC 2004 (RM3, which mixes RM1 with the query).
"""

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders.bm25 import idf
from lexmax.errors import ShapeError
from lexmax.feedback.terms import Terms, strongest, summed
from lexmax.types import SparseBatch, TermStatistics

# So that in a collection of a few documents not all terms are common ones.
_FEW_DOCS = 10


def rm3(
    query: Terms,
    documents: SparseBatch,
    scores: NDArray[np.float32],
    statistics: TermStatistics,
    *,
    added: int = 10,
    original_weight: float = 0.5,
    most_common: float = 0.1,
) -> Terms:
    """The query of `Bm25.encode_queries` with the strongest terms of a relevance model.

    P(t|R) is the sum of P(t|d) P(q|d) over the documents. An index stores no term frequencies but
    bm25's saturated ones, so P(t|d) is a document's weight for the term over the sum of its
    weights: a maximum likelihood in which repetition counts less. P(q|d) is the document's share of
    the scores; where scores are not all finite, or none is above zero, all shares are equal.

    The `added` terms of the greatest P(t|R) are scaled to sum to one, mixed with the query's term
    frequencies (its weights over idf, scaled likewise), and weighed by idf again. With a weight of
    one for the original the query comes back, but for rounding. Without documents, or where none
    has a term that may be added, or the query has none, it is the query itself.

    Args:
        query: Term ids, ascending, and weights: frequency times idf.
        documents: Rows of the first documents, as stored; ten are usual.
        scores: Of these documents, (n_docs,).
        statistics: Document frequencies, as at the query's encoding.
        added: Terms of the relevance model.
        original_weight: Share of the query, 0 to 1.
        most_common: Terms in more than this share of all documents, and in more than ten, are
            not added.

    Raises:
        ShapeError: if there is not one score a document.
    """
    if len(scores) != len(documents):
        raise ShapeError(f"scores {scores.shape} for {len(documents)} documents; expected one each")
    terms, model = strongest(
        *_relevance_model(documents, scores, statistics, most_common), max_terms=added
    )
    if len(query[0]) == 0 or len(terms) == 0:
        return query
    original = query[1] / idf(statistics.doc_freqs(query[0]), statistics.n_docs)
    total = original.sum()
    shares = total * (1 - original_weight) * model.astype(np.float64) / model.sum(dtype=np.float64)
    ids, frequencies = summed(
        np.concatenate([query[0], terms]), np.concatenate([original_weight * original, shares])
    )
    weights = frequencies * idf(statistics.doc_freqs(ids), statistics.n_docs)
    return strongest(ids, weights, max_terms=len(ids))


def _relevance_model(
    documents: SparseBatch,
    scores: NDArray[np.float32],
    statistics: TermStatistics,
    most_common: float,
) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    """Terms that may be added, ascending, and P(t|R)."""
    row_of = np.repeat(np.arange(len(documents)), np.diff(documents.indptr))
    weights = documents.weights.astype(np.float64)
    totals = np.bincount(row_of, weights=weights, minlength=len(documents))
    terms, model = summed(documents.term_ids, weights / totals[row_of] * _shares(scores)[row_of])
    rare = statistics.doc_freqs(terms) <= max(most_common * statistics.n_docs, _FEW_DOCS)
    return terms[rare], model[rare]


def _shares(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores as shares of their sum; what is below zero has none."""
    values = np.maximum(scores.astype(np.float64), 0)
    if len(values) == 0 or not np.isfinite(values).all() or values.max() == 0:
        values = np.ones(len(values))
    shares: NDArray[np.float64] = values / values.sum()
    return shares
