"""Pools, the order in which each method judges, and how agreement is counted."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
from rich.console import Console

from lexmax.errors import EvaluationError
from lexmax.eval.qrels_study import METHODS, Agreement, StudyPlan, study_qrels
from lexmax.eval.qrels_study.adjudication import hedge, max_mean, move_to_front
from lexmax.eval.qrels_study.agreement import Claims
from lexmax.eval.qrels_study.pool import Pool
from lexmax.eval.qrels_study.report import print_study
from lexmax.eval.runs import Run

JUDGED = {"a": 1, "b": 0, "c": 2, "d": 0, "e": 1}


class InOrder:
    """A generator that prefers nothing: the order of the runs stays."""

    def permutation(self, n: int) -> np.ndarray:
        return np.arange(n)


IN_ORDER: np.random.Generator = InOrder()  # type: ignore[assignment]


def order(method: str, pool: Pool, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [pool.doc_ids[place] for place in METHODS[method](pool, rng)]


def test_a_pool_is_by_best_rank_without_what_nobody_judged() -> None:
    pool = Pool.of([["a", "x", "c", "d"], ["b", "a", "y"]], JUDGED, depth=3)
    assert pool.doc_ids == ("a", "b", "c")
    assert pool.ranks.tolist() == [[1, 0, 3], [2, 1, 0]]
    assert pool.is_relevant.tolist() == [True, False, True]
    assert pool.n_unjudged == 2
    assert pool.queues() == [[0, 2], [1, 0]]
    strict = Pool.of([["a", "c"]], JUDGED, depth=3, rel=2)
    assert strict.is_relevant.tolist() == [False, True]
    assert Pool.of([[], []], JUDGED, depth=3).doc_ids == ()


@pytest.mark.parametrize("method", METHODS)
def test_each_document_is_judged_once_and_the_seed_repeats(method: str) -> None:
    rng = np.random.default_rng(3)
    docs = [f"d{i}" for i in range(30)]
    judged = {doc: int(rng.integers(0, 2)) for doc in docs}
    runs = [[docs[i] for i in rng.permutation(30)[:20]] for _ in range(4)]
    pool = Pool.of(runs, judged, depth=20)
    assert sorted(order(method, pool)) == sorted(pool.doc_ids)
    assert order(method, pool, seed=1) == order(method, pool, seed=1)
    assert order(method, Pool.of([[], []], judged, depth=5)) == []


def test_depth_goes_down_all_runs_alike() -> None:
    pool = Pool.of([["a", "b", "c"], ["d", "a", "e"]], JUDGED, depth=3)
    assert order("depth", pool) == ["a", "d", "b", "c", "e"]


def test_move_to_front_stays_while_it_finds() -> None:
    # Run 1: c and a are relevant, b is not. Run 2, whose b is judged: d is not. Both at -1: run 1.
    pool = Pool.of([["c", "a", "b", "e"], ["b", "d", "e"]], JUDGED, depth=4)
    judged = [pool.doc_ids[place] for place in move_to_front(pool, IN_ORDER)]
    assert judged == ["c", "a", "b", "d", "e"]


def test_max_mean_prefers_the_run_with_the_higher_share() -> None:
    # Run 1: b no (1/3); run 2 at 1/2: a yes (2/3), d no (2/4), then still above 1/3: e.
    pool = Pool.of([["b", "c"], ["a", "d", "e"]], JUDGED, depth=3)
    judged = [pool.doc_ids[place] for place in max_mean(pool, IN_ORDER)]
    assert judged == ["b", "a", "d", "e", "c"]


def test_hedge_begins_with_what_most_runs_have_on_top_and_learns() -> None:
    pool = Pool.of([["a", "c", "e"], ["a", "c", "e"], ["b", "d", "e"]], JUDGED, depth=3)
    judged = [pool.doc_ids[place] for place in hedge(pool, IN_ORDER)]
    assert judged[:2] == ["a", "c"]
    # The first two runs were right, so what only the third has comes last.
    assert judged[-1] == "d"


def test_a_method_sees_nothing_but_what_it_has_judged() -> None:
    rng = np.random.default_rng(8)
    docs = [f"d{i}" for i in range(25)]
    runs = [[docs[i] for i in rng.permutation(25)[:15]] for _ in range(3)]
    judged = {doc: int(rng.integers(0, 2)) for doc in docs}
    for method in METHODS:
        first = order(method, Pool.of(runs, judged, depth=15))
        for cut in (1, 4, 9):
            # Other grades for all that was not judged yet must not change the beginning.
            others = {d: g if d in first[:cut] else 1 - g for d, g in judged.items()}
            again = order(method, Pool.of(runs, others, depth=15))
            assert again[: cut + 1] == first[: cut + 1]


def test_agreement_by_hand() -> None:
    differences = np.array([1.0, 1, 1, 1, -1, -1, 0.5, 0.5])
    full = Claims(differences, np.array([1, 1, 1, 1, 0, 0, 0, 0], bool))
    reduced = Claims(
        np.array([1.0, -1, 1, -1, -1, 1, 0.5, -0.5]), np.array([1, 1, 0, 0, 1, 1, 0, 0], bool)
    )
    found = Agreement.of(full, reduced, 0.5)
    assert found == Agreement(1, 1, 1, 1, 1, 1, 1, 1, 0.5)
    # Claims of the reduced: 4, one of them right (active, same sign), two with the other sign.
    assert (found.precision, found.recall, found.publication_bias) == (1 / 4, 1 / 4, 2 / 4)
    nothing = Claims(differences, np.zeros(8, bool))
    quiet = Agreement.of(nothing, nothing, 1.0)
    assert (quiet.passive, quiet.passive_opposed) == (8, 0)
    assert math.isnan(quiet.precision)


def systems(n_topics: int = 12) -> tuple[list[Run], Mapping[str, Mapping[str, int]]]:
    """Three runs over the same documents, each better than the one before; all are judged."""
    rng = np.random.default_rng(6)
    qrels = {f"t{t}": {f"d{i}": int(i < 6) for i in range(30)} for t in range(n_topics)}
    runs = []
    for number, noise in enumerate((9.0, 3.0, 0.5)):
        doc_ids = {}
        for topic, judged in qrels.items():
            scores = {d: g + rng.normal(0, noise) for d, g in judged.items()}
            doc_ids[topic] = sorted(scores, key=scores.__getitem__, reverse=True)
        ones = {t: np.arange(len(ids), 0, -1).astype(np.float32) for t, ids in doc_ids.items()}
        runs.append(Run(f"run{number}", doc_ids, ones))
    return runs, qrels


@pytest.mark.parametrize("test", ["tukey", "t", "wilcoxon"])
def test_all_judgements_lead_to_the_same_claims(test: str) -> None:
    runs, qrels = systems()
    study = study_qrels(runs, qrels, StudyPlan(budgets=(2, 30), test=test))
    assert study.n_significant > 0
    assert (study.n_topics, study.n_judged, study.n_relevant) == (12, 360, 72)
    for row in study.rows:
        if row.budget == 30:
            assert (row.n_judged, row.n_relevant) == (360, 72)
            assert row.agreement.active == study.n_significant
            assert row.agreement.precision == row.agreement.recall == 1.0
            assert row.agreement.tau == pytest.approx(1.0)
        else:
            assert row.n_judged == 24
    assert study.warnings == ()


def test_adaptive_methods_find_more_relevant_ones_than_chance() -> None:
    runs, qrels = systems()
    study = study_qrels(runs, qrels, StudyPlan(budgets=(6,)))
    found = {row.method: row.n_relevant for row in study.rows}
    assert min(found[m] for m in ("move-to-front", "max-mean", "hedge")) > found["random"]
    again = study_qrels(runs, qrels, StudyPlan(budgets=(6,)))
    assert again.as_json() == study.as_json()


def test_what_cannot_be_judged_is_said() -> None:
    runs, qrels = systems()
    fewer = {t: {d: g for d, g in judged.items() if d != "d0"} for t, judged in qrels.items()}
    study = study_qrels(runs, fewer, StudyPlan(budgets=(5,)))
    assert study.warnings[0].startswith("12 of 360 pooled documents are not in the full qrels")


def test_the_table() -> None:
    runs, qrels = systems()
    study = study_qrels(runs, qrels, StudyPlan(methods=("depth", "hedge"), budgets=(1, 30)))
    console = Console(width=140, _environ={})
    with console.capture() as capture:
        print_study(study, console)
    text = capture.get()
    assert "3 systems, 12 topics, nDCG@10, tukey" in text
    assert text.count("hedge") == 2


@pytest.mark.parametrize(
    "values",
    [
        {"methods": ("guess",)},
        {"methods": ()},
        {"budgets": (0,)},
        {"budgets": ()},
        {"test": "sign"},
        {"correction": "x"},
        {"depth": 0},
        {"alpha": 1.0},
        {"seed": -1},
    ],
)
def test_plans_that_cannot_be(values: dict[str, int]) -> None:
    with pytest.raises(EvaluationError, match="expected"):
        StudyPlan(**values)  # type: ignore[arg-type]


def test_runs_that_tell_nothing_apart_are_refused() -> None:
    runs, qrels = systems()
    with pytest.raises(EvaluationError, match="two or more of different names"):
        study_qrels(runs[:1], qrels, StudyPlan())
    with pytest.raises(EvaluationError, match="two or more of different names"):
        study_qrels([runs[0], runs[0]], qrels, StudyPlan())
    with pytest.raises(EvaluationError, match="1 judged topics are answered"):
        study_qrels(runs, {"t0": qrels["t0"]}, StudyPlan())
