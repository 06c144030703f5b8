"""By how much does the expected utility of a search change with a document's chance to be there?

Data importance for retrieval corpora (arXiv 2307.03027). Document i of a list is in the corpus with
probability p_i, independently. A search returns the k best that are there, and its utility is the
mean of their utilities over k (a place that nothing fills counts 0). The importance of i is the
partial derivative of the expected utility by p_i. It is exact in O(depth k) for a list:

    IP[j, i]   chance that exactly j of the first i documents are there
    E[m, i]    expected utility of the m-th document that is there from i on
    d / d p_i  (1 / k) sum over j < k of IP[j, i - 1] (u_i - E[k - j, i + 1])

because i, with j < k documents before it, adds its utility and pushes out what would have been the
k-th. All queries go through the recurrence at once.
"""

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.importance.lists import RankedLists
from lexmax.types import ranges

# Numbers of a part of the queries that are in memory at a time: 64 MiB.
_PART = 1 << 23


def gradients(
    lists: RankedLists, p: NDArray[np.float64], *, k: int, epsilon: float = 0.0
) -> NDArray[np.float64]:
    """Derivative of the mean expected utility of the queries by each source's p, (n_sources,).

    Documents of one source share its p, so that their derivatives add up (chain rule).

    Args:
        lists: Of the queries.
        p: Probability of each source, (n_sources,), 0 to 1.
        k: Documents that a search returns.
        epsilon: Lists end where the chance that k + 1 documents before are not all there falls
            below this; each document's derivative is then off by at most epsilon / k. 0 is exact.

    Raises:
        ShapeError: if p has another length or lies outside 0 to 1, or k is below 1.
    """
    _check(lists, p, k)
    total = np.zeros(lists.n_sources + 1)
    for some in _parts(lists, k):
        chances = some.probabilities(p)
        depth = _stops(chances, k, epsilon)
        by_document = _derivatives(chances[:, :depth], some.utilities[:, :depth], k)
        numbers = some.sources[:, :depth].ravel()
        total += np.bincount(numbers + 1, by_document.ravel(), minlength=len(total))
    # Number 0 of the sums is of what stands behind lists.
    return total[1:] / max(len(lists), 1)


def utilities(lists: RankedLists, p: NDArray[np.float64], *, k: int) -> NDArray[np.float64]:
    """Expected utility of each query, (n_queries,), by the same rule; p of 0 and 1 is a corpus.

    Raises:
        ShapeError: as `gradients`.
    """
    _check(lists, p, k)
    found = [np.zeros(0)]
    for some in _parts(lists, k):
        first = np.zeros((len(some), k + 1))
        chances = some.probabilities(p)
        for i in reversed(range(chances.shape[1])):
            first = _step(first, chances[:, i, None], some.utilities[:, i])
        found.append(first[:, 1:].sum(axis=1) / k)
    return np.concatenate(found)


def _check(lists: RankedLists, p: NDArray[np.float64], k: int) -> None:
    if k < 1:
        raise ShapeError(f"k is {k}; expected 1 or more")
    if p.shape != (lists.n_sources,) or not np.all((p >= 0) & (p <= 1)):
        raise ShapeError(
            f"p {p.shape} for {lists.n_sources} sources; expected a probability for each"
        )


def _parts(lists: RankedLists, k: int) -> list[RankedLists]:
    n = max(_PART // max(lists.sources.shape[1] * (k + 1), 1), 1)
    return [lists.take(np.arange(start, stop)) for start, stop in ranges(len(lists), n)]


def _step(
    behind: NDArray[np.float64], chance: NDArray[np.float64], utility: NDArray[np.float64]
) -> NDArray[np.float64]:
    """E[., i] from E[., i + 1], (n, k + 1): column m is of the m-th document, column 0 unused."""
    here = (1 - chance) * behind
    here[:, 2:] += chance * behind[:, 1:-1]
    here[:, 1] += chance[:, 0] * utility
    return here


def _derivatives(
    chances: NDArray[np.float64], utility: NDArray[np.float64], k: int
) -> NDArray[np.float64]:
    """Of the expected utility by each document's own chance, (n_queries, depth)."""
    n, depth = chances.shape
    behind = np.zeros((depth + 1, n, k + 1))
    for i in reversed(range(depth)):
        behind[i] = _step(behind[i + 1], chances[:, i, None], utility[:, i])
    found = np.zeros((n, depth))
    before = np.zeros((n, k))
    before[:, 0] = 1.0
    for i in range(depth):
        # With j before it, document i pushes out the (k - j)-th behind it.
        pushed = behind[i + 1][:, :0:-1]
        found[:, i] = (before * (utility[:, i, None] - pushed)).sum(axis=1) / k
        before = _one_more(before, chances[:, i, None])
    return found


def _one_more(before: NDArray[np.float64], chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """IP[., i] from IP[., i - 1], (n, columns); more than the last column are not counted."""
    after = (1 - chance) * before
    after[:, 1:] += chance * before[:, :-1]
    return after


def _stops(chances: NDArray[np.float64], k: int, epsilon: float) -> int:
    """How many places of the lists are looked at: see `gradients`.

    Where k + 1 documents are there, whatever i is, k others are, and nothing behind them counts.
    """
    depth = int(chances.shape[1])
    if epsilon <= 0.0 or len(chances) == 0:
        return depth
    few = np.zeros((len(chances), k + 1))
    few[:, 0] = 1.0
    for i in range(depth):
        if few.sum(axis=1).max() < epsilon:
            return i
        few = _one_more(few, chances[:, i, None])
    return depth
