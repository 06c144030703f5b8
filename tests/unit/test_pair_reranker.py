"""Rerankers: micro-batches, deadlines, caches, and scorers that fail."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import EncoderError, InputError, QueryError, ShapeError
from lexmax.reranking import Deadline, Outcome, PairReranker, ScoreCache
from lexmax.reranking.pair_reranker import MicroBatches
from lexmax.reranking.score_cache import digest

TEXTS = ["aaa", "a", "aaaaaaaaaa", "aa", "aaaaaa"]


@dataclass
class Lengths:
    """Scores a text by its length; `now` goes on by a second a character that it reads."""

    spec: str = "lengths"
    fingerprint: str = "lengths"
    calls: list[list[str]] = field(default_factory=list[list[str]])
    now: float = 0.0

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(texts))
        self.now += sum(len(text) for text in texts)
        return np.array([len(text) for text in texts], np.float32)

    def within(self, seconds: float) -> Deadline:
        return Deadline(self.now + seconds, lambda: self.now)


class Failing(Lengths):
    """Gives what it is told to, whatever it is asked."""

    def __init__(self, answer: Callable[[int], NDArray[np.float32]]) -> None:
        super().__init__("failing", "failing")
        self._answer = answer

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._answer(len(texts))


def test_every_text_is_scored_in_its_place() -> None:
    outcome = PairReranker(Lengths()).score("", TEXTS)
    assert outcome.scores.tolist() == [3, 1, 10, 2, 6]
    assert outcome.scores.dtype == np.float32
    assert (outcome.n_scored, outcome.partial, outcome.problem) == (5, False, None)


def test_nothing_is_asked_for_no_texts() -> None:
    scorer = Lengths()
    outcome = PairReranker(scorer).score("q", [])
    assert (len(outcome.scores), outcome.partial, scorer.calls) == (0, False, [])


def test_micro_batches_hold_similar_lengths_within_a_budget() -> None:
    scorer = Lengths()
    rules = MicroBatches(chars_at_leisure=8)
    PairReranker(scorer, batches=rules).score("", TEXTS)
    # 3 texts of 3, then 6 and 10 characters, each of which alone comes near the budget.
    assert scorer.calls == [["a", "aa"], ["aaa"], ["aaaaaa"], ["aaaaaaaaaa"]]


def test_with_a_deadline_the_best_before_come_first() -> None:
    scorer = Lengths()
    rules = MicroBatches(chars=8, window=2)
    reranker = PairReranker(scorer, batches=rules)
    reranker.score("", TEXTS, deadline=scorer.within(1000))
    assert scorer.calls == [["a", "aaa"], ["aa"], ["aaaaaaaaaa"], ["aaaaaa"]]


def test_no_batch_begins_that_would_end_too_late() -> None:
    scorer = Lengths()
    reranker = PairReranker(scorer, batches=MicroBatches(chars=8, window=2))
    outcome = reranker.score("", TEXTS, deadline=scorer.within(15))
    # 4 characters, then 2; 10 more would take 10 seconds where 9 are left.
    assert scorer.now == 6
    assert outcome.partial
    assert outcome.n_scored == 3
    np.testing.assert_array_equal(outcome.scores, [3, 1, np.nan, 2, np.nan])


def test_a_deadline_that_has_passed_leaves_what_the_cache_knows() -> None:
    scorer = Lengths()
    reranker = PairReranker(scorer)
    reranker.score("q", TEXTS[:2])
    outcome = reranker.score("q", TEXTS, deadline=scorer.within(0))
    assert len(scorer.calls) == 1
    np.testing.assert_array_equal(outcome.scores, [3, 1, np.nan, np.nan, np.nan])
    assert outcome.partial


def test_known_pairs_are_not_asked_again() -> None:
    scorer, cache = Lengths(), ScoreCache()
    first = PairReranker(scorer, cache=cache)
    first.score("q", TEXTS[:3])
    again = PairReranker(scorer, cache=cache).score("q", TEXTS)
    assert sorted(scorer.calls[1], key=len) == ["aa", "aaaaaa"]
    assert again.scores.tolist() == [3, 1, 10, 2, 6]
    first.score("other", ["a"])
    assert scorer.calls[2] == ["a"]
    PairReranker(Lengths(fingerprint="another"), cache=cache).score("q", ["a"])
    assert len(cache) == 7


def test_equal_texts_are_asked_once() -> None:
    scorer = Lengths()
    outcome = PairReranker(scorer).score("q", ["aa", "a", "aa", "aa"])
    assert scorer.calls == [["a", "aa"]]
    assert outcome.scores.tolist() == [2, 1, 2, 2]


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_a_scorer_that_gives_nan_is_a_problem_and_no_error(strange: float) -> None:
    scorer = Failing(lambda n: np.array([1.0] * (n - 1) + [strange], np.float32))
    cache = ScoreCache()
    outcome = PairReranker(scorer, cache=cache).score("q", TEXTS)
    assert outcome.problem is not None
    assert "failing: gave a score that is NaN or infinite" in outcome.problem
    assert (outcome.n_scored, outcome.partial, len(cache)) == (0, False, 0)
    assert np.isnan(outcome.scores).all()


@pytest.mark.parametrize("error", [EncoderError("weights are NaN"), QueryError("too long")])
def test_errors_of_a_scorer_are_problems(error: Exception) -> None:
    def fail(n: int) -> NDArray[np.float32]:
        raise error

    outcome = PairReranker(Failing(fail)).score("q", TEXTS)
    assert outcome.problem == f"failing: {error}"


def test_as_many_scores_as_texts() -> None:
    outcome = PairReranker(Failing(lambda n: np.zeros(n + 1, np.float32))).score("q", ["a"])
    assert "(2,) for 1 texts" in str(outcome.problem)


def test_what_was_not_scored_stands_behind_in_its_order() -> None:
    scores = np.array([np.nan, 0.5, -np.inf, np.nan, 2.0, 0.5], np.float32)
    ordinals = np.array([9, 8, 7, 1, 2, 3])
    outcome = Outcome.of(scores)
    found, ranked = outcome.ranking(ordinals)
    assert found.tolist() == [2, 3, 8, 9, 1, 7]
    np.testing.assert_array_equal(ranked, np.array([2, 0.5, 0.5, -0.5, -1.5, -np.inf], np.float32))


def test_scores_fall_strictly_beside_large_numbers() -> None:
    scores = np.array([-3e38, np.nan, np.nan], np.float32)
    found, ranked = Outcome.of(scores).ranking(np.array([2, 1, 0]))
    assert found.tolist() == [2, 1, 0]
    assert (np.diff(ranked) < 0).all()


def test_outcomes_that_contradict_themselves() -> None:
    with pytest.raises(ShapeError, match="1 candidates have scores"):
        Outcome(np.array([1.0], np.float32), 1, partial=False, problem="broken")
    with pytest.raises(ShapeError, match="2 ordinals for 1 scores"):
        Outcome.of(np.zeros(1, np.float32)).ranking(np.arange(2))


def test_a_cache_forgets_what_was_not_asked_for_longest() -> None:
    cache = ScoreCache(2)
    keys = [("f", digest("q"), digest(text)) for text in "abc"]
    cache.keep(keys[:2], np.array([1, 2], np.float32))
    assert cache.found(keys[:1]).tolist() == [1]
    cache.keep(keys[2:], np.array([3], np.float32))
    np.testing.assert_array_equal(cache.found(keys), [1, np.nan, 3])
    cache.clear()
    assert len(cache) == 0
    with pytest.raises(InputError, match="0 or more"):
        ScoreCache(-1)
    off = ScoreCache(0)
    off.keep(keys, np.zeros(3, np.float32))
    assert len(off) == 0


def test_lone_surrogates_have_a_digest() -> None:
    assert digest("\ud800") != digest("?")


def test_many_threads_get_their_own_scores() -> None:
    reranker = PairReranker(Lengths(), cache=ScoreCache(50))
    wrong: list[int] = []

    def ask(number: int) -> None:
        for turn in range(30):
            texts = ["a" * ((number + turn + i) % 40 + 1) for i in range(20)]
            found = reranker.score(f"q{turn % 3}", texts).scores
            wrong.extend(np.flatnonzero(found != [len(text) for text in texts]).tolist())

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_deadlines() -> None:
    assert not Deadline().is_set
    assert Deadline.within(1e6).is_set
    assert 999 < Deadline.within(1e6).left_s <= 1000
    assert Deadline.within(-5).left_s < 0
