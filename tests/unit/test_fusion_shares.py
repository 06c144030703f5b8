"""Shares of a fused score, by hand."""

import numpy as np
import pytest

from lexmax.explaining.fusion_shares import fused_shares
from lexmax.fusion import Row
from lexmax.stages import Borda, CombMnz, CombSum, Fuse, ReciprocalRank, WeightedSum


def row(*pairs: tuple[int, float]) -> Row:
    ordinals = np.array([ordinal for ordinal, _ in pairs], dtype=np.int64)
    return ordinals, np.array([score for _, score in pairs], dtype=np.float32)


# Stage 1 of the pipeline was left out.
RANKINGS = {0: row((3, 9.0), (1, 5.0), (2, 1.0)), 2: row((1, 4.0), (3, 2.0))}
NAMES = {0: "sparse", 2: "multivector"}


DEPTHS = {0: 100, 2: 100}


def shares(rule: Fuse, ordinal: int, depths: dict[int, int] = DEPTHS) -> list[float]:
    document = np.array([ordinal]), np.array([0.4], np.float32)
    (found,) = fused_shares(rule, RANKINGS, document, names=NAMES, depths=depths)
    assert [share.stage for share in found] == ["sparse", "multivector"]
    return [share.share for share in found]


def test_ranks_and_scores_are_those_of_the_rankings() -> None:
    document = np.array([2]), np.array([1.0], np.float32)
    ((sparse, multivector),) = fused_shares(
        ReciprocalRank(), RANKINGS, document, names=NAMES, depths=DEPTHS
    )
    assert (sparse.rank, sparse.score) == (3, 1.0)
    assert (multivector.rank, multivector.score) == (None, None)


@pytest.mark.parametrize(
    ("rule", "ordinal", "expected"),
    [
        (ReciprocalRank(), 1, [1 / 62, 1 / 61]),
        (ReciprocalRank(), 2, [1 / 63, 0]),
        (ReciprocalRank(rank_constant=0, weights=(1, 7, 3)), 3, [1, 3 / 2]),
        (Borda(), 3, [3, 1]),
        (Borda(weights=(2, 7, 1)), 2, [2, 0]),
        (WeightedSum(weights=(0.25, 7, 0.5)), 1, [0.125, 0.5]),
        (WeightedSum(weights=(0.25, 7, 0.5), scale="none"), 2, [0.25, 1.0]),
        (WeightedSum(weights=(0.25, 7, 0.5), scale="none", missing="zero"), 2, [0.25, 0]),
        (CombSum(scale="none"), 2, [1, 0]),
        (CombSum(), 1, [0.5, 1]),
        (CombMnz(), 1, [1, 2]),
        (CombMnz(scale="none"), 2, [1, 0]),
    ],
)
def test_shares_by_hand(rule: Fuse, ordinal: int, expected: list[float]) -> None:
    assert shares(rule, ordinal) == pytest.approx(expected)


def test_what_is_not_fused_is_missing() -> None:
    # Of the first ranking two documents are fused, of the other one.
    depths = {0: 2, 2: 1}
    assert shares(ReciprocalRank(), 3, depths) == pytest.approx([1 / 61, 0])
    assert shares(WeightedSum(), 1, depths) == pytest.approx([0, 1])
    assert shares(CombMnz(scale="none"), 3, depths) == pytest.approx([9, 0])


def test_a_document_behind_what_is_fused_has_all_from_its_best_ranking() -> None:
    assert shares(WeightedSum(), 2, {0: 2, 2: 1}) == pytest.approx([0.4, 0])
