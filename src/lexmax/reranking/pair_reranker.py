"""How do candidates score for a query, as far as time allows?

A `PairScorer` (cross-encoder, yes or no) reads each candidate with the query. Candidates go to it
in micro-batches of similar length, because rows of a batch are padded to the longest; between two
of them it is looked whether there is time for one more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.encoders.contract import PairScorer
from lexmax.errors import EncoderError, LexmaxError, ShapeError
from lexmax.reranking.deadline import NEVER, Deadline
from lexmax.reranking.outcome import Outcome
from lexmax.reranking.score_cache import Key, ScoreCache, digest


@dataclass(frozen=True, slots=True)
class MicroBatches:
    """Which candidates go to the scorer together.

    Attributes:
        chars: Characters of a batch, query and padding counted, where there is a deadline.
        window: So many candidates are sorted by length among each other, where there is a
            deadline: the best ones by the ranking before are scored first.
        chars_at_leisure: Characters of a batch without a deadline; all are sorted together then.
    """

    chars: int = 4_096
    window: int = 32
    chars_at_leisure: int = 262_144

    def planned(self, lengths: NDArray[np.int64], deadline: Deadline) -> list[NDArray[np.int64]]:
        """Row numbers of each batch, int64; every row stands in exactly one."""
        if not deadline.is_set:
            return _cut(np.arange(len(lengths)), lengths, self.chars_at_leisure)
        starts = range(0, len(lengths), self.window)
        windows = (np.arange(i, min(i + self.window, len(lengths))) for i in starts)
        return [batch for rows in windows for batch in _cut(rows, lengths, self.chars)]


MICRO_BATCHES = MicroBatches()


def _cut(
    rows: NDArray[np.int64], lengths: NDArray[np.int64], chars: int
) -> list[NDArray[np.int64]]:
    """Batches whose longest row times their number of rows is within a budget, or that have one."""
    order = rows[np.argsort(lengths[rows], kind="stable")]
    batches: list[NDArray[np.int64]] = []
    start = 0
    for stop in range(1, len(order) + 1):
        full = stop < len(order) and int(lengths[order[stop]]) * (stop + 1 - start) > chars
        if full or stop == len(order):
            batches.append(order[start:stop])
            start = stop
    return batches


class PairReranker:
    """Scores texts for queries by one scorer; may be used from many threads.

    A score depends on the query and the text alone: neither on the batches nor on the cache.
    """

    def __init__(
        self,
        scorer: PairScorer,
        *,
        cache: ScoreCache | None = None,
        batches: MicroBatches = MICRO_BATCHES,
    ) -> None:
        """`cache` may serve several rerankers; None makes one of its own."""
        self._scorer = scorer
        self._cache = ScoreCache() if cache is None else cache
        self._batches = batches

    @property
    def fingerprint(self) -> str:
        """What scores depend on."""
        return self._scorer.fingerprint

    def score(self, query: str, texts: Sequence[str], *, deadline: Deadline = NEVER) -> Outcome:
        """Scores of these texts for the query, as many as there is time for.

        What goes wrong in the scorer (NaN, infinity, an error of ours) is an outcome without
        scores, whose `problem` says it: a search goes on with the ranking that it had.

        Args:
            query: The query.
            texts: The best ones by the ranking before first.
            deadline: After it no batch is begun, and none that is expected to end after it.
        """
        keys = self._keys(query, texts)
        scores = self._cache.found(keys)
        waiting = _first_of_each(keys, np.flatnonzero(np.isnan(scores)))
        lengths = np.array([len(query) + len(texts[int(i)]) for i in waiting], dtype=np.int64)
        pace = _Pace(deadline)
        try:
            for batch in self._batches.planned(lengths, deadline):
                rows = waiting[batch]
                chars = int(lengths[batch].sum())
                if not pace.allows(chars):
                    break
                found = self._scored(query, [texts[int(i)] for i in rows])
                pace.spent(chars)
                scores[rows] = found
                self._cache.keep([keys[int(i)] for i in rows], found)
        except LexmaxError as error:
            return Outcome.failed(len(texts), f"{self._scorer.spec}: {error}")
        return Outcome.of(_with_equal_texts(keys, scores))

    def _keys(self, query: str, texts: Sequence[str]) -> list[Key]:
        fingerprint, asked = self._scorer.fingerprint, digest(query)
        return [(fingerprint, asked, digest(text)) for text in texts]

    def _scored(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        found = np.asarray(self._scorer.score(query, texts), dtype=np.float32)
        if found.shape != (len(texts),):
            raise ShapeError(
                f"gave scores {found.shape} for {len(texts)} texts; expected one a text"
            )
        if bool((np.isnan(found) | np.isposinf(found)).any()):
            raise EncoderError(
                "gave a score that is NaN or infinite; expected numbers; its weights are damaged "
                "or overflow: copy them again, or compute in float32"
            )
        return found


class _Pace:
    """Whether there is time for so many characters more, by what those before them took."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._began_with = deadline.left_s if deadline.is_set else 0.0
        self._chars = 0

    def allows(self, chars: int) -> bool:
        if not self._deadline.is_set:
            return True
        left = self._deadline.left_s
        taken = self._began_with - left
        expected = taken * chars / self._chars if self._chars else 0.0
        return left > 0 and expected <= left

    def spent(self, chars: int) -> None:
        self._chars += chars


def _first_of_each(keys: Sequence[Key], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of rows with equal keys the first one, in their order."""
    first: dict[Key, int] = {}
    for i in rows:
        first.setdefault(keys[int(i)], int(i))
    return np.array(list(first.values()), dtype=np.int64)


def _with_equal_texts(keys: Sequence[Key], scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores of equal texts are equal: those that were left out get theirs."""
    known = {key: score for key, score in zip(keys, scores.tolist(), strict=True) if score == score}
    return np.array([known.get(key, np.nan) for key in keys], dtype=np.float32)
