"""Adapters never change the order inside a query; thresholds keep what they promise."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lexmax.eval.relevance_measures import pr_auc
from lexmax.relevance import Adapter, QueryFeatures, Target
from lexmax.relevance.adapter import INPUTS, SCALES, Network, Scaling
from lexmax.relevance.judged import JudgedPairs
from lexmax.relevance.maps import FORMS, n_free
from lexmax.relevance.query_features import FEATURES
from lexmax.relevance.thresholds import threshold_for

SCORES = hnp.arrays(
    np.float32,
    st.integers(0, 30),
    elements=st.floats(width=32, allow_nan=False, min_value=-1e6, max_value=1e6)
    | st.sampled_from([0.0, -0.0, 1e-30, -np.inf, np.inf, 3.0]),
)
NUMBERS = st.floats(-30, 30)


@st.composite
def queries(draw: st.DrawFn) -> QueryFeatures:
    numbers = draw(hnp.arrays(np.float64, len(FEATURES), elements=NUMBERS))
    numbers[-1] = abs(numbers[-1])
    numbers[:5] = np.abs(numbers[:5])
    return QueryFeatures(
        draw(hnp.arrays(np.float32, 4, elements=st.floats(-9, 9, width=32))), numbers
    )


@st.composite
def adapters(draw: st.DrawFn) -> Adapter:
    form = draw(st.sampled_from(FORMS))
    inputs = draw(st.sampled_from(INPUTS if form != "raw" else INPUTS[:1]))
    n = n_free(form)
    scaling = Scaling(
        draw(st.sampled_from(SCALES)),
        draw(NUMBERS),
        draw(st.floats(1e-3, 1e3)),
    )
    network = None
    if inputs != "none":
        dim = 4 if inputs == "vector" else len(FEATURES)
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        network = Network(
            rng.normal(size=dim),
            rng.random(dim) + 0.1,
            rng.normal(size=(3, dim)),
            rng.normal(size=3),
            rng.normal(size=(n, 3)) * 3,
        )
    return Adapter(
        form, inputs, scaling, 10, draw(hnp.arrays(np.float64, n, elements=NUMBERS)), network
    )


@given(adapters(), queries(), SCORES)
def test_no_bigger_score_is_less_relevant(
    adapter: Adapter, query: QueryFeatures, scores: np.ndarray
) -> None:
    found = adapter.probabilities(scores, query)
    assert np.all((found >= 0) & (found <= 1))
    order = np.argsort(scores, kind="stable")
    assert np.all(np.diff(found[order]) >= 0)
    same = scores[order][1:] == scores[order][:-1]
    assert np.all(np.diff(found[order])[same] == 0)


@given(adapters(), queries(), SCORES, st.integers(0, 9))
def test_a_probability_does_not_depend_on_the_other_candidates(
    adapter: Adapter, query: QueryFeatures, scores: np.ndarray, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(scores))
    found = adapter.probabilities(scores, query)
    np.testing.assert_array_equal(adapter.probabilities(scores[order], query), found[order])
    half = scores[: len(scores) // 2]
    np.testing.assert_array_equal(adapter.probabilities(half, query), found[: len(half)])


PAIRS = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float32, n, elements=st.floats(0, 1, width=16)),
        hnp.arrays(np.bool_, n).filter(lambda labels: bool(labels.any())),
    )
)


@given(PAIRS, st.floats(0.01, 1))
def test_a_threshold_for_recall_is_the_highest_that_keeps_it(
    pairs: tuple[np.ndarray, np.ndarray], share: float
) -> None:
    scores, relevant = pairs
    threshold = threshold_for(scores, relevant.astype(np.float32), Target("recall", share))
    needed = share * relevant.sum() - 1e-6
    assert (relevant & (scores >= threshold)).sum() >= needed
    assert (relevant & (scores > threshold)).sum() < needed


@given(PAIRS)
def test_pr_auc_equals_its_definition(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    scores, relevant = pairs
    expected, before = 0.0, 0.0
    for cut in np.unique(scores)[::-1]:
        recall = (relevant & (scores >= cut)).sum() / relevant.sum()
        expected += (recall - before) * relevant[scores >= cut].mean()
        before = recall
    labels = relevant.astype(np.float32)
    found = JudgedPairs(np.zeros(len(scores), np.int64), scores, labels, 1)
    assert abs(pr_auc(found) - expected) < 1e-9
