"""How many sides of a question does the top of a ranking cover, without repeating itself?"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from lexmax.eval.measures.found import Floats, Found
from lexmax.eval.qrels import Subtopics


def alpha_gain(found: Found, *, subtopics: Subtopics, alpha: float, cutoff: int | None) -> Floats:
    """alpha-nDCG (Clarke et al. 2008), as ndeval computes it; float64 (n_queries).

    A document gains (1 - alpha)^n for each of its subtopics that n documents above it have shown
    already. The best ranking, which divides that, is found greedily; the true best is NP-hard.

    Args:
        found: The judged documents of a run.
        subtopics: By query_id and doc_id, those that the document is relevant to.
        alpha: From 0 (repetition costs nothing) to 1 (a second document gains nothing).
        cutoff: Deepest rank that counts; None for all.
    """
    doc_ids = [doc_id for pairs in found.judged.pairs for doc_id in pairs]
    bounds = np.searchsorted(found.rows, np.arange(found.n_queries + 1))
    values = np.zeros(found.n_queries)
    for row, query_id in enumerate(found.judged.query_ids):
        topics = subtopics.get(query_id, {})
        here = slice(bounds[row], bounds[row + 1])
        pairs, ranks = found.pairs[here].tolist(), found.ranks[here].tolist()
        ranked = [
            (rank, topics[doc_ids[pair]])
            for rank, pair in zip(ranks, pairs, strict=True)
            if doc_ids[pair] in topics
        ]
        if best := _gain(_greedy(topics, alpha, cutoff), alpha, cutoff):
            values[row] = _gain(ranked, alpha, cutoff) / best
    return values


def _gain(ranked: Sequence[tuple[int, frozenset[str]]], alpha: float, cutoff: int | None) -> float:
    seen: dict[str, int] = {}
    total = 0.0
    for rank, topics in ranked:
        if cutoff is None or rank <= cutoff:
            total += _novelty(topics, seen, alpha) / math.log2(rank + 1)
            _see(topics, seen)
    return total


def _greedy(
    topics: Mapping[str, frozenset[str]], alpha: float, cutoff: int | None
) -> list[tuple[int, frozenset[str]]]:
    """At each rank the document that gains most there; of equal ones the last by doc_id."""
    left = {doc_id: topics[doc_id] for doc_id in sorted(topics, reverse=True)}
    seen: dict[str, int] = {}
    ranked: list[tuple[int, frozenset[str]]] = []
    while left and (cutoff is None or len(ranked) < cutoff):
        chosen = max(left, key=lambda doc_id: _novelty(left[doc_id], seen, alpha))
        ranked.append((len(ranked) + 1, left[chosen]))
        _see(left.pop(chosen), seen)
    return ranked


def _novelty(topics: frozenset[str], seen: Mapping[str, int], alpha: float) -> float:
    return math.fsum((1.0 - alpha) ** seen.get(topic, 0) for topic in topics)


def _see(topics: frozenset[str], seen: dict[str, int]) -> None:
    for topic in topics:
        seen[topic] = seen.get(topic, 0) + 1
