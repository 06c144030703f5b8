"""Tests of significance against numbers worked out by hand, and against other ways to them."""

import math
from itertools import product

import numpy as np
import pytest

from lexmax.errors import EvaluationError
from lexmax.eval.significance import Comparison, Procedure, Scores, compare
from lexmax.eval.significance.anova import tukey_difference, tukey_p_values, two_way_anova
from lexmax.eval.significance.corrections import benjamini_hochberg, bonferroni, holm
from lexmax.eval.significance.marking import caption, compared
from lexmax.eval.significance.paired import bootstrap_interval, paired_t, randomisation, wilcoxon

DIFFERENCES = np.array([0.3, 0.1, -0.05, 0.2, 0.4, 0.0])


def test_paired_t_by_hand() -> None:
    # Differences 1, 2, 3: t = 2 / (1 / sqrt(3)) with 2 degrees of freedom.
    t = 2 * math.sqrt(3)
    expected = 1 - t / math.sqrt(2 + t * t)
    assert paired_t(np.array([1.0, 2, 3])) == pytest.approx(expected)


def test_wilcoxon_by_hand() -> None:
    # Without the 0, ranks of -0.05, .1, .2, .3, .4 are 1 to 5: the negative sum is 1. Of 2^5 signs
    # 2 give a sum of 1 or less; two-sided 4 / 32.
    assert wilcoxon(DIFFERENCES) == pytest.approx(4 / 32)


def test_randomisation_is_exact_for_few_queries() -> None:
    changed = DIFFERENCES[DIFFERENCES != 0]
    sums = [
        abs(sum(s * d for s, d in zip(signs, changed, strict=True)))
        for signs in product((1, -1), repeat=5)
    ]
    expected = np.mean(np.array(sums) >= changed.sum() - 1e-12)
    assert randomisation(DIFFERENCES) == pytest.approx(expected)


def test_randomisation_by_draws_is_near_the_exact_and_never_zero() -> None:
    rng = np.random.default_rng(5)
    differences = rng.normal(0.1, 0.5, 12)
    exact = randomisation(differences, n_permutations=1 << 12)
    drawn = randomisation(differences, n_permutations=4000, seed=1)
    assert drawn == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 4000) + 1e-3)
    assert randomisation(np.ones(40), n_permutations=999) == pytest.approx(1 / 1000)


def test_seeds_repeat() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(0.05, 0.3, 40)
    first, again, other = (randomisation(differences, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first == pytest.approx(other, abs=0.03)
    assert bootstrap_interval(differences, seed=3) == bootstrap_interval(differences, seed=3)


@pytest.mark.parametrize("test", [paired_t, wilcoxon, randomisation])
def test_nothing_proves_nothing(test) -> None:  # noqa: ANN001
    assert test(np.zeros(10)) == 1.0
    assert test(np.array([0.7])) == 1.0
    assert test(np.array([0.5, 0.0, 0.0])) > 0.3


def test_a_constant_difference_is_certain_to_the_t_test() -> None:
    assert paired_t(np.full(10, 0.1)) == 0.0
    assert randomisation(np.full(10, 0.1)) == pytest.approx(2 / 1024)


@pytest.mark.parametrize("test", [paired_t, wilcoxon, randomisation])
def test_false_alarms_are_as_rare_as_alpha_says(test) -> None:  # noqa: ANN001
    rng = np.random.default_rng(11)
    p_values = [test(rng.normal(0, 1, 12)) for _ in range(300)]
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.095


def test_the_bootstrap_holds_the_mean_and_narrows() -> None:
    rng = np.random.default_rng(2)
    differences = rng.normal(0.3, 1, 400)
    low, high = bootstrap_interval(differences)
    error = differences.std() / math.sqrt(400)
    assert low == pytest.approx(differences.mean() - 1.96 * error, abs=0.01)
    assert high == pytest.approx(differences.mean() + 1.96 * error, abs=0.01)
    narrower = bootstrap_interval(differences, confidence=0.5)
    assert low < narrower[0] < narrower[1] < high
    assert bootstrap_interval(np.full(5, 0.25)) == (0.25, 0.25)


def test_corrections_by_hand() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005])
    # Sorted .005, .01, .03, .04 times 4, 3, 2, 1, never falling.
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # Sorted times 4/1, 4/2, 4/3, 4/4, never rising from the right.
    assert benjamini_hochberg(p) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert bonferroni(p) == pytest.approx([0.04, 0.16, 0.12, 0.02])
    for correct in (holm, benjamini_hochberg, bonferroni):
        assert correct(np.array([0.9, 0.8])).max() <= 1
        assert correct(np.array([])).shape == (0,)


VALUES = np.array([[1.0, 2, 3, 4], [2.0, 3, 3, 5], [4.0, 4, 6, 6]])


def test_two_way_anova_by_hand() -> None:
    # Means of systems 2.5, 3.25, 5 around 43/12; between: 4 * sum of squares / 2.
    anova = two_way_anova(Scores(("a", "b", "c"), ("1", "2", "3", "4"), VALUES))
    centred = VALUES - VALUES.mean(1, keepdims=True) - VALUES.mean(0) + VALUES.mean()
    error = (centred**2).sum() / 6
    means = VALUES.mean(1)
    f = 4 * ((means - means.mean()) ** 2).sum() / 2 / error
    assert (anova.df_systems, anova.df_error) == (2, 6)
    assert anova.error == pytest.approx(error)
    assert anova.f == pytest.approx(f)
    # Tables give q(.05; 3, 6) = 4.339.
    assert tukey_difference(anova) == pytest.approx(4.339 * math.sqrt(error / 4), rel=1e-3)


def test_tukey_of_two_systems_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(0, 1, (2, 15)) + rng.normal(0, 3, 15)
    anova = two_way_anova(Scores(("a", "b"), tuple(map(str, range(15))), values))
    difference = values[0] - values[1]
    (p,) = tukey_p_values(anova, np.array([difference.mean()]))
    assert p == pytest.approx(paired_t(difference), abs=1e-6)
    assert anova.p == pytest.approx(p, abs=1e-6)


def test_systems_that_do_not_vary() -> None:
    alike = Scores(("a", "b"), ("1", "2"), np.ones((2, 2)))
    assert (two_way_anova(alike).f, two_way_anova(alike).p) == (0.0, 1.0)
    assert not compare("m", alike, Procedure("tukey")).differences[0].is_significant
    apart = two_way_anova(Scores(("a", "b"), ("1", "2"), np.array([[0.1, 0.4], [0.2, 0.5]])))
    assert (apart.f, apart.p) == (math.inf, 0.0)
    assert tukey_p_values(apart, np.array([0.1, 0.0])).tolist() == [0.0, 1.0]


def clear(n_queries: int = 30) -> Scores:
    """Systems a < b < c, c and d alike, far beyond chance."""
    rng = np.random.default_rng(9)
    difficulty = rng.normal(0, 1, n_queries)
    rows = [difficulty + shift + rng.normal(0, 0.05, n_queries) for shift in (0, 1, 2, 2)]
    return Scores(("a", "b", "c", "d"), tuple(map(str, range(n_queries))), np.array(rows))


@pytest.mark.parametrize("test", ["t", "randomisation", "wilcoxon", "tukey"])
def test_marks_name_the_systems_beaten(test: str) -> None:
    found = compare("nDCG@10", clear(), Procedure(test, n_resamples=2000))
    assert [found.marks(system) for system in "abcd"] == ["", "a", "ab", "ab"]
    assert found.beaten_by("c") == ("a", "b")
    assert len(found.differences) == 6
    down = compare("m", clear(), Procedure(test, n_resamples=2000), lower_is_better=True)
    assert [down.marks(system) for system in "abcd"] == ["bcd", "cd", "", ""]


def test_a_baseline_leaves_fewer_pairs() -> None:
    found = compare("m", clear(), Procedure("t"), baseline="b")
    pairs = [(one.first, one.second) for one in found.differences]
    assert pairs == [("a", "b"), ("c", "b"), ("d", "b")]
    assert [found.marks(system) for system in "abcd"] == ["", "a", "b", "b"]
    one = found.differences[1]
    assert one.mean == pytest.approx(1, abs=0.05)
    assert one.interval is not None
    assert one.interval[0] < one.mean < one.interval[1]
    assert (one.wins, one.losses) == (30, 0)
    with pytest.raises(EvaluationError, match="no system 'x'; found a, b, c, d"):
        compare("m", clear(), baseline="x")


def test_corrections_are_over_the_pairs_compared() -> None:
    scores = clear()
    by_test = {c: compare("m", scores, Procedure("t", c)) for c in ("none", "holm", "bonferroni")}
    for plain, corrected in zip(
        by_test["none"].differences, by_test["bonferroni"].differences, strict=True
    ):
        assert corrected.p == plain.p
        assert corrected.p_corrected == pytest.approx(min(1, 6 * plain.p))
        assert plain.p_corrected == plain.p
    assert caption(by_test["holm"]) == "paired t test, Holm, 6 pairs a measure, p < 0.05"


def test_scores_keep_the_queries_that_all_have() -> None:
    scores = Scores.of({"a": {"1": 1.0, "2": 2.0, "3": math.inf}, "b": {"2": 0.0, "3": 1.0}})
    assert scores.query_ids == ("2",)
    assert scores.values.tolist() == [[2.0], [0.0]]
    assert scores.n_left_out == 2
    with pytest.raises(EvaluationError, match="0 queries in common"):
        Scores.of({"a": {"1": 1.0}, "b": {"2": 1.0}})
    with pytest.raises(EvaluationError, match="a name stands twice"):
        Scores(("a", "a"), ("1",), np.ones((2, 1)))
    with pytest.raises(EvaluationError, match="figures of shape"):
        Scores(("a",), ("1", "2"), np.ones((1, 1)))


def test_measures_that_cannot_be_compared_are_left_out() -> None:
    figures = {
        "x": {"AP": {"1": 0.5, "2": 0.7}, "WSS@95": {"1": 0.5}},
        "y": {"AP": {"1": 0.1, "2": 0.2}, "WSS@95": {"1": 0.2}},
    }
    assert list(compared(figures, ["AP", "WSS@95"])) == ["AP"]
    assert compared({"x": figures["x"]}, ["AP"]) == {}


@pytest.mark.parametrize(
    "values",
    [
        {"test": "z"},
        {"correction": "some"},
        {"alpha": 0.0},
        {"confidence": 1.0},
        {"n_resamples": 0},
        {"seed": -1},
    ],
)
def test_procedures_that_are_none(values: dict[str, float]) -> None:
    with pytest.raises(EvaluationError, match="expected"):
        Procedure(**values)  # type: ignore[arg-type]


def test_one_system_alone_is_not_compared() -> None:
    with pytest.raises(EvaluationError, match="a is the only system"):
        compare("m", Scores(("a",), ("1",), np.ones((1, 1))))
    with pytest.raises(EvaluationError, match="1 systems over 2 queries"):
        two_way_anova(Scores(("a",), ("1", "2"), np.ones((1, 2))))


def test_json_of_a_comparison() -> None:
    found: Comparison = compare("m", clear(), Procedure("tukey"), intervals=False)
    values = found.as_json()
    assert values["correction"] == "tukey"
    assert values["queries"] == 30
    assert isinstance(values["differences"], list)
    assert values["differences"][0]["interval"] is None  # type: ignore[index,call-overload]
