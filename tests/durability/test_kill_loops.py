"""A few of the kills that `make kill-loops` does by the hundred, and its model of what must be."""

from pathlib import Path

import pytest
from expected import Expected, differences, document
from kill_loops import Loops
from mixed_load import Sides


@pytest.mark.parametrize("seed", [4])
def test_what_was_acknowledged_is_there_after_kills(tmp_path: Path, seed: int) -> None:
    loops = Loops(tmp_path, n_docs=600, seed=seed, load_s=0.8)
    summary = loops.run(3, lambda line: None)
    assert summary.problems == []
    assert summary.loops == 3
    assert summary.writes > 0


def test_each_version_is_another_document() -> None:
    assert document(3, 1) == document(3, 1)
    assert document(3, 1).doc_id == document(3, 2).doc_id
    assert document(3, 1).text != document(3, 2).text


def test_no_version_is_sent_twice() -> None:
    expected = Expected()
    assert [expected.next_version(7) for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("found", "n_done"), [({1: 1, 2: 1, 3: 1}, 0), ({2: 2, 3: 1}, 1)], ids=["undone", "done"]
)
def test_a_write_without_a_reply_may_be_there_or_not(found: dict[int, int], n_done: int) -> None:
    expected = Expected({1: 1, 2: 1, 3: 1})
    expected.cut_off({1: None, 2: 2})
    assert expected.settle(found) == (n_done, [])
    assert expected.versions == found
    assert expected.unsure == []


@pytest.mark.parametrize(
    "found",
    [{1: 1, 2: 2, 3: 1}, {2: 1, 3: 1}, {1: 1, 2: 7, 3: 1}, {1: 1, 2: 1}, {1: 1, 2: 1, 3: 1, 4: 1}],
    ids=["half", "other half", "invented version", "lost", "invented"],
)
def test_everything_else_is_a_problem(found: dict[int, int]) -> None:
    expected = Expected({1: 1, 2: 1, 3: 1})
    expected.cut_off({1: None, 2: 2})
    assert expected.settle(found)[1]


def test_a_lost_deletion_is_a_problem() -> None:
    expected = Expected({1: 1})
    expected.acknowledge({1: None})
    assert expected.settle({1: 1})[1] == ["key 1: expected version None, found 1"]
    assert differences({}, {}) == []


def test_collections_may_be_there_as_their_changes_say() -> None:
    sides = Sides({"a": (None, 0), "b": (40,), "c": (None,)})
    assert sides.settle({"a": 0, "b": 40}) == []
    assert sides.possible == {"a": (0,), "b": (40,), "c": (None,)}
    assert len(sides.settle({"a": 3, "d": 1})) == 3


def test_an_alias_means_what_its_changes_say() -> None:
    sides = Sides(meant=("main", "anchor"))
    assert sides.settle({}, "anchor") == []
    assert sides.settle({}, "main") == ["the alias means main, expected one of ('anchor',)"]
