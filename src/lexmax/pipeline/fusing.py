"""What do several rankings give together?

Of each ranking the first documents are fused, as many however many a query asks for: scores are
scaled by these, and a document that is none of them is missing. Documents that a query asks for
beyond go behind. So who asks for more gets more, and what he got before in the same order.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from lexmax import fusion
from lexmax.stages import Borda, CombMnz, CombSum, Fuse, ReciprocalRank
from lexmax.types import Hits


def fuse(rule: Fuse, rankings: Mapping[int, Hits], depths: Mapping[int, int]) -> Hits:
    """One ranking a query of those that the retrieve stages of these numbers gave.

    Of each ranking so many documents are fused; what it has beyond goes behind, by rank.
    """
    given, n_fused = list(rankings.values()), [depths[i] for i in rankings]
    if len(given) == 1:
        return given[0]
    weights = _weights(rule, list(rankings))
    rows: list[fusion.Row] = []
    for i in range(len(given[0])):
        found = [hits.row(i) for hits in given]
        first = [cut(row, n) for row, n in zip(found, n_fused, strict=True)]
        fused = _fused(rule, weights, first)
        if any(len(row[0]) > n for row, n in zip(found, n_fused, strict=True)):
            beyond = fusion.by_best_rank([ordinals for ordinals, _ in found], n_fused)
            fused = fusion.behind(fused, beyond)
        rows.append(fused)
    return Hits.from_rows(rows, max((len(row[0]) for row in rows), default=0))


def cut(row: fusion.Row, depth: int) -> fusion.Row:
    """The first documents of a ranking."""
    return row[0][:depth], row[1][:depth]


def prolonged(
    first: Hits, deeper: Hits, rows: Sequence[int], *, are_comparable: bool = True
) -> Hits:
    """Rankings, of which these get behind them what `deeper`, a ranking for each, has beyond.

    An approximate engine may find other documents first where it looks deeper; the first stay.
    Where scores of both do not compare, those behind fall from the last of the first.
    """
    longer = [first.row(i) for i in range(len(first))]
    for place, i in enumerate(rows):
        ordinals, scores = deeper.row(place)
        is_new = ~np.isin(ordinals, longer[i][0])
        row = fusion.behind(longer[i], ordinals[is_new])
        if are_comparable:
            row = row[0], np.append(longer[i][1], scores[is_new])
        longer[i] = row
    return Hits.from_rows(longer, max((len(row[0]) for row in longer), default=0))


def _weights(rule: Fuse, stages: Sequence[int]) -> list[float] | None:
    if isinstance(rule, CombSum | CombMnz) or rule.weights is None:
        return None
    return [rule.weights[i] for i in stages]


def _fused(rule: Fuse, weights: Sequence[float] | None, rows: Sequence[fusion.Row]) -> fusion.Row:
    if isinstance(rule, ReciprocalRank):
        ordinals = [found for found, _ in rows]
        return fusion.reciprocal_rank(ordinals, rank_constant=rule.rank_constant, weights=weights)
    if isinstance(rule, Borda):
        return fusion.borda([found for found, _ in rows], weights=weights)
    if isinstance(rule, CombMnz):
        return fusion.comb_mnz(rows, scale=rule.scale)
    if isinstance(rule, CombSum):
        return fusion.weighted_sum(rows, scale=rule.scale, missing="zero")
    return fusion.weighted_sum(rows, weights, scale=rule.scale, missing=rule.missing)
