"""Importance against sums over all subsets of documents."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.importance import Ascent, RankedLists, ascended, best_cut, gradients, utilities

SEEDS = st.integers(0, 2**32 - 1)


def top_k_utility(present: tuple[int, ...], utility: NDArray[np.float64], k: int) -> float:
    """The mean over k of the first k documents that are there."""
    first = [u for there, u in zip(present, utility, strict=True) if there][:k]
    return sum(first) / k


def expected(p: NDArray[np.float64], utility: NDArray[np.float64], k: int) -> float:
    """The multilinear extension, over all 2^n corpora."""
    total = 0.0
    for present in itertools.product((0, 1), repeat=len(p)):
        chance = np.prod([q if there else 1 - q for there, q in zip(present, p, strict=True)])
        total += float(chance) * top_k_utility(present, utility, k)
    return total


def derivative(p: NDArray[np.float64], utility: NDArray[np.float64], k: int, i: int) -> float:
    """It is linear in each probability: what is with document i, less what is without."""
    with_it, without = p.copy(), p.copy()
    with_it[i], without[i] = 1.0, 0.0
    return expected(with_it, utility, k) - expected(without, utility, k)


def drawn(
    seed: int, n_queries: int, n_sources: int, *, own: bool
) -> tuple[RankedLists, NDArray[np.float64]]:
    """Lists of 0 to 7 documents; with `own` no source stands twice in a list."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n_queries):
        n = int(rng.integers(0, 8))
        sources = rng.permutation(n_sources)[:n] if own else rng.integers(0, n_sources, n)
        values = rng.choice([0.0, 1.0, 0.25, rng.random()], len(sources))
        rows.append((sources.tolist(), values.tolist()))
    p = rng.choice([0.0, 1.0, 0.5, rng.random(), rng.random()], n_sources)
    return RankedLists.of(rows, n_sources), p


def list_of(lists: RankedLists, query: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    there = lists.sources[query] >= 0
    return lists.sources[query][there], lists.utilities[query][there]


@given(seed=SEEDS, n_queries=st.integers(0, 4), k=st.integers(1, 9))
def test_utilities_are_sums_over_all_subsets(seed: int, n_queries: int, k: int) -> None:
    lists, p = drawn(seed, n_queries, 9, own=True)
    found = utilities(lists, p, k=k)
    for query in range(n_queries):
        sources, values = list_of(lists, query)
        assert abs(found[query] - expected(p[sources], values, k)) <= 1e-12


@given(seed=SEEDS, n_queries=st.integers(1, 4), k=st.integers(1, 9), own=st.booleans())
def test_gradients_are_sums_over_all_subsets(seed: int, n_queries: int, k: int, own: bool) -> None:
    lists, p = drawn(seed, n_queries, 9, own=own)
    wanted = np.zeros(9)
    for query in range(n_queries):
        sources, values = list_of(lists, query)
        for i, source in enumerate(sources):
            # Documents of one source share its probability: their derivatives add up.
            wanted[source] += derivative(p[sources], values, k, i) / n_queries
    found = gradients(lists, p, k=k)
    assert np.abs(found - wanted).max() <= 1e-12


@given(seed=SEEDS, k=st.integers(1, 4))
def test_gradients_are_slopes_of_the_utility(seed: int, k: int) -> None:
    lists, p = drawn(seed, 5, 6, own=False)
    p = 0.1 + 0.8 * p
    slope = gradients(lists, p, k=k)
    for source in range(6):
        step = np.zeros(6)
        step[source] = 1e-5
        higher, lower = (utilities(lists, p + sign * step, k=k).mean() for sign in (1, -1))
        assert slope[source] == pytest.approx((higher - lower) / 2e-5, abs=1e-8)


@given(seed=SEEDS, k=st.integers(1, 5), epsilon=st.sampled_from([1e-9, 1e-3, 0.05, 0.3, 1.0]))
def test_ends_of_lists_are_left_out_within_epsilon(seed: int, k: int, epsilon: float) -> None:
    rng = np.random.default_rng(seed)
    depth = 40
    rows = [(rng.permutation(60)[:depth].tolist(), rng.random(depth).tolist())]
    lists, p = RankedLists.of(rows, 60), rng.random(60)
    exact = gradients(lists, p, k=k)
    found = gradients(lists, p, k=k, epsilon=epsilon)
    assert np.abs(found - exact).max() <= epsilon / k + 1e-15


@given(seed=SEEDS, n_queries=st.integers(1, 6), k=st.integers(1, 4))
def test_the_way_up_never_falls(seed: int, n_queries: int, k: int) -> None:
    lists, _ = drawn(seed, n_queries, 9, own=False)
    for lr in (None, 0.3, 50.0):
        p, reached = ascended(lists, k=k, rules=Ascent(30, lr=lr))
        assert ((p >= 0) & (p <= 1)).all()
        assert (np.diff(reached) >= 0).all()
        assert reached[-1] == pytest.approx(utilities(lists, p, k=k).mean())
        assert (p[~lists.seen] == 0.5).all()


@given(seed=SEEDS, n_queries=st.integers(1, 6), k=st.integers(1, 4))
def test_no_cut_makes_held_out_queries_worse(seed: int, n_queries: int, k: int) -> None:
    lists, weights = drawn(seed, n_queries, 9, own=False)
    known = np.random.default_rng(seed).random(9) < 0.7
    cut = best_cut(weights, known, lists, k=k)
    assert cut.utility >= cut.utility_before
    assert cut.keep[~known].all()
    for query in range(n_queries):
        sources, values = list_of(lists, query)
        present = tuple(int(cut.keep[source]) for source in sources)
        alone = lists.take(np.array([query]))
        found = utilities(alone, cut.keep.astype(np.float64), k=k)[0]
        assert found == pytest.approx(top_k_utility(present, values, k))


@given(seed=SEEDS)
def test_queries_in_parts_are_queries_at_once(seed: int) -> None:
    lists, p = drawn(seed, 5, 9, own=False)
    each = [gradients(lists.take(np.array([i])), p, k=3) for i in range(5)]
    np.testing.assert_allclose(np.mean(each, axis=0), gradients(lists, p, k=3), atol=1e-14)
