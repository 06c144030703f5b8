"""Screening, candidates, diversity and judged shares against numbers worked out by hand."""

import math

import pytest

from lexmax.errors import EvaluationError
from lexmax.eval.measures import Evaluator
from lexmax.eval.qrels import Subtopics

# Pool of q1: the 8 ranked and the judged "n", "z" that are not: 10. Appended by doc_id: n, z.
# Relevant: a at 1, b at 4, z at 10. q2: pool 4, relevant c at 2. q3 has nothing relevant.
QRELS = {
    "q1": {"a": 1, "b": 2, "z": 1, "n": 0, "x3": 0},
    "q2": {"c": 1, "x1": 0},
    "q3": {"a": 0},
}
RUN = {
    "q1": ["a", "x1", "x2", "b", "x3", "x4", "x5", "x6"],
    "q2": ["x1", "c", "x2", "x3"],
    "q3": ["a", "b"],
}


def by_query(name: str) -> dict[str, float]:
    return dict(Evaluator(QRELS, [name]).evaluate(RUN).by_query[name])


BY_HAND = {
    # (N - k) / N - (1 - r), k at the third of q1's three (ceil(2.85)) and at q2's only one.
    "WSS@95": {"q1": 0 / 10 - 0.05, "q2": 2 / 4 - 0.05},
    "WSS@100": {"q1": 0.0, "q2": 0.5},
    # ceil(1.5) = 2 of three: rank 4.
    "WSS@50": {"q1": 6 / 10 - 0.5, "q2": 2 / 4 - 0.5},
    "LastRel": {"q1": 1.0, "q2": 0.5},
    # ceil(10 * 10 / 100) = 1 document; ceil(10 * 4 / 100) = 1.
    "R@10%": {"q1": 1 / 3, "q2": 0.0},
    "R@40%": {"q1": 2 / 3, "q2": 1.0},
    # ceil(0.5 * 10 / 100) = 1: no share is so small that nothing is read.
    "R@0.5%": {"q1": 1 / 3, "q2": 0.0},
    "R@100%": {"q1": 1.0, "q2": 1.0},
    "LastRel(rel=2)": {"q1": 0.4},
    "Candidates@R50": {"q1": 4.0, "q2": 2.0},
    "Candidates@R100": {"q1": math.inf, "q2": 2.0},
    # Judged among the first 5: a, b, x3. Of q2's 4: x1 and c. q3's first of two.
    "Judged@5": {"q1": 3 / 5, "q2": 2 / 4, "q3": 1 / 2},
    "Judged": {"q1": 3 / 8, "q2": 2 / 4, "q3": 1 / 2},
}


@pytest.mark.parametrize("name", BY_HAND)
def test_each_measure_by_hand(name: str) -> None:
    assert by_query(name) == pytest.approx(BY_HAND[name], abs=1e-12)


@pytest.mark.parametrize("name", ["WSS@95", "LastRel", "R@40%"])
def test_topics_without_a_relevant_document_are_left_out_of_the_mean(name: str) -> None:
    overall = Evaluator(QRELS, [name]).evaluate(RUN).overall[name]
    assert overall == pytest.approx(sum(BY_HAND[name].values()) / 2, abs=1e-12)


def test_what_says_nothing_about_any_topic_is_no_number() -> None:
    for name in ("WSS@95", "LastRel", "R@5%", "Candidates@R95"):
        measured = Evaluator({"q": {"a": 0}}, [name]).evaluate({"q": ["a"]})
        assert math.isnan(measured.overall[name])
        assert measured.by_query[name] == {}


def test_a_topic_without_an_answer_has_its_pool_by_doc_id() -> None:
    # Pool: a, b, c; b is relevant, at rank 2 of 3.
    measured = Evaluator({"q": {"c": 0, "b": 1, "a": 0}}, ["LastRel", "WSS@100"]).evaluate({})
    assert measured.overall == pytest.approx({"LastRel": 2 / 3, "WSS@100": 1 / 3})


def test_ceilings_are_exact() -> None:
    # 95 % of 20 are 19, though 0.95 * 20 is above 19 in floats of some machines.
    judged = {f"d{i:02}": 1 for i in range(20)}
    run = {"q": sorted(judged)}
    measured = Evaluator({"q": judged}, ["WSS@95", "Candidates@R95"]).evaluate(run)
    assert measured.by_query["Candidates@R95"] == {"q": 19.0}
    assert measured.overall["WSS@95"] == pytest.approx(1 / 20 - 0.05, abs=1e-12)


def test_candidates_are_those_that_serve_the_mean_recall() -> None:
    qrels = {"q1": {"a": 1, "b": 1}, "q2": {"a": 1}, "q3": {"a": 0}}
    run = {"q1": ["a", "x", "b"], "q2": ["x", "y", "z", "a"]}
    # Mean recall of q1 and q2: .25 at rank 1, .25 at 2, .5 at 3, 1 at 4.
    names = [f"Candidates@R{p}" for p in (25, 26, 50, 75, 100)]
    overall = Evaluator(qrels, names).evaluate(run).overall
    assert list(overall.values()) == [1, 3, 3, 4, 4]
    cut = Evaluator(qrels, names).evaluate({"q1": ["a", "x", "b"]}).overall
    assert list(cut.values()) == [1, 3, 3, math.inf, math.inf]


SUBTOPICS: Subtopics = {
    "q": {"a": frozenset("12"), "b": frozenset("1"), "c": frozenset("3"), "d": frozenset("2")}
}


def test_alpha_ndcg_by_hand() -> None:
    qrels = {"q": {"a": 1, "b": 1, "c": 1, "d": 1, "e": 0}, "other": {"a": 0}}
    # Gains: b 1 (subtopic 1); e 0; a 0.5 (1 again) + 1 (2); c 1.
    found = 1 / math.log2(2) + 1.5 / math.log2(4) + 1 / math.log2(5)
    # Greedy: a 2, c 1, then b or d 0.5, and the other 0.5.
    best = 2 / math.log2(2) + 1 / math.log2(3) + 0.5 / math.log2(4) + 0.5 / math.log2(5)
    evaluator = Evaluator(qrels, ["alpha_nDCG@10(alpha=.5)"], subtopics=SUBTOPICS)
    measured = evaluator.evaluate({"q": ["b", "e", "a", "c"]})
    by_query = measured.by_query["alpha_nDCG@10(alpha=.5)"]
    assert by_query == pytest.approx({"q": found / best, "other": 0.0}, abs=1e-12)


def test_alpha_of_one_counts_nothing_twice_and_cutoffs_cut() -> None:
    qrels = {"q": dict.fromkeys("abcd", 1)}
    names = ["alpha_nDCG(alpha=1)@2", "alpha_nDCG(alpha=0)@1"]
    measured = Evaluator(qrels, names, subtopics=SUBTOPICS).evaluate({"q": ["b", "a", "c"]})
    # b shows 1, a only 2 more; the best begins with a and c. At rank 1, b has one of two.
    assert measured.overall[names[0]] == pytest.approx(
        (1 + 1 / math.log2(3)) / (2 + 1 / math.log2(3))
    )
    assert measured.overall[names[1]] == pytest.approx(1 / 2)


def test_diversity_without_subtopics_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"alpha_nDCG@10 needs to know the subtopics"):
        Evaluator({"q": {"a": 1}}, ["alpha_nDCG@10"])
