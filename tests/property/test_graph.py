"""Walks over a graph against dense matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.diversity.graph import EdgesOf, around, hops, personalised_pagerank
from lexmax.fusion import Row
from lexmax.index.neighbours import Edges
from lexmax.types import best_first

N = 12


@st.composite
def graphs(draw: st.DrawFn) -> NDArray[np.float64]:
    """Similarities (N, N) of edges, 0 where none leads."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    present = random.random((N, N)) < draw(st.sampled_from([0, 0.1, 0.3, 1.0]))
    np.fill_diagonal(present, False)
    return np.where(present, random.integers(1, 9, (N, N)) / 8, 0)


@st.composite
def rankings(draw: st.DrawFn) -> Row:
    ordinals = np.array(draw(st.lists(st.integers(0, N - 1), unique=True)), dtype=np.int64)
    scores = draw(st.lists(st.integers(-5, 5), min_size=len(ordinals), max_size=len(ordinals)))
    return best_first(ordinals, np.array(scores, dtype=np.float32), len(ordinals))


def edges_of(graph: NDArray[np.float64]) -> EdgesOf:
    def found(documents: NDArray[np.int64]) -> Edges:
        rows, targets = np.nonzero(graph[documents])
        starts = np.searchsorted(rows, np.arange(len(documents) + 1))
        return Edges(starts, targets, graph[documents][rows, targets].astype(np.float32))

    return found


def scaled(found: Row) -> NDArray[np.float64]:
    dense = np.zeros(N)
    ordinals, scores = found
    if len(scores):
        low, high, n = float(scores.min()), float(scores.max()), len(scores)
        for ordinal, score in zip(ordinals, scores, strict=True):
            share = (float(score) - low) / (high - low) if high > low else 1
            dense[ordinal] = 1 / n + (1 - 1 / n) * share
    return dense


def reached(graph: NDArray[np.float64], ordinals: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    there = np.zeros(N, np.bool_)
    there[ordinals] = True
    for _ in range(n):
        there |= (graph[there] > 0).any(axis=0)
    return there


def dense_of(row: Row) -> NDArray[np.float64]:
    dense = np.zeros(N)
    dense[row[0]] = row[1]
    return dense


def check_order(row: Row) -> None:
    again = best_first(*row, len(row[0]))
    np.testing.assert_array_equal(again[0], row[0])


@settings(deadline=None)
@given(graphs(), rankings(), st.integers(0, 3))
def test_surroundings_hold_all_edges_between_what_hops_reach(
    graph: NDArray[np.float64], found: Row, n: int
) -> None:
    there = around(found[0], edges_of(graph), hops=n)
    mask = reached(graph, found[0], n)
    np.testing.assert_array_equal(there.ordinals, np.flatnonzero(mask))
    dense = np.zeros((N, N))
    dense[there.ordinals[there.sources], there.ordinals[there.targets]] = there.similarities
    np.testing.assert_array_equal(dense, np.where(mask[:, None] & mask, graph, 0))


@settings(deadline=None)
@given(graphs(), rankings(), st.integers(0, 3))
def test_hops_pass_scores_along_edges(graph: NDArray[np.float64], found: Row, n: int) -> None:
    row = hops(found, edges_of(graph), hops=n)
    mask = reached(graph, found[0], n)
    inside = np.where(mask[:, None] & mask, graph, 0)
    passed = scaled(found)
    for _ in range(n):
        passed = np.maximum(passed, (passed[:, None] * inside).max(axis=0))
    np.testing.assert_array_equal(np.sort(row[0]), np.flatnonzero(mask))
    np.testing.assert_allclose(dense_of(row), passed, rtol=1e-6)
    check_order(row)


@settings(deadline=None)
@given(
    graphs(), rankings(), st.integers(0, 3), st.sampled_from([0.0, 0.2, 1.0]), st.integers(0, 20)
)
def test_pagerank_is_the_power_iteration_of_a_dense_matrix(
    graph: NDArray[np.float64], found: Row, n: int, restart: float, steps: int
) -> None:
    row = personalised_pagerank(found, edges_of(graph), restart=restart, steps=steps, hops=n)
    mask = reached(graph, found[0], n)
    inside = np.where(mask[:, None] & mask, graph, 0)
    start = scaled(found)
    start /= start.sum() or 1
    totals = inside.sum(axis=1, keepdims=True)
    chances = np.where(totals > 0, inside / np.where(totals > 0, totals, 1), start)
    walked = start
    for _ in range(steps):
        walked = restart * start + (1 - restart) * (walked @ chances)
    np.testing.assert_allclose(dense_of(row), walked, atol=1e-6)
    if len(found[0]):
        assert row[1].sum() == pytest.approx(1, abs=1e-5)
    check_order(row)
