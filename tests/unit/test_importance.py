"""Importance by hand, and what its values refuse."""

from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import InputError, ShapeError
from lexmax.importance import (
    Ascent,
    RankedLists,
    Weights,
    ascended,
    best_cut,
    gradients,
    recurrence,
    utilities,
)
from lexmax.importance.weights import SourceWeight
from lexmax.types import Document


def test_one_document_of_two_by_hand() -> None:
    lists = RankedLists.of([([0, 1], [0.5, 1.0])], 2)
    p = np.array([0.5, 0.5])
    # k = 1: with the first .5; else the second, 1, if it is there: .25 + .25.
    assert utilities(lists, p, k=1).tolist() == [0.5]
    # The first brings .5 and pushes out 1 * .5; the second counts where the first is not: .5.
    assert gradients(lists, p, k=1).tolist() == [0.0, 0.5]
    # k = 2: nothing is pushed out.
    assert gradients(lists, p, k=2).tolist() == [0.25, 0.5]


def test_fractions_of_utility_are_kept() -> None:
    """A table with a place for each whole number would make .3 and .7 one."""
    lists = RankedLists.of([([0], [0.3]), ([1], [0.7])], 2)
    assert gradients(lists, np.ones(2), k=1).tolist() == [0.15, 0.35]


def test_the_queries_of_a_source_add_up() -> None:
    lists = RankedLists.of([([0, 0], [1.0, 1.0]), ([0], [1.0]), ([1], [1.0])], 2)
    assert gradients(lists, np.zeros(2), k=3).tolist() == pytest.approx([3 / 9, 1 / 9])


def test_nothing_found_is_worth_nothing() -> None:
    empty = RankedLists.of([([], []), ([], [])], 3)
    assert gradients(empty, np.full(3, 0.5), k=2).tolist() == [0, 0, 0]
    assert utilities(empty, np.full(3, 0.5), k=2).tolist() == [0, 0]
    assert ascended(empty, k=2)[0].tolist() == [0.5] * 3
    none = RankedLists.of([], 3)
    assert gradients(none, np.ones(3), k=2).tolist() == [0, 0, 0]
    assert ascended(none, k=1)[1] == [0.0]
    assert best_cut(np.ones(3), np.ones(3, np.bool_), none, k=1).percentile == 0


def test_a_lying_source_sinks_and_is_cut() -> None:
    # Source 1 is always first and never right; 0 is right; 2 was not found while learning.
    lists = RankedLists.of([([1, 0, 0], [0.0, 1.0, 1.0])] * 4, 3)
    p, _ = ascended(lists, k=2)
    assert p.tolist() == [1.0, 0.0, 0.5]
    cut = best_cut(p, lists.seen, lists, k=2)
    assert cut.keep.tolist() == [True, False, True]
    assert (cut.utility_before, cut.utility) == (0.5, 1.0)
    assert cut.percentile == 5


def test_a_step_too_far_is_taken_back() -> None:
    # Each of the two is better alone; from 1/2 a huge step would put out or in both.
    lists = RankedLists.of([([0, 1], [0.4, 1.0]), ([1, 0], [0.0, 1.0])], 2)
    _, reached = ascended(lists, k=1, rules=Ascent(60, lr=1e6))
    assert reached[-1] > reached[0]


def test_parts_of_the_queries_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = [(rng.integers(0, 9, 7).tolist(), rng.random(7).tolist()) for _ in range(11)]
    lists, p = RankedLists.of(rows, 9), rng.random(9)
    whole = gradients(lists, p, k=3), utilities(lists, p, k=3)
    monkeypatch.setattr(recurrence, "_PART", 70)
    np.testing.assert_allclose(gradients(lists, p, k=3), whole[0], atol=1e-15)
    np.testing.assert_array_equal(utilities(lists, p, k=3), whole[1])


@pytest.mark.parametrize(
    ("sources", "values", "message"),
    [
        ([[0, 3]], [[0.0, 0.0]], "reach from 0 to 3"),
        ([[0]], [[1.5]], "outside 0 to 1"),
        ([[0]], [[float("nan")]], "outside 0 to 1"),
        ([[-1, 0]], [[0.0, 0.0]], "behind the end"),
        ([[-1]], [[0.5]], "behind the end"),
        ([[0]], [[0.5, 0.5]], "differ"),
    ],
)
def test_lists_that_are_none(
    sources: list[list[int]], values: list[list[float]], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        RankedLists(np.array(sources), np.array(values), 3)


def test_probabilities_that_are_none() -> None:
    lists = RankedLists.of([([0], [1.0])], 1)
    for p in (np.array([1.1]), np.array([np.nan]), np.ones(2)):
        with pytest.raises(ShapeError, match="expected a probability for each"):
            gradients(lists, p, k=1)
    with pytest.raises(ShapeError, match="k is 0"):
        utilities(lists, np.ones(1), k=0)


@pytest.mark.parametrize("field", [None, "site"])
def test_weights_are_read_as_they_were_written(tmp_path: Path, field: str | None) -> None:
    sources = ("a", "b\n", "ç") if field is None else ("1", 1, 1.5, True, None)
    listed = tuple(SourceWeight(one, 0.25 * i, i > 1) for i, one in enumerate(sources))
    weights = Weights(field, listed)
    weights.write(tmp_path / "new" / "w.jsonl")
    assert Weights.read(tmp_path / "new" / "w.jsonl") == weights
    assert not list(tmp_path.rglob("*.tmp"))


def test_dropped_documents_are_those_of_dropped_sources() -> None:
    by_id = Weights(None, (SourceWeight("a", 0.1, False), SourceWeight("b", 0.9, True))).dropped
    assert [Document(doc_id, "") in by_id for doc_id in "abc"] == [True, False, False]
    sources = (SourceWeight(1, 0, False), SourceWeight(None, 0, False), SourceWeight("x", 1, True))
    by_field = Weights("n", sources).dropped
    metadata = [{"n": 1}, {"n": "1"}, {"n": True}, {"n": 1.0}, {}, {"n": None}, {"n": [1]}]
    found = [Document("d", "", metadata=one) in by_field for one in metadata]
    assert found == [True, False, False, False, True, True, False]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "3",
        '{"weight": 1, "keep": true}',
        '{"doc_id": 3, "weight": 1, "keep": true}',
        '{"doc_id": "a", "field": "f", "source": 1, "weight": 1, "keep": true}',
        '{"field": "f", "weight": 1, "keep": true}',
        '{"doc_id": "a", "weight": "1", "keep": true}',
        '{"doc_id": "a", "weight": 1, "keep": 1}',
    ],
)
def test_lines_that_are_no_weights(tmp_path: Path, line: str) -> None:
    path = tmp_path / "w.jsonl"
    path.write_text('{"doc_id": "x", "weight": 1, "keep": true}\n' + line)
    with pytest.raises(InputError, match=r"w\.jsonl, line 2: found .*lexmax value"):
        Weights.read(path)


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.jsonl"
    with pytest.raises(InputError, match="No such file"):
        Weights.read(path)
    path.write_text("\n")
    with pytest.raises(InputError, match="found no line"):
        Weights.read(path)
    path.write_text(
        '{"doc_id": "x", "weight": 1, "keep": true}\n'
        '{"field": "f", "source": 1, "weight": 1, "keep": true}\n'
    )
    with pytest.raises(InputError, match="lines of 2 kinds"):
        Weights.read(path)
