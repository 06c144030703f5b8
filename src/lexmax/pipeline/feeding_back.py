"""How do documents that were found change the queries? `lexmax.feedback` over stored vectors."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders.bm25 import idf
from lexmax.feedback import rm3, terms, tokens, vectors
from lexmax.index.centroid_index import CentroidIndex
from lexmax.index.centroids import unit
from lexmax.index.snapshot import Snapshot
from lexmax.pipeline.queries import EncodedQueries
from lexmax.stages import Average, ColbertPrf, Feedback, Rm3, Rocchio, Signal
from lexmax.types import Hits, SparseBatch, TokenBatch


def fed_back(
    feedback: Feedback,
    snapshot: Snapshot,
    queries: EncodedQueries,
    found: Mapping[Signal, Hits],
    *,
    sparse_name: str,
) -> EncodedQueries:
    """The queries as each of these signals sees them, changed by its first hits.

    Args:
        feedback: How.
        snapshot: Whose vectors are stored.
        queries: As they were.
        found: Whose hits change each signal's view; signals that are not there stay.
        sparse_name: Name of the sparse encoder, which says what weights mean.
    """
    changed = queries
    if (hits := found.get("sparse")) is not None and queries.sparse is not None:
        rows = [
            _terms(
                feedback, snapshot, queries.sparse.row(i), *_first(feedback, hits, i), sparse_name
            )
            for i in range(len(queries))
        ]
        changed = replace(changed, sparse=SparseBatch.stack(rows))
    if (hits := found.get("multivector")) is not None and queries.tokens is not None:
        before = queries.tokens
        moved = [
            _tokens(feedback, snapshot, before.row(i), _first(feedback, hits, i)[0])
            for i in range(len(queries))
        ]
        changed = replace(changed, tokens=TokenBatch.from_rows(moved, before.dim))
    if (hits := found.get("pooled")) is not None and queries.pooled is not None:
        changed = replace(changed, pooled=_pooled(feedback, snapshot, queries.pooled, hits))
    return changed


def _first(feedback: Feedback, hits: Hits, i: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    ordinals, scores = hits.row(i)
    return ordinals[: feedback.k], scores[: feedback.k]


def _terms(
    feedback: Feedback,
    snapshot: Snapshot,
    query: terms.Terms,
    ordinals: NDArray[np.int64],
    scores: NDArray[np.float32],
    encoder: str,
) -> terms.Terms:
    documents = snapshot.sparse_rows(ordinals)
    if isinstance(feedback, Rm3):
        return rm3.rm3(
            query,
            documents,
            scores,
            snapshot,
            added=feedback.terms,
            original_weight=feedback.original_weight,
        )
    if encoder == "bm25":
        # Its documents are stored without the idf that its queries have.
        documents = terms.reweighted(
            documents, lambda ids: idf(snapshot.doc_freqs(ids), snapshot.n_docs)
        )
    documents = terms.matched(query, documents)
    if isinstance(feedback, Average):
        return terms.average(query, documents, max_terms=feedback.max_terms)
    if isinstance(feedback, Rocchio):
        return terms.rocchio(
            query,
            documents,
            alpha=feedback.alpha,
            beta=feedback.beta,
            max_terms=feedback.max_terms,
        )
    return query


def _tokens(
    feedback: Feedback,
    snapshot: Snapshot,
    query: NDArray[np.float32],
    ordinals: NDArray[np.int64],
) -> NDArray[np.float32]:
    if len(ordinals) == 0:
        # Where nothing is stored, nothing says of how many dimensions it would be.
        return query
    documents = snapshot.token_rows(ordinals)
    if isinstance(feedback, ColbertPrf):
        found = tokens.representatives(
            documents, _importance(snapshot), clusters=feedback.clusters, added=feedback.tokens
        )
        return tokens.expanded(query, found, beta=feedback.beta)
    if isinstance(feedback, Average):
        return tokens.average(query, documents)
    if isinstance(feedback, Rocchio):
        return tokens.rocchio(query, documents, alpha=feedback.alpha, beta=feedback.beta)
    return query


def _importance(snapshot: Snapshot) -> tokens.Importance:
    """Idf of the nearest centroid, by the part that has most documents; else all count alike."""
    indexes = [
        index.centroids
        for part in snapshot.parts
        if (index := part.segment.multivector) is not None and index.centroids is not None
    ]
    if not indexes:
        return lambda rows: np.ones(len(rows))
    largest: CentroidIndex = max(indexes, key=lambda index: index.n_docs)
    directions = unit(largest.centroids.vectors.astype(np.float32))
    return tokens.idf_by_centroid(directions, largest.doc_freqs(), largest.n_docs)


def _pooled(
    feedback: Feedback, snapshot: Snapshot, queries: NDArray[np.float32], hits: Hits
) -> NDArray[np.float32]:
    moved = queries.copy()
    for i, query in enumerate(queries):
        if len(ordinals := _first(feedback, hits, i)[0]):
            moved[i] = _moved(feedback, query, snapshot.pooled_rows(ordinals))
    return moved


def _moved(
    feedback: Feedback, query: NDArray[np.float32], documents: NDArray[np.float32]
) -> NDArray[np.float32]:
    if isinstance(feedback, Average):
        return vectors.average(query, documents)
    if isinstance(feedback, Rocchio):
        return vectors.rocchio(query, documents, alpha=feedback.alpha, beta=feedback.beta)
    return query
