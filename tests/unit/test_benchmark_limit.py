"""The arithmetic of benchmarks/limit.py: ranks, candidates that are needed, reranking."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.types import TokenBatch

_FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(_FOLDER))
    return importlib.import_module("limit")


def f32(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def task(limit: Any) -> Any:
    # Two queries over five documents; documents 0 and 1, 2 and 3 are relevant.
    exact = f32([9, 8, 7, 6, 5], [1, 2, 9, 8, 7])
    none = TokenBatch(np.zeros(3, np.int64), np.zeros((0, 2), np.float32))
    best = np.argsort(-exact, axis=1)
    return limit.Task(none, [np.array([0, 1]), np.array([2, 3])], exact, best)


def test_equal_scores_count_against(limit: Any) -> None:
    assert limit._ranks(np.sort(f32([3, 1, 2, 2, 0])[0]), f32([3, 2, 0])[0]).tolist() == [1, 3, 5]


def test_what_the_exact_scores_give(limit: Any) -> None:
    asked = task(limit)
    row = limit._row(asked, "MaxSim, exact", None, asked.exact, [2])
    assert row.recall == {"2": 1.0, "10": 1.0, "100": 1.0}
    assert (row.reranked, row.needed, row.curve) == ({}, {}, {})


def test_candidates_that_an_estimate_needs(limit: Any) -> None:
    asked = task(limit)
    # The first query's two best are at ranks 2 and 5, the second's at 1 and 3.
    estimate = f32([4, 1, 5, 3, 2], [1, 4, 5, 3, 2])
    row = limit._row(asked, "estimate", 7, estimate, [3, 4, 5])
    assert row.recall == {"2": 0.5, "10": 1.0, "100": 1.0}
    assert row.needed["2"] == {"95%": 5, "99%": 5}
    assert row.curve == {"1": 0.25, "2": 0.5, "3": 0.75, "4": 0.75, "5": 1.0}
    # Of three candidates MaxSim finds the second query's documents first; five are all.
    assert row.reranked["3"]["2"] == 0.75
    assert list(row.reranked) == ["3", "4"]


def test_shares_are_those_of_all_pairs(limit: Any) -> None:
    ranks = np.arange(1, 101).reshape(50, 2)
    assert limit._needed(ranks) == {"95%": 95, "99%": 99}


def test_the_table_has_a_row_a_score(limit: Any) -> None:
    asked = task(limit)
    rows = [
        limit.asdict(limit._row(asked, "MaxSim, exact", None, asked.exact, [3])),
        limit.asdict(limit._row(asked, "FDE", 8, asked.exact.copy(), [3])),
    ]
    lines = limit.markdown({"candidates": [3, 1000], "rows": rows}).splitlines()
    assert lines[0].count("|") == lines[2].count("|") == lines[3].count("|")
    assert "R@2 of 3 reranked" in lines[0]
    assert "1,000" not in lines[0]
    assert lines[3].startswith("| FDE | 1.000 | 1.000 | 1.000 | 1.000 | 2 | 2 | 5 | 5 |")
