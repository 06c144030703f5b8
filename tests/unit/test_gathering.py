"""Passages become documents: by hand."""

import numpy as np
import pytest

from lexmax.index.segment import Segment
from lexmax.index.snapshot import Snapshot
from lexmax.pipeline.gathering import deepened, distinct, gathered, in_passages
from lexmax.pipeline.queries import EncodedQueries
from lexmax.stages import BestPassage, TopPassages
from lexmax.types import Hits

# Documents 5, 7, 9 and 12 with 1, 3, 2 and 4 passages, in two segments.
SERIALS = [np.array([5, 7, 7, 7]), np.array([9, 9, 12, 12, 12, 12])]


@pytest.fixture
def snapshot() -> Snapshot:
    segments = [
        Segment(serials, None, None, passages=np.zeros((len(serials), 2), np.int32))
        for serials in SERIALS
    ]
    return Snapshot.of(1, segments, np.zeros(0, np.int64))


def hits(*rows: list[tuple[int, float]]) -> Hits:
    pairs = [
        (np.array([o for o, _ in row], np.int64), np.array([s for _, s in row], np.float32))
        for row in rows
    ]
    return Hits.from_rows(pairs, max(map(len, rows)))


def pairs(found: Hits, i: int = 0) -> list[tuple[int, float]]:
    ordinals, scores = found.row(i)
    return list(zip(ordinals.tolist(), scores.tolist(), strict=True))


RANKED = [(8, 9.0), (2, 8.0), (7, 6.0), (0, 5.0), (1, 5.0), (5, 4.0), (6, 1.0)]


def test_the_best_passage_stands_for_its_document(snapshot: Snapshot) -> None:
    found = gathered(BestPassage(), snapshot, hits(RANKED, [], [(3, 1.0), (1, 1.0)]), 99)
    assert pairs(found) == [(8, 9.0), (2, 8.0), (0, 5.0), (5, 4.0)]
    assert pairs(found, 1) == []
    assert pairs(found, 2) == [(3, 1.0)]
    assert pairs(distinct(snapshot, hits(RANKED))) == pairs(found)


def test_the_mean_of_the_best_passages(snapshot: Snapshot) -> None:
    found = gathered(TopPassages(n=2), snapshot, hits(RANKED, []), 99)
    # 12: (9 + 6) / 2; 7: (8 + 5) / 2; 5 has one passage; of 9 one was not found and counts as 1.
    assert pairs(found) == [(8, 7.5), (2, 6.5), (0, 5.0), (5, 2.5)]
    assert pairs(found, 1) == []
    # Of 12 three were found and one counts as the last, of 7 two and one.
    of_four = gathered(TopPassages(n=4), snapshot, hits(RANKED), 99)
    assert pairs(of_four) == [(0, 5.0), (2, np.float32(14 / 3)), (8, 4.25), (5, 2.5)]


def test_one_passage_is_the_best_one(snapshot: Snapshot) -> None:
    assert pairs(gathered(TopPassages(n=1), snapshot, hits(RANKED), 99)) == pairs(
        gathered(BestPassage(), snapshot, hits(RANKED), 99)
    )


def test_equal_documents_stand_in_their_order(snapshot: Snapshot) -> None:
    equal = [(o, 2.0) for o in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)]
    for rule in (BestPassage(), TopPassages(n=3)):
        assert pairs(gathered(rule, snapshot, hits(equal), 99)) == [
            (0, 2.0),
            (1, 2.0),
            (4, 2.0),
            (6, 2.0),
        ]


def test_scores_without_bound_give_no_nan(snapshot: Snapshot) -> None:
    found = gathered(TopPassages(n=2), snapshot, hits([(0, 3.0), (4, 2.0), (1, -np.inf)]), 99)
    # The other passage of 9 was not found, and is no better than the last.
    assert pairs(found) == [(0, 3.0), (1, -np.inf), (4, -np.inf)]


def test_means_are_over_the_first_passages_and_others_stay_behind(snapshot: Snapshot) -> None:
    for rule in (TopPassages(n=2), TopPassages(n=1), BestPassage()):
        ordinals, scores = gathered(rule, snapshot, hits(RANKED), 3).row(0)
        of_first = gathered(rule, snapshot, hits(RANKED[:3]), 3).row(0)[0]
        assert ordinals[: len(of_first)].tolist() == of_first.tolist()
        every = [one for one, _ in pairs(gathered(BestPassage(), snapshot, hits(RANKED), 3))]
        assert sorted(ordinals) == sorted(every)
        assert [one for one in every if one not in of_first] == ordinals[len(of_first) :].tolist()
        assert np.all(np.diff(scores) <= 0)


def test_depth_counts_documents(snapshot: Snapshot) -> None:
    assert in_passages(snapshot, 1) == 3  # ten passages of four documents
    assert in_passages(snapshot, 4) == 10
    assert in_passages(Snapshot(0, ()), 7) == 0


class Engine:
    """Finds what is ranked; remembers how deep it was asked to look for which queries."""

    def __init__(self, **ranked: list[int]) -> None:
        self.ranked, self.asked = ranked, list[tuple[list[str], int]]()

    def __call__(self, queries: EncodedQueries, depth: int) -> Hits:
        self.asked.append((list(queries.texts), depth))
        rows = [[(o, -float(i)) for i, o in enumerate(self.ranked[q])] for q in queries.texts]
        return hits(*[row[:depth] for row in rows])


def test_queries_whose_passages_are_of_too_few_documents_look_deeper(snapshot: Snapshot) -> None:
    engine = Engine(
        wide=[0, 1, 4, 6, 2],
        narrow=[6, 7, 8, 9, 1, 2, 3, 0, 4, 5],
        few=[1, 2],
        none=[],
    )
    queries = EncodedQueries(["wide", "narrow", "few", "none"])
    found = deepened(engine, queries, 2, snapshot, in_time=lambda: True)
    assert engine.asked == [(["wide", "narrow", "few", "none"], 5)]
    assert [len(found.row(i)[0]) for i in range(4)] == [5, 5, 2, 0]

    engine.asked.clear()
    found = deepened(engine, queries, 1, snapshot, in_time=lambda: True)
    assert engine.asked == [(list(queries.texts), 3)]

    engine.asked.clear()
    engine.ranked["narrow"] = [6, 7, 8, 9, 1, 2, 3]
    found = deepened(engine, queries, 3, snapshot, in_time=lambda: True)
    # Eight passages are asked for at first, and nobody has more.
    assert engine.asked == [(list(queries.texts), 8)]

    few = [6, 7, 8, 9, 1, 2, 3, 0]
    engine = Engine(wide=[0, 1, 4, 6, 2], narrow=[*few[:4], *few[:4], 1, 2, 3, 0])
    found = deepened(engine, EncodedQueries(["wide", "narrow"]), 2, snapshot, in_time=lambda: True)
    assert engine.asked == [(["wide", "narrow"], 5), (["narrow"], 10)]
    assert found.row(1)[0].tolist() == [6, 7, 8, 9, 6, 7, 8, 9, 1, 2]
    assert found.row(0)[0].tolist() == [0, 1, 4, 6, 2]


def test_nobody_looks_deeper_when_the_time_is_up(snapshot: Snapshot) -> None:
    engine = Engine(narrow=[6, 7, 8, 9, 6, 7, 8, 9, 0])
    found = deepened(engine, EncodedQueries(["narrow"]), 2, snapshot, in_time=lambda: False)
    assert engine.asked == [(["narrow"], 5)]
    assert len(found.row(0)[0]) == 5
