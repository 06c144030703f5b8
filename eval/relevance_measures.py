"""Can relevant documents be told from others by a score, whatever the query?

Over pairs of query and document, pooled over all queries, as in "Relevance Filtering for
Embedding-based Retrieval" (arXiv 2408.04887): scores that cannot be compared between queries do
badly here however well they rank inside each query.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import EvaluationError
from lexmax.relevance.judged import JudgedPairs

_RELEVANT = 0.5


@dataclass(frozen=True, slots=True)
class FilterMeasures:
    """What a threshold does; every value is a share of 1, or a mean of such.

    Attributes:
        precision: relevant pairs among those kept; 0 if none is.
        recall: relevant pairs that are kept, among all relevant ones.
        removed: pairs that are left out.
        empty: queries of which nothing is kept.
        wrongly_empty: queries of which nothing is kept although something was relevant.
        mrr: mean over queries of 1 / rank of the first relevant document that is kept, else 0.
    """

    precision: float
    recall: float
    removed: float
    empty: float
    wrongly_empty: float
    mrr: float


@dataclass(frozen=True, slots=True)
class Interval:
    """Between which values nearly all samples of the queries lie."""

    low: float
    high: float


def pr_auc(pairs: JudgedPairs) -> float:
    """Area under precision by recall of pooled pairs: average precision, equal scores together.

    Raises:
        EvaluationError: if no pair is relevant.
    """
    return _Sorted.of(pairs).pr_auc(np.ones(pairs.n_queries))


def recall_threshold(pairs: JudgedPairs, recall: float = 0.95) -> float:
    """The highest score from which on this share of the relevant pairs is kept.

    Raises:
        EvaluationError: if no pair is relevant.
    """
    return _Sorted.of(pairs).threshold(np.ones(pairs.n_queries), recall)


def filter_measures(pairs: JudgedPairs, threshold: float) -> FilterMeasures:
    """What is kept where scores reach the threshold; ranks are those among kept documents.

    Raises:
        EvaluationError: if no pair is relevant.
    """
    _require_relevant(pairs)
    relevant = pairs.labels >= _RELEVANT
    kept = pairs.scores >= np.float32(threshold)
    found = kept & relevant
    n_kept = np.bincount(pairs.queries, kept, pairs.n_queries)
    n_relevant = np.bincount(pairs.queries, relevant, pairs.n_queries)
    empty = n_kept == 0
    return FilterMeasures(
        precision=float(found.sum() / max(kept.sum(), 1)),
        recall=float(found.sum() / relevant.sum()),
        removed=float(1 - kept.mean()),
        empty=float(empty.mean()),
        wrongly_empty=float((empty & (n_relevant > 0)).mean()),
        mrr=float(_reciprocal_ranks(pairs, kept, relevant).mean()),
    )


def pr_auc_interval(
    pairs: JudgedPairs, *, draws: int = 1000, seed: int = 0, share: float = 0.95
) -> Interval:
    """Where `share` of the PR-AUCs lie if queries are drawn with replacement (Efron 1979).

    Raises:
        EvaluationError: if no pair is relevant.
    """
    ranked = _Sorted.of(pairs)
    return _interval(pairs.n_queries, ranked.pr_auc, draws=draws, seed=seed, share=share)


def removed_interval(
    pairs: JudgedPairs,
    recall: float = 0.95,
    *,
    draws: int = 1000,
    seed: int = 0,
    share: float = 0.95,
) -> Interval:
    """The same for the share of pairs that is removed where this recall is reached.

    Raises:
        EvaluationError: if no pair is relevant.
    """
    ranked = _Sorted.of(pairs)

    def removed(counts: NDArray[np.float64]) -> float:
        return ranked.removed(counts, recall)

    return _interval(pairs.n_queries, removed, draws=draws, seed=seed, share=share)


def ratio_interval(
    pairs: JudgedPairs,
    others: JudgedPairs,
    *,
    draws: int = 1000,
    seed: int = 0,
    share: float = 0.95,
) -> Interval:
    """The same for PR-AUC of `pairs` over PR-AUC of `others`, drawn together by query.

    Raises:
        EvaluationError: if no pair is relevant, or the queries are not the same.
    """
    if pairs.n_queries != others.n_queries:
        raise EvaluationError(
            f"found {pairs.n_queries} and {others.n_queries} queries; expected the same queries "
            "with two scores; score the same candidates"
        )
    above, below = _Sorted.of(pairs), _Sorted.of(others)

    def ratio(counts: NDArray[np.float64]) -> float:
        return above.pr_auc(counts) / below.pr_auc(counts)

    return _interval(pairs.n_queries, ratio, draws=draws, seed=seed, share=share)


def _require_relevant(pairs: JudgedPairs) -> None:
    if not np.any(pairs.labels >= _RELEVANT):
        raise EvaluationError(
            f"none of {len(pairs.labels):,} pairs is relevant; expected some; check that the "
            "judgements belong to what was searched"
        )


def _reciprocal_ranks(
    pairs: JudgedPairs, kept: NDArray[np.bool_], relevant: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Of every query, (n_queries,); pairs are best first inside a query, so kept ones are too."""
    queries, hits = pairs.queries[kept], relevant[kept]
    starts = np.searchsorted(queries, np.arange(pairs.n_queries))
    ranks = np.arange(len(queries)) - starts[queries] + 1
    values = np.zeros(pairs.n_queries)
    first, places = np.unique(queries[hits], return_index=True)
    values[first] = 1.0 / ranks[hits][places]
    return values


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Pairs by descending score, sorted once for all samples of queries.

    queries int64 (n,); relevant float64 (n,); last bool (n,): the last of equal scores.
    """

    queries: NDArray[np.int64]
    relevant: NDArray[np.float64]
    scores: NDArray[np.float32]
    last: NDArray[np.bool_]

    @staticmethod
    def of(pairs: JudgedPairs) -> "_Sorted":
        _require_relevant(pairs)
        order = np.argsort(-pairs.scores, kind="stable")
        scores = pairs.scores[order]
        last = np.append(scores[1:] != scores[:-1], True)
        relevant = (pairs.labels[order] >= _RELEVANT).astype(np.float64)
        return _Sorted(pairs.queries[order], relevant, scores, last)

    def pr_auc(self, counts: NDArray[np.float64]) -> float:
        """Where query i counts `counts[i]` times, (n_queries,); NaN if nothing is relevant."""
        n_kept, n_relevant = self._sums(counts)
        gained = np.diff(n_relevant, prepend=0.0)
        precision = n_relevant / np.maximum(n_kept, 1.0)
        return float((precision * gained).sum() / n_relevant[-1]) if n_relevant[-1] else np.nan

    def threshold(self, counts: NDArray[np.float64], recall: float) -> float:
        _, n_relevant = self._sums(counts)
        return float(self.scores[self.last][_reaches(n_relevant, recall)])

    def removed(self, counts: NDArray[np.float64], recall: float) -> float:
        n_kept, n_relevant = self._sums(counts)
        if not n_relevant[-1]:
            return np.nan
        return float(1 - n_kept[_reaches(n_relevant, recall)] / n_kept[-1])

    def _sums(self, counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        weights = counts[self.queries]
        return np.cumsum(weights)[self.last], np.cumsum(weights * self.relevant)[self.last]


def _reaches(n_relevant: NDArray[np.float64], recall: float) -> int:
    return int(np.argmax(n_relevant >= recall * n_relevant[-1] * (1 - 1e-9)))


def _interval(
    n_queries: int,
    measure: Callable[[NDArray[np.float64]], float],
    *,
    draws: int,
    seed: int,
    share: float,
) -> Interval:
    rng = np.random.default_rng(seed)
    even = np.full(n_queries, 1.0 / n_queries)
    values = [measure(rng.multinomial(n_queries, even).astype(np.float64)) for _ in range(draws)]
    # A sample of queries for which nothing is relevant has no value.
    low, high = np.nanquantile(values, [(1 - share) / 2, (1 + share) / 2])
    return Interval(float(low), float(high))
