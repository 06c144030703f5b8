import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import gaussian_kde

from lexmax.encoders.training.curriculum import (
    LAST_RANK,
    Curriculum,
    Difficulty,
    Form,
    kernel_percentile,
    min_max,
)
from lexmax.encoders.training.example import Candidate


def scored(*scores: float) -> list[Candidate]:
    return [Candidate(f"d{i}", score) for i, score in enumerate(scores)]


def easiness(difficulty: Difficulty, form: Form, documents: Sequence[Candidate]) -> float:
    return Curriculum(difficulty, form, 10).easiness(documents[0], documents[1:], documents)


def test_reciprocal_ranks_by_hand() -> None:
    documents = [Candidate("a", rank=2), Candidate("b", rank=4), Candidate("c", rank=1)]
    # w: 1/2, 1/4, 1.
    assert easiness("reciprocal-rank", "pairwise", documents) == pytest.approx(
        (0.5 - 0.625 + 1) / 2
    )
    assert easiness("reciprocal-rank", "pointwise", documents) == pytest.approx(
        (0.5 + 0.75 + 0.0) / 3
    )


def test_what_the_ranking_lacks_has_the_last_rank() -> None:
    documents = [Candidate("a"), Candidate("b", rank=1)]
    assert easiness("reciprocal-rank", "pairwise", documents) == pytest.approx(1 / LAST_RANK / 2)


def test_ranks_follow_from_scores_where_none_is_given() -> None:
    assert easiness("reciprocal-rank", "pairwise", scored(3.0, 5.0)) == pytest.approx(0.25)


def test_min_max_by_hand() -> None:
    assert easiness("min-max", "pairwise", scored(8.0, 4.0, 10.0)) == pytest.approx(
        (4 / 6 - (0 + 1) / 2 + 1) / 2
    )


def test_percentiles_are_those_of_a_gaussian_kernel_density() -> None:
    scores = np.array([1.0, 2.5, 2.7, 9.0, 4.0])
    density = gaussian_kde(scores)
    expected = [density.integrate_box_1d(-np.inf, score) for score in scores]
    assert kernel_percentile(scores, scores) == pytest.approx(expected)


@pytest.mark.parametrize("difficulty", ["min-max", "kde"])
@pytest.mark.parametrize("scores", [(3.0, 3.0, 3.0), (3.0,), (0.0, 0.0)])
def test_flat_lists_say_nothing(difficulty: Difficulty, scores: tuple[float, ...]) -> None:
    assert easiness(difficulty, "pairwise", scored(*scores)) == 0.5


@pytest.mark.parametrize("function", [min_max, kernel_percentile])
def test_no_score_is_the_hardest(function: object) -> None:
    known = np.array([1.0, 2.0])
    assert function(np.array([math.nan]), known) == [0.0]  # type: ignore[operator]


def test_a_positive_without_negatives_counts_by_itself() -> None:
    one = [Candidate("a", rank=4)]
    assert easiness("reciprocal-rank", "pairwise", one) == 0.25
    assert easiness("reciprocal-rank", "pointwise", one) == 0.25


def test_weights_rise_to_one() -> None:
    documents = [Candidate("a", rank=10), Candidate("b", rank=1)]
    for anti, first in ((False, 0.05), (True, 0.95)):
        rules = Curriculum("reciprocal-rank", "pairwise", 8, anti)
        weights = [
            rules.weight(documents[0], documents[1:], documents, step=step) for step in range(12)
        ]
        assert weights[0] == pytest.approx(first)
        assert weights[4] == pytest.approx(first / 2 + 0.5)
        assert weights[8:] == [1.0] * 4
        assert all(a <= b for a, b in pairwise(weights))


def test_weights_of_texts_by_hand() -> None:
    documents = [Candidate("a", rank=2), Candidate("b", rank=4), Candidate("c")]
    # w: 1/2, 1/4, 1/1000; a relevant text has D = w, the others 1 - w.
    rules = Curriculum("reciprocal-rank", "pointwise", 10)
    easy = [0.5, 0.75, 0.999]
    assert rules.text_weights(documents, documents, step=0) == pytest.approx(easy)
    half = [one * 0.5 + 0.5 for one in easy]
    assert rules.text_weights(documents, documents, step=5) == pytest.approx(half)
    assert rules.text_weights(documents, documents, step=10) == [1.0] * 3
    hard = Curriculum("reciprocal-rank", "pointwise", 10, anti=True)
    assert hard.text_weights(documents, documents, step=0) == pytest.approx(
        [1 - one for one in easy]
    )


@pytest.mark.parametrize("difficulty", ["min-max", "kde"])
def test_flat_lists_say_nothing_of_texts(difficulty: Difficulty) -> None:
    documents = scored(3.0, 3.0, 3.0)
    rules = Curriculum(difficulty, "pointwise", 10)
    assert rules.text_weights(documents, documents, step=0) == [0.5] * 3


def test_the_mean_of_the_texts_is_the_sample() -> None:
    documents = scored(8.0, 4.0, 10.0, 5.0)
    for difficulty in ("reciprocal-rank", "min-max", "kde"):
        rules = Curriculum(difficulty, "pointwise", 10)  # type: ignore[arg-type]
        of_texts = rules.text_weights(documents, documents, step=3)
        whole = rules.weight(documents[0], documents[1:], documents, step=3)
        assert np.mean(of_texts) == pytest.approx(whole)
