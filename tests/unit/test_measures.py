"""Measures against numbers worked out by hand."""

import math

import pytest

from lexmax.errors import EvaluationError
from lexmax.eval.measures import DEFAULT_MEASURES, Evaluator

QRELS = {
    "q1": {"d1": 3, "d2": 1, "d3": 0, "d9": 2},
    "q2": {"d1": 1},
    "q3": {"d7": 1},
    "q4": {"d7": 0},
}
RANKINGS = {
    "q1": ["d2", "d3", "d1", "d4"],
    "q2": ["d5", "d6", "d1"],
    "q4": ["d7"],
    "unjudged": ["d1"],
}
# q1: DCG = 1/log2(2) + 0/log2(3) + 3/log2(4) = 2.5; ideal = 3/log2(2) + 2/log2(3) + 1/log2(4).
NDCG_1 = 2.5 / (3 + 2 / math.log2(3) + 0.5)
# q2: DCG = 1/log2(4) = 0.5; ideal = 1. q3 got no ranking. q4 has nothing to find.
BY_HAND = {
    "nDCG@10": (NDCG_1, 0.5, 0.0, 0.0),
    "RR@10": (1.0, 1 / 3, 0.0, 0.0),
    "R@100": (2 / 3, 1.0, 0.0, 0.0),
    "R@1000": (2 / 3, 1.0, 0.0, 0.0),
    # q1: (1/1 + 2/3) / 3 relevant documents. q2: (1/3) / 1.
    "AP": (5 / 9, 1 / 3, 0.0, 0.0),
    "R@2": (1 / 3, 0.0, 0.0, 0.0),
    "RR@2": (1.0, 0.0, 0.0, 0.0),
    "P@2": (0.5, 0.0, 0.0, 0.0),
    "AP@1": (1 / 3, 0.0, 0.0, 0.0),
    # Where only grades from 2 count, q1's first is d1 at rank 3.
    "RR(rel=2)@10": (1 / 3, 0.0, 0.0, 0.0),
    "nDCG": (NDCG_1, 0.5, 0.0, 0.0),
    # Without the documents that nobody judged, d1 comes first for q2.
    "nDCG(judged_only=True)@1": (1 / 3, 1.0, 0.0, 0.0),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_each_measure_by_hand(name: str) -> None:
    measured = Evaluator(QRELS, [name]).evaluate(RANKINGS)
    assert list(measured.by_query[name]) == list(QRELS)
    assert tuple(measured.by_query[name].values()) == pytest.approx(BY_HAND[name], abs=1e-12)
    # Missing queries count: the mean is over the four that were judged.
    assert measured.overall[name] == pytest.approx(sum(BY_HAND[name]) / 4, abs=1e-12)


def test_measures_together_equal_measures_alone() -> None:
    together = Evaluator(QRELS, list(BY_HAND)).evaluate(RANKINGS)
    assert list(together.overall) == list(BY_HAND)
    for name in BY_HAND:
        assert together.by_query[name] == Evaluator(QRELS, [name]).evaluate(RANKINGS).by_query[name]


def test_default_measures() -> None:
    assert Evaluator(QRELS).names == DEFAULT_MEASURES
    assert Evaluator(QRELS).cutoffs == dict(
        zip(DEFAULT_MEASURES, (10, 10, 100, 1000, None), strict=True)
    )


def test_evaluator_serves_many_runs() -> None:
    evaluator = Evaluator(QRELS, ["RR@10"])
    assert evaluator.evaluate({"q1": ["d1"]}).overall == {"RR@10": 0.25}
    assert evaluator.evaluate({}).overall == {"RR@10": 0.0}
    assert evaluator.evaluate({"q1": [], "q2": ["d1"]}).overall == {"RR@10": 0.25}


def test_order_alone_decides_not_the_ids() -> None:
    # Programs that break ties by doc_id would give one of these the figure of the other.
    evaluator = Evaluator({"q": {"d5": 1}}, ["RR@10", "nDCG@10", "AP"])
    ids = [f"d{i}" for i in range(10)]
    for rank in range(1, 11):
        others = [doc_id for doc_id in ids if doc_id != "d5"]
        others.insert(rank - 1, "d5")
        overall = evaluator.evaluate({"q": others}).overall
        expected = {"RR@10": 1 / rank, "nDCG@10": 1 / math.log2(rank + 1), "AP": 1 / rank}
        assert overall == pytest.approx(expected)


def test_cutting_is_at_the_cutoff() -> None:
    ids = [f"d{i}" for i in range(1500)]
    for name, rank, found in [("R@1000", 1000, 1.0), ("R@1000", 1001, 0.0), ("R@100", 101, 0.0)]:
        measured = Evaluator({"q": {f"d{rank - 1}": 1}}, [name, "R@100", "AP"]).evaluate({"q": ids})
        assert measured.overall[name] == found
        assert measured.overall["AP"] == pytest.approx(1 / rank)


def test_grades_below_zero_are_not_relevant() -> None:
    below = {"q": {"d1": -2, "d2": 1, "d3": -1}}
    zero = {"q": {"d1": 0, "d2": 1, "d3": 0}}
    names = ["nDCG@10", "AP", "P@2", "RR@10"]
    rankings = {"q": ["d1", "d2", "d3"]}
    figures = Evaluator(below, names).evaluate(rankings).overall
    assert figures == Evaluator(zero, names).evaluate(rankings).overall
    assert figures["RR@10"] == 0.5
    # trec_eval's reading: they are not judged either, so without them d2 comes first.
    judged_only = Evaluator(below, ["AP(judged_only=True)"]).evaluate(rankings)
    assert judged_only.overall == {"AP(judged_only=True)": 1.0}


@pytest.mark.parametrize("name", ["nDCG@10", "nDCG(judged_only=True)@10", "Bpref", "AP", "R@5"])
def test_none_but_negative_grades(name: str) -> None:
    # trec_eval's nDCG does not come back from this.
    measured = Evaluator({"q": {"a": -1, "b": -2}}, [name]).evaluate({"q": ["a", "x"]})
    assert measured.by_query[name] == {"q": 0.0}


def test_counts_are_summed() -> None:
    measured = Evaluator(QRELS, ["NumRet"]).evaluate(RANKINGS)
    assert measured.overall == {"NumRet": 8.0}


def test_aliases_keep_the_name_asked_for() -> None:
    measured = Evaluator(QRELS, ["MRR@10", "RR@10", "MRR@10"]).evaluate(RANKINGS)
    assert list(measured.overall) == ["MRR@10", "RR@10"]
    assert measured.overall["MRR@10"] == measured.overall["RR@10"]


NO_MEASURES = [
    *("foo", "ndcg@10", "", "nDCG(", "nDCG@x", "nDCG@1.5", "P", "AP(x=1)", "nDCG@10; AP", "\0"),
    *("nDCG@0", "RR@-1", "P@0", "nDCG@10000000000", "nDCG@True", "IPrec@2", "(" * 5000),
    *("AP(rel=0)", "AP(rel=99999999999)", "__import__('os')"),
]


@pytest.mark.parametrize("name", NO_MEASURES)
def test_what_is_no_measure_is_refused(name: str) -> None:
    with pytest.raises(EvaluationError, match=r"no measure .* such as nDCG@10, RR@10"):
        Evaluator(QRELS, [name])


def test_no_measure_at_all_is_refused() -> None:
    with pytest.raises(EvaluationError, match="no measure is named"):
        Evaluator(QRELS, [])


def test_measure_that_nothing_here_computes_is_refused() -> None:
    with pytest.raises(EvaluationError, match="cannot compute ERR_IA@10 here"):
        Evaluator(QRELS, ["ERR_IA@10"])
