"""What do several rankings give together?"""

from collections.abc import Sequence

from lexmax import fusion
from lexmax.stages import Borda, CombMnz, CombSum, Fuse, ReciprocalRank
from lexmax.types import Hits


def fuse(rule: Fuse, rankings: Sequence[Hits], *, stages: Sequence[int]) -> Hits:
    """One ranking a query of those that the retrieve stages of these numbers gave."""
    if len(rankings) == 1:
        return rankings[0]
    weights = _weights(rule, stages)
    rows = [
        _fused(rule, weights, [hits.row(i) for hits in rankings]) for i in range(len(rankings[0]))
    ]
    return Hits.from_rows(rows, max((len(row[0]) for row in rows), default=0))


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
