"""Adapters recover what makes scores of different queries incomparable."""

import numpy as np
import pytest

from lexmax.errors import CalibrationError, QueryError, ShapeError
from lexmax.eval.relevance_measures import pr_auc
from lexmax.relevance import QueryFeatures
from lexmax.relevance.adapter import QueryInput, Scale
from lexmax.relevance.adapter_training import train_adapter
from lexmax.relevance.cross_fitting import cross_fit, folds
from lexmax.relevance.designs import AdapterDesign, TrainingRules
from lexmax.relevance.judged import JudgedList, JudgedPairs
from lexmax.relevance.maps import FORMS, MapForm
from lexmax.relevance.query_features import FEATURES

RULES = TrainingRules(steps=400, seed=1)


def judged_lists(n_queries: int, *, seed: int, n: int = 60) -> list[JudgedList]:
    """Each query has its own shift, told by its vector, and by the mean of its scores."""
    rng = np.random.default_rng(seed)
    lists: list[JudgedList] = []
    for _ in range(n_queries):
        shift = rng.uniform(-3, 3)
        labels = (rng.random(n) < 0.08).astype(np.float32)
        scores = shift + 2.0 * labels + rng.normal(0, 0.5, n)
        order = np.argsort(-scores)
        numbers = np.zeros(len(FEATURES))
        numbers[-3:] = scores.max(), scores.mean(), scores.std()
        vector = np.array([shift, 1.0, -1.0, 0.5], dtype=np.float32)
        lists.append(
            JudgedList(
                scores[order].astype(np.float32),
                labels[order],
                QueryFeatures(vector, numbers),
            )
        )
    return lists


SEEN, HELD_OUT, UNSEEN = (judged_lists(n, seed=n) for n in (120, 30, 50))


def area(form: MapForm, inputs: QueryInput, scale: Scale) -> float:
    design = AdapterDesign(form, inputs, scale, 60)
    adapter = train_adapter(SEEN, HELD_OUT, design=design, rules=RULES).adapter
    said = [adapter.probabilities(one.scores, one.query) for one in UNSEEN]
    return pr_auc(JudgedPairs.of(UNSEEN, said))


RAW = pr_auc(JudgedPairs.of(UNSEEN))


@pytest.mark.parametrize("form", [form for form in FORMS if form != "raw"])
def test_features_recover_each_querys_shift(form: MapForm) -> None:
    assert area(form, "features", "fixed") > RAW + 0.3


def test_so_does_the_list_itself() -> None:
    assert area("power", "none", "list") > 0.75


def test_one_map_for_all_queries_cannot() -> None:
    assert area("linear", "none", "fixed") == pytest.approx(RAW, abs=0.02)


def test_a_vector_recovers_what_it_tells() -> None:
    assert area("linear", "vector", "fixed") > 1.3 * RAW


def test_probabilities_are_those_of_all_candidates_though_few_negatives_are_drawn() -> None:
    lists = judged_lists(100, seed=3, n=200)
    design = AdapterDesign("linear", "none", "list", 60)
    few = TrainingRules(steps=400, negatives=10, seed=1)
    adapter = train_adapter(lists, [], design=design, rules=few).adapter
    said = np.concatenate([adapter.probabilities(one.scores, one.query) for one in lists])
    rate = float(np.mean(np.concatenate([one.labels for one in lists])))
    assert float(said.mean()) == pytest.approx(rate, rel=0.15)


def test_training_follows_from_its_seed() -> None:
    design = AdapterDesign("power", "features", "list", 60)
    short = TrainingRules(steps=20, seed=4)
    one, same = (train_adapter(SEEN, [], design=design, rules=short).adapter for _ in range(2))
    other = train_adapter(SEEN, [], design=design, rules=TrainingRules(steps=20, seed=5)).adapter
    assert one.network is not None
    assert same.network is not None
    assert other.network is not None
    np.testing.assert_array_equal(one.network.hidden, same.network.hidden)
    assert not np.array_equal(one.network.hidden, other.network.hidden)


def test_shares_of_relevance_train_as_judgements_do() -> None:
    soft = [
        JudgedList(one.scores, one.labels * np.float32(0.9) + np.float32(0.05), one.query)
        for one in SEEN
    ]
    adapter = train_adapter(
        soft, [], design=AdapterDesign("linear", "none", "list", 60), rules=RULES
    ).adapter
    said = [adapter.probabilities(one.scores, one.query) for one in UNSEEN]
    assert pr_auc(JudgedPairs.of(UNSEEN, said)) > 2 * RAW


def test_the_raw_form_learns_its_scaling_only() -> None:
    trained = train_adapter(SEEN, HELD_OUT, design=AdapterDesign("raw", "none", "fixed", 60))
    said = [trained.adapter.probabilities(one.scores, one.query) for one in UNSEEN]
    assert pr_auc(JudgedPairs.of(UNSEEN, said)) == pytest.approx(RAW, abs=1e-3)


def test_pairs_of_one_kind_teach_nothing() -> None:
    for label, found in ((0.0, "no pair is relevant"), (1.0, "every pair is relevant")):
        lists = [
            JudgedList(one.scores, np.full(len(one), label, np.float32), one.query)
            for one in SEEN[:3]
        ]
        with pytest.raises(CalibrationError, match=found):
            train_adapter(lists, [], design=AdapterDesign())


def test_queries_without_vectors_cannot_train_by_them() -> None:
    lists = [
        JudgedList(one.scores, one.labels, QueryFeatures(None, one.query.numbers)) for one in SEEN
    ]
    with pytest.raises(QueryError, match="needs the query's vector"):
        train_adapter(lists, [], design=AdapterDesign("power", "vector", "fixed", 60))


def test_labels_are_shares() -> None:
    with pytest.raises(ShapeError, match="expected shares"):
        JudgedList(np.ones(1, np.float32), np.array([2], np.float32), QueryFeatures())


def test_every_place_is_held_out_once() -> None:
    parts = folds(23, 0.2, seed=7)
    assert sorted(np.concatenate(parts).tolist()) == list(range(23))
    assert [len(part) for part in parts] == [5, 5, 5, 4, 4]
    assert len(folds(3, 0.1, seed=7)) == 3


def test_cross_fitting_takes_the_design_that_fits() -> None:
    designs = [AdapterDesign("linear", "none", scale, 60) for scale in ("fixed", "list")]
    told: list[tuple[int, int]] = []
    found = cross_fit(
        SEEN,
        designs,
        share=0.5,
        rules=TrainingRules(steps=100, seed=1),
        advance=lambda done, total: told.append((done, total)),
    )
    assert found.design.scale == "list"
    assert told[-1] == (5, 5)
    assert [len(one) for one in found.held_out] == [len(one) for one in SEEN]
    assert pr_auc(JudgedPairs.of(SEEN, found.held_out)) > 0.75
