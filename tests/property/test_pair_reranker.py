from collections.abc import Sequence

import numpy as np
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.reranking import Deadline, Outcome, PairReranker, ScoreCache
from lexmax.reranking.pair_reranker import MicroBatches

TEXTS = st.lists(st.text("ab ", max_size=12), max_size=30)


class Hashes:
    """A score a pair that means nothing and is always the same; a second a text."""

    spec = fingerprint = "hashes"

    def __init__(self) -> None:
        self.now = 0.0

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        self.now += len(texts)
        return np.array([self.one(query, text) for text in texts], np.float32)

    @staticmethod
    def one(query: str, text: str) -> float:
        found = xxhash.xxh32_intdigest(f"{query}\0{text}".encode()) % 11
        return -np.inf if not text.strip() else float(found)


@given(
    texts=TEXTS,
    asked_before=st.lists(TEXTS, max_size=3),
    chars=st.integers(1, 60),
    most=st.integers(0, 20),
    seed=st.integers(0, 99),
)
def test_scores_depend_neither_on_batches_nor_on_the_cache_nor_on_the_order(
    texts: list[str], asked_before: list[list[str]], chars: int, most: int, seed: int
) -> None:
    expected = np.array([Hashes.one("q", text) for text in texts], np.float32)
    reranker = PairReranker(
        Hashes(), cache=ScoreCache(most), batches=MicroBatches(chars_at_leisure=chars)
    )
    for before in asked_before:
        reranker.score("q", before)
    np.testing.assert_array_equal(reranker.score("q", texts).scores, expected)
    order = np.random.default_rng(seed).permutation(len(texts))
    shuffled = reranker.score("q", [texts[i] for i in order])
    np.testing.assert_array_equal(shuffled.scores, expected[order])


@given(
    texts=st.lists(st.text("ab ", max_size=12), max_size=30, unique=True),
    chars=st.integers(1, 60),
    window=st.integers(1, 9),
    seconds=st.floats(-1, 40),
)
def test_what_is_scored_in_time_is_what_would_be_scored_without_end(
    texts: list[str], chars: int, window: int, seconds: float
) -> None:
    scorer = Hashes()
    rules = MicroBatches(chars=chars, window=window)
    deadline = Deadline(seconds, lambda: scorer.now)
    outcome = PairReranker(scorer, batches=rules).score("q", texts, deadline=deadline)
    scored = ~np.isnan(outcome.scores)
    expected = np.array([Hashes.one("q", text) for text in texts], np.float32)
    np.testing.assert_array_equal(outcome.scores[scored], expected[scored])
    assert outcome.n_scored == scored.sum()
    assert outcome.partial == bool((~scored).any())
    assert outcome.problem is None
    # Windows are taken in order: none is begun before all of the one before have a score.
    windows = [scored[i : i + window] for i in range(0, len(texts), window)]
    begun = [bool(one.any()) for one in windows]
    whole = [bool(one.all()) for one in windows]
    assert all(before or not after for before, after in zip(whole, begun[1:], strict=False))


@given(
    scores=st.lists(
        st.one_of(st.floats(-1e3, 1e3, width=32), st.sampled_from([np.nan, -np.inf, 0.0])),
        max_size=20,
    ),
    seed=st.integers(0, 99),
)
def test_rankings_are_permutations_that_fall(scores: list[float], seed: int) -> None:
    given_ = np.array(scores, np.float32)
    ordinals = np.random.default_rng(seed).permutation(len(scores)).astype(np.int64)
    found, ranked = Outcome.of(given_).ranking(ordinals)
    assert sorted(found.tolist()) == sorted(ordinals.tolist())
    keys = list(zip((-ranked).tolist(), found.tolist(), strict=True))
    assert keys == sorted(keys)
    by_ordinal = dict(zip(ordinals.tolist(), scores, strict=True))
    missing = [o for o in found.tolist() if np.isnan(by_ordinal[o])]
    assert missing == [o for o in ordinals.tolist() if np.isnan(by_ordinal[o])]
