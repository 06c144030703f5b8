"""What did each ranking give a document when they were fused?"""

from collections.abc import Mapping, Sequence

import numpy as np

from lexmax import fusion
from lexmax.explaining.explanation import FusedShare
from lexmax.explaining.one_search import rank_in
from lexmax.pipeline.fusing import cut
from lexmax.stages import Borda, CombMnz, CombSum, Fuse, ReciprocalRank


def fused_shares(
    rule: Fuse,
    rankings: Mapping[int, fusion.Row],
    ordinal: int,
    *,
    names: Mapping[int, str],
    depths: Mapping[int, int],
    score: float,
) -> tuple[FusedShare, ...]:
    """A share a ranking; their sum is the document's fused score.

    A document that no ranking has among those that are fused has all of its score from the one
    that has it first.

    Args:
        rule: How they were fused.
        rankings: By the number of their retrieve stage.
        ordinal: The document.
        names: What the stages are called, by the same numbers.
        depths: How many documents of each ranking are fused, by the same numbers.
        score: What the document has.
    """
    fused = {i: cut(row, depths[i]) for i, row in rankings.items()}
    holders = sum(bool((ordinals == ordinal).any()) for ordinals, _ in fused.values())
    if holders:
        shares = {i: _alone(rule, i, row, ordinal, holders) for i, row in fused.items()}
    else:
        first = min(rankings, key=lambda i: rank_in(rankings[i], ordinal) or np.inf)
        shares = {i: score if i == first else 0.0 for i in rankings}
    return tuple(_share(names[i], row, ordinal, shares[i]) for i, row in rankings.items())


def _share(name: str, row: fusion.Row, ordinal: int, share: float) -> FusedShare:
    places = np.flatnonzero(row[0] == ordinal)
    if len(places) == 0:
        return FusedShare(name, None, None, share)
    return FusedShare(name, int(places[0]) + 1, float(row[1][places[0]]), share)


def _alone(rule: Fuse, number: int, row: fusion.Row, ordinal: int, holders: int) -> float:
    """What the document gets of this ranking."""
    # Beside it stands a ranking of the document alone that counts nothing, so that the rule says
    # what a document gets that the ranking has not.
    alone = np.array([ordinal], np.int64), np.zeros(1, np.float32)
    weights = [_weight(rule, number), 0.0]
    if isinstance(rule, ReciprocalRank):
        fused = fusion.reciprocal_rank(
            [row[0], alone[0]], rank_constant=rule.rank_constant, weights=weights
        )
    elif isinstance(rule, Borda):
        fused = fusion.borda([row[0], alone[0]], weights=weights)
    elif isinstance(rule, CombMnz | CombSum):
        fused = fusion.weighted_sum([row, alone], weights, scale=rule.scale, missing="zero")
    else:
        fused = fusion.weighted_sum([row, alone], weights, scale=rule.scale, missing=rule.missing)
    share = float(fused[1][fused[0] == ordinal][0])
    return share * holders if isinstance(rule, CombMnz) else share


def _weight(rule: Fuse, number: int) -> float:
    weights: Sequence[float] | None = None
    if not isinstance(rule, CombSum | CombMnz):
        weights = rule.weights
    return 1.0 if weights is None else weights[number]
