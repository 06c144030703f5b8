"""Feedback against what plain loops over dense numbers give."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from lexmax.feedback import terms, tokens, vectors
from lexmax.feedback.rm3 import rm3
from lexmax.feedback.texts import windows
from lexmax.types import SparseBatch, TokenBatch

DIM = 4
N_TERMS = 12
# Sums and products of these are exact in float32, so that ties are ties.
EIGHTHS = st.integers(-16, 16).map(lambda n: n / 8)
WEIGHTS = st.dictionaries(st.integers(0, N_TERMS - 1), st.integers(1, 16).map(lambda n: n / 8))
ROWS = st.lists(WEIGHTS, max_size=5)
SHARES = st.sampled_from([0.0, 0.25, 0.5, 1.0])


def vectors_of(n: st.SearchStrategy[int]) -> st.SearchStrategy[NDArray[np.float32]]:
    return n.flatmap(lambda rows: arrays(np.float32, (rows, DIM), elements=EIGHTHS))


FEW = vectors_of(st.integers(0, 5))
TOKENS = st.lists(FEW, max_size=4).map(lambda rows: TokenBatch.from_rows(rows, DIM))


def dense(row: Mapping[int, float]) -> NDArray[np.float64]:
    found = np.zeros(N_TERMS)
    for term, weight in row.items():
        found[term] = weight
    return found


def row_of(weights: Mapping[int, float]) -> terms.Terms:
    return SparseBatch.from_rows([weights]).row(0)


def as_dict(row: terms.Terms) -> dict[int, float]:
    return dict(zip(row[0].tolist(), row[1].tolist(), strict=True))


@given(vectors_of(st.just(1)), FEW, FEW, SHARES, SHARES, SHARES)
def test_vectors_move_as_the_formula_says(
    query: NDArray[np.float32],
    documents: NDArray[np.float32],
    negatives: NDArray[np.float32],
    alpha: float,
    beta: float,
    gamma: float,
) -> None:
    moved = vectors.rocchio(
        query[0], documents, alpha=alpha, beta=beta, gamma=gamma, negatives=negatives
    )
    wanted = query[0].astype(np.float64)
    if len(documents):
        wanted = alpha * wanted
        for document in documents:
            wanted = wanted + beta * document / len(documents)
        for negative in negatives:
            wanted = wanted - gamma * negative / len(negatives)
    np.testing.assert_allclose(moved, wanted, atol=1e-6)
    n = len(documents)
    mean = vectors.rocchio(query[0], documents, alpha=1 / (n + 1), beta=n / (n + 1))
    np.testing.assert_allclose(vectors.average(query[0], documents), mean, atol=1e-6)


@given(vectors_of(st.just(1)), FEW)
def test_matched_documents_have_a_mean_of_the_querys_length(
    query: NDArray[np.float32], documents: NDArray[np.float32]
) -> None:
    found = vectors.matched(query[0], documents)
    if len(documents) and np.any(documents.sum(axis=0)):
        length = np.linalg.norm(found.astype(np.float64).mean(axis=0))
        assert length == pytest.approx(np.linalg.norm(query[0]), rel=1e-4, abs=1e-5)
    else:
        np.testing.assert_array_equal(found, documents)


@given(WEIGHTS, ROWS, ROWS, SHARES, SHARES, SHARES, st.integers(1, N_TERMS))
def test_terms_move_as_the_formula_says_and_the_strongest_are_kept(
    query: dict[int, float],
    documents: list[dict[int, float]],
    negatives: list[dict[int, float]],
    alpha: float,
    beta: float,
    gamma: float,
    max_terms: int,
) -> None:
    moved = terms.rocchio(
        row_of(query),
        SparseBatch.from_rows(documents),
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        negatives=SparseBatch.from_rows(negatives),
        max_terms=max_terms,
    )
    if not any(documents):
        assert as_dict(moved) == query
        return
    wanted = alpha * dense(query) + beta * np.mean([dense(row) for row in documents], axis=0)
    if negatives:
        wanted -= gamma * np.mean([dense(row) for row in negatives], axis=0)
    rounded = wanted.astype(np.float32)
    order = sorted(range(N_TERMS), key=lambda term: (-rounded[term], term))[:max_terms]
    kept = {term: float(rounded[term]) for term in order if rounded[term] > 1e-6}
    found = {term: weight for term, weight in as_dict(moved).items() if weight > 1e-6}
    assert found.keys() == kept.keys()
    assert found == pytest.approx(kept, rel=1e-5)


@given(WEIGHTS, ROWS, st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(
    query: dict[int, float], documents: list[dict[int, float]], random: Random
) -> None:
    shuffled = list(documents)
    random.shuffle(shuffled)
    found = [
        as_dict(terms.rocchio(row_of(query), SparseBatch.from_rows(rows)))
        for rows in (documents, shuffled)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


@given(WEIGHTS, ROWS)
def test_matched_rows_have_a_mean_of_the_querys_length(
    query: dict[int, float], documents: list[dict[int, float]]
) -> None:
    found = terms.matched(row_of(query), SparseBatch.from_rows(documents))
    if query and any(documents):
        mean = terms.mean_row(found)[1]
        assert np.linalg.norm(mean) == pytest.approx(np.linalg.norm(dense(query)), rel=1e-4)


@given(ROWS)
def test_terms_that_count_as_one_leave_rows_as_they_are(documents: list[dict[int, float]]) -> None:
    batch = SparseBatch.from_rows(documents)
    same = terms.reweighted(batch, lambda ids: np.ones(len(ids)))
    np.testing.assert_array_equal(same.indptr, batch.indptr)
    np.testing.assert_array_equal(same.term_ids, batch.term_ids)
    np.testing.assert_array_equal(same.weights, batch.weights)


@dataclass(frozen=True)
class Statistics:
    n_docs: int = 200

    def doc_freqs(self, term_ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        return 3 * term_ids.astype(np.int64) + 1


@given(WEIGHTS, ROWS, st.data(), st.integers(1, N_TERMS), SHARES)
def test_rm3_is_a_mixture_of_two_models_of_terms(
    query: dict[int, float],
    documents: list[dict[int, float]],
    data: st.DataObject,
    added: int,
    original: float,
) -> None:
    n = len(documents)
    scores = data.draw(arrays(np.float32, n, elements=st.integers(-1, 4)))
    found = rm3(
        row_of(query),
        SparseBatch.from_rows(documents),
        scores,
        Statistics(),
        added=added,
        original_weight=original,
    )
    frequencies = 3 * np.arange(N_TERMS) + 1
    idf = np.log1p((200 - frequencies + 0.5) / (frequencies + 0.5))
    positive = np.maximum(scores, 0)
    shares = positive / positive.sum() if positive.sum() else np.full(n, 1 / max(n, 1))
    model = np.zeros(N_TERMS)
    for document, share in zip(documents, shares, strict=True):
        if document:
            model += share * dense(document) / sum(document.values())
    model[frequencies > 20] = 0
    rounded = model.astype(np.float32)
    order = sorted(range(N_TERMS), key=lambda term: (-rounded[term], term))
    model[order[added:]] = 0
    if not query or not model.any():
        assert as_dict(found) == query
        return
    asked = dense(query) / idf
    mixed = original * asked + (1 - original) * asked.sum() * model / model.sum()
    wanted = {term: weight for term, weight in enumerate((mixed * idf).tolist()) if weight > 0}
    assert as_dict(found) == pytest.approx(wanted, rel=1e-4)


@given(FEW, TOKENS, SHARES, SHARES)
def test_tokens_move_as_the_formula_says(
    query: NDArray[np.float32], documents: TokenBatch, alpha: float, beta: float
) -> None:
    moved = tokens.rocchio(query, documents, alpha=alpha, beta=beta)
    filled = [documents.row(i) for i in range(len(documents)) if len(documents.row(i))]
    assert moved.shape == query.shape
    assert moved.dtype == np.float32
    for i, token in enumerate(query):
        matches = [max(row, key=lambda other: float(token @ other)) for row in filled]
        wanted = alpha * token + beta * np.mean(matches, axis=0) if matches else token
        np.testing.assert_allclose(moved[i], wanted, atol=1e-5)


def idf(found: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.abs(found[:, 0].astype(np.float64))


@settings(deadline=None)
@given(TOKENS, st.integers(1, 6), st.integers(1, 6), st.integers(0, 3))
def test_representatives_are_of_the_documents_and_in_order(
    documents: TokenBatch, clusters: int, added: int, seed: int
) -> None:
    found = tokens.representatives(documents, idf, clusters=clusters, added=added, seed=seed)
    assert found.vectors.shape == (len(found.tokens), DIM)
    assert len(found.tokens) <= min(clusters, added, len(documents.vectors))
    assert np.all(np.diff(found.importance) <= 0)
    np.testing.assert_allclose(found.importance, idf(found.vectors), rtol=1e-5)
    assert np.all(found.importance > 0)
    assert len(set(found.tokens.tolist())) == len(found.tokens)
    # What stands for a cluster is on the side of its mean.
    products = np.einsum("nd,nd->n", documents.vectors[found.tokens], found.vectors)
    assert np.all(products > 0)
    again = tokens.representatives(documents, idf, clusters=clusters, added=added, seed=seed)
    np.testing.assert_array_equal(again.vectors, found.vectors)


@settings(deadline=None)
@given(FEW, TOKENS, FEW, st.floats(0, 2))
def test_added_tokens_add_their_weighted_best_match(
    query: NDArray[np.float32], documents: TokenBatch, other: NDArray[np.float32], beta: float
) -> None:
    found = tokens.representatives(documents, idf)
    more = tokens.expanded(query, found, beta=beta)
    if len(query) == 0 or len(other) == 0:
        return
    wanted = (query @ other.T).max(axis=1).sum()
    wanted += beta * (found.importance * (found.vectors @ other.T).max(axis=1)).sum()
    assert (more @ other.T).max(axis=1).sum() == pytest.approx(wanted, rel=1e-4, abs=1e-3)


@given(st.lists(st.text("ab ", max_size=9), max_size=5), st.integers(1, 6), st.data())
def test_windows_hold_every_word_in_order(
    passages: list[str], size: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, size))
    words = " ".join(passages).split()
    found = [text.split()[1:] for text in windows("q", passages, size=size, stride=stride)]
    assert all(len(window) == min(size, len(words)) for window in found)
    starts = [min(stride * i, max(len(words) - size, 0)) for i in range(len(found))]
    for start, window in zip(starts, found, strict=True):
        assert window == words[start : start + size]
    assert starts[-1] + len(found[-1]) == len(words)
