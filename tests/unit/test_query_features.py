"""What is known of a query, by hand."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.relevance.query_features import FEATURES, query_features
from lexmax.types import SparseBatch, TokenBatch


@dataclass(frozen=True)
class Queries:
    sparse: SparseBatch | None = None
    tokens: TokenBatch | None = None
    pooled: NDArray[np.float32] | None = None


class Statistics:
    n_docs = 9

    def doc_freqs(self, term_ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        return np.array([{3: 0, 7: 4}[int(term_id)] for term_id in term_ids], dtype=np.int64)


SCORES = np.array([5.0, 3.0, -np.inf], dtype=np.float32)


def numbers_of(queries: Queries, scores: NDArray[np.float32] = SCORES, i: int = 0) -> list[float]:
    found = query_features(queries, i, scores, depth=3, statistics=Statistics())
    assert found.numbers is not None
    return found.numbers.tolist()


def test_terms_tokens_and_scores_give_numbers() -> None:
    queries = Queries(
        SparseBatch.from_rows([{}, {3: 1.5, 7: 2.0}]),
        TokenBatch.from_rows([np.zeros((0, 2), np.float32), np.ones((4, 2), np.float32)], 2),
    )
    rare, common = np.log1p(9.5 / 0.5), np.log1p(5.5 / 4.5)
    expected = [2, rare + common, rare, 3.5, 4, 5, 4, 1]
    assert dict(zip(FEATURES, numbers_of(queries, i=1), strict=True)) == pytest.approx(
        dict(zip(FEATURES, expected, strict=True))
    )


def test_nothing_known_is_zeros() -> None:
    assert numbers_of(Queries(), np.zeros(0, np.float32)) == [0.0] * len(FEATURES)
    assert numbers_of(Queries(), np.full(2, np.nan, np.float32)) == [0.0] * len(FEATURES)


def test_scores_beyond_the_depth_are_not_looked_at() -> None:
    scores = np.arange(50, 0, -1).astype(np.float32)
    assert numbers_of(Queries(), scores) == numbers_of(Queries(), scores[:3])


def test_the_vector_is_the_pooled_one_or_the_mean_of_the_tokens() -> None:
    tokens = TokenBatch.from_rows(
        [np.zeros((0, 2), np.float32), np.array([[1, 0], [3, 2]], np.float32)], 2
    )
    pooled = np.array([[1, 1], [9, 9]], dtype=np.float32)

    def vector(queries: Queries, i: int) -> list[float] | None:
        found = query_features(queries, i, SCORES, depth=3, statistics=Statistics()).vector
        return None if found is None else found.tolist()

    assert vector(Queries(tokens=tokens), 1) == [2.0, 1.0]
    assert vector(Queries(tokens=tokens), 0) == [0.0, 0.0]
    assert vector(Queries(tokens=tokens, pooled=pooled), 1) == [9.0, 9.0]
    assert vector(Queries(), 0) is None
