"""What did each ranking give a document when they were fused?"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lexmax import fusion
from lexmax.explaining.explanation import FusedShare
from lexmax.explaining.one_search import rank_in
from lexmax.pipeline.fusing import cut
from lexmax.stages import Borda, CombMnz, CombSum, Fuse, ReciprocalRank


def fused_shares(
    rule: Fuse,
    rankings: Mapping[int, fusion.Row],
    documents: fusion.Row,
    *,
    names: Mapping[int, str],
    depths: Mapping[int, int],
) -> list[tuple[FusedShare, ...]]:
    """For each document a share a ranking, whose sum is its fused score.

    A document that no ranking has among those that are fused has all of its score from the one
    that has it first.

    Args:
        rule: How they were fused.
        rankings: By the number of their retrieve stage.
        documents: Ordinals of some that the rankings have, and their fused scores.
        names: What the stages are called, by the same numbers.
        depths: How many documents of each ranking are fused, by the same numbers.
    """
    fused = {i: cut(row, depths[i]) for i, row in rankings.items()}
    ordinals = documents[0]
    holders = np.sum([np.isin(ordinals, row[0]) for row in fused.values()], axis=0)
    shares = {i: _alone(rule, i, row, ordinals, holders) for i, row in fused.items()}
    found: list[tuple[FusedShare, ...]] = []
    for place, (ordinal, score) in enumerate(zip(ordinals.tolist(), documents[1], strict=True)):
        ranks = {i: rank_in(row, ordinal) for i, row in rankings.items()}
        of_one = {i: float(share[place]) for i, share in shares.items()}
        if not holders[place]:
            first = min(ranks, key=lambda i: ranks[i] or np.inf)
            of_one = {i: float(score) if i == first else 0.0 for i in ranks}
        found.append(
            tuple(_share(names[i], row, ranks[i], of_one[i]) for i, row in rankings.items())
        )
    return found


def _share(name: str, row: fusion.Row, rank: int, share: float) -> FusedShare:
    if rank == 0:
        return FusedShare(name, None, None, share)
    return FusedShare(name, rank, float(row[1][rank - 1]), share)


def _alone(
    rule: Fuse,
    number: int,
    row: fusion.Row,
    ordinals: NDArray[np.int64],
    holders: NDArray[np.int64],
) -> NDArray[np.float64]:
    """What each document gets of this ranking."""
    # Beside it stands a ranking of the documents that counts nothing, so that the rule says what
    # they get that the ranking has not.
    others = ordinals, np.zeros(len(ordinals), np.float32)
    weights = [_weight(rule, number), 0.0]
    if isinstance(rule, ReciprocalRank):
        fused = fusion.reciprocal_rank(
            [row[0], ordinals], rank_constant=rule.rank_constant, weights=weights
        )
    elif isinstance(rule, Borda):
        fused = fusion.borda([row[0], ordinals], weights=weights)
    elif isinstance(rule, CombMnz | CombSum):
        fused = fusion.weighted_sum([row, others], weights, scale=rule.scale, missing="zero")
    else:
        fused = fusion.weighted_sum([row, others], weights, scale=rule.scale, missing=rule.missing)
    order = np.argsort(fused[0])
    shares = fused[1][order[np.searchsorted(fused[0], ordinals, sorter=order)]].astype(np.float64)
    return shares * holders if isinstance(rule, CombMnz) else shares


def _weight(rule: Fuse, number: int) -> float:
    weights: Sequence[float] | None = None
    if not isinstance(rule, CombSum | CombMnz):
        weights = rule.weights
    return 1.0 if weights is None else weights[number]
