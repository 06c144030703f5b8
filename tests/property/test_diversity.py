"""Choices against plain loops, and what greedy choice promises."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.diversity.coverage import coverage
from lexmax.diversity.mmr import mmr
from lexmax.diversity.similarities import of_terms, of_vectors
from lexmax.types import SparseBatch

TRADE_OFFS = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
DIVERSITIES = st.sampled_from([0.0, 0.25, 1.0, 8.0])


@st.composite
def candidates(
    draw: st.DrawFn, most: int = 12
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
    """Similarities, weights and ordinals; their sums and products are exact, so ties are ties."""
    n = draw(st.integers(0, most))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    coarse = draw(st.sampled_from([1, 2, 16]))
    half = random.integers(-coarse, coarse + 1, (n, n)) / coarse
    similarities = np.triu(half, 1) + np.triu(half, 1).T + np.eye(n)
    weights = np.exp2(random.integers(0, 3, n)).astype(np.float64)
    if n:
        # A total that is a power of two, so that shares of it are exact.
        weights[0] += 2.0 ** np.ceil(np.log2(weights.sum())) - weights.sum()
    ordinals = random.choice(100, n, replace=False).astype(np.int64)
    return similarities.astype(np.float32), weights, ordinals


def covered(
    similarities: NDArray[np.float32], weights: NDArray[np.float64], chosen: tuple[int, ...]
) -> float:
    if not chosen:
        return 0.0
    best = np.maximum(similarities[list(chosen)].max(axis=0), 0)
    return float((weights * best).sum() / weights.sum())


def objective(
    similarities: NDArray[np.float32],
    weights: NDArray[np.float64],
    chosen: tuple[int, ...],
    per_pair: float,
) -> float:
    distances = sum(1 - float(similarities[a, b]) for a, b in combinations(chosen, 2))
    return covered(similarities, weights, chosen) + per_pair * distances


@given(candidates(), st.integers(0, 14), DIVERSITIES)
@settings(deadline=None)
def test_lazy_choice_is_greedy_choice(
    given_: tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]],
    k: int,
    diversity: float,
) -> None:
    similarities, weights, ordinals = given_
    found = coverage(similarities, weights, k, diversity=diversity, ordinals=ordinals)
    k = min(k, len(weights))
    per_pair = diversity / max(k * (k - 1) / 2, 1)
    chosen: tuple[int, ...] = ()
    for step in range(k):
        before = objective(similarities, weights, chosen, per_pair)
        gains = {
            int(i): objective(similarities, weights, (*chosen, int(i)), per_pair) - before
            for i in range(len(weights))
            if i not in chosen
        }
        # With distances a sum may be rounded one way or the other: then both are right.
        best = max(gains.values())
        right = [i for i, gain in gains.items() if gain > best - 1e-9]
        if diversity == 0:
            right = [min(right, key=lambda i: int(ordinals[i]))]
        assert int(found[step]) in right
        chosen = (*chosen, int(found[step]))
    assert len(found) == k


@given(st.integers(0, 1000), st.integers(1, 40), DIVERSITIES)
@settings(deadline=None, max_examples=30)
def test_lazy_choice_of_many_reaches_what_greedy_choice_does(
    seed: int, k: int, diversity: float
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((120, 6)).astype(np.float32)
    similarities, weights = of_vectors(vectors), random.random(120)
    found = coverage(similarities, weights, k, diversity=diversity)
    per_pair = diversity / max(k * (k - 1) / 2, 1)
    best, far, chosen = np.zeros(120), np.zeros(120), list[int]()
    for _ in range(k):
        gains = np.maximum(similarities.astype(np.float64) - best, 0) @ weights / weights.sum()
        gains += per_pair * far
        gains[chosen] = -np.inf
        chosen.append(int(np.argmax(gains)))
        best = np.maximum(best, similarities[chosen[-1]])
        far += 1 - similarities[chosen[-1]].astype(np.float64)
    assert found.tolist() == chosen


@given(candidates(8), st.integers(1, 4))
@settings(deadline=None)
def test_greedy_choice_reaches_its_share_of_the_optimum(
    given_: tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]], k: int
) -> None:
    similarities, weights, _ = given_
    found = tuple(coverage(similarities, weights, k).tolist())
    optimum = max(
        covered(similarities, weights, subset)
        for subset in combinations(range(len(weights)), min(k, len(weights)))
    )
    assert covered(similarities, weights, found) >= (1 - 1 / np.e) * optimum - 1e-9


@given(candidates(), st.integers(0, 14), TRADE_OFFS)
@settings(deadline=None)
def test_mmr_is_what_its_formula_says(
    given_: tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]],
    k: int,
    trade_off: float,
) -> None:
    similarities, relevance, ordinals = given_
    chosen: list[int] = []
    for _ in range(min(k, len(relevance))):
        scores = {
            i: trade_off * relevance[i]
            - (1 - trade_off) * max((float(similarities[i, j]) for j in chosen), default=0.0)
            for i in range(len(relevance))
            if i not in chosen
        }
        chosen.append(min(scores, key=lambda i: (-scores[i], ordinals[i])))
    found = mmr(similarities, relevance, k, trade_off=trade_off, ordinals=ordinals)
    assert found.tolist() == chosen


@pytest.mark.parametrize("choose", [mmr, coverage])
@given(given_=candidates(), seed=st.integers(0, 100))
@settings(deadline=None)
def test_the_order_of_candidates_does_not_matter(
    choose: type,
    given_: tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]],
    seed: int,
) -> None:
    similarities, weights, ordinals = given_
    order = np.random.default_rng(seed).permutation(len(weights))
    found = choose(similarities, weights, 5, ordinals=ordinals)
    shuffled = choose(
        similarities[np.ix_(order, order)], weights[order], 5, ordinals=ordinals[order]
    )
    np.testing.assert_array_equal(ordinals[found], ordinals[order][shuffled])


ROWS = st.lists(
    st.dictionaries(st.integers(0, 20), st.floats(2**-7, 100, width=32), max_size=6), max_size=8
)


@given(ROWS)
@settings(deadline=None)
def test_cosines_of_terms_are_those_of_dense_rows(rows: list[dict[int, float]]) -> None:
    dense = np.zeros((len(rows), 21), np.float32)
    for i, row in enumerate(rows):
        dense[i, list(row)] = list(row.values())
    found = of_terms(SparseBatch.from_rows(rows))
    np.testing.assert_allclose(found, of_vectors(dense), atol=1e-5)
    np.testing.assert_array_equal(found, found.T)
