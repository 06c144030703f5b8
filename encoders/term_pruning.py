"""Which terms of an encoded text are kept?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import EncoderError
from lexmax.types import SparseBatch


@dataclass(frozen=True, slots=True)
class TermPruning:
    """The heaviest terms of a row; by default all whose weight is above zero.

    Attributes:
        top_k: As many at most, ties by the smaller id; None for no such limit.
        ratio: None below this share of the row's heaviest (OpenSearch's pruning by maximal
            ratio, arXiv 2504.14839); 0 for no such limit.

    Raises:
        EncoderError: if a number is out of its range.
    """

    top_k: int | None = None
    ratio: float = 0.0

    def __post_init__(self) -> None:
        if self.top_k is not None and self.top_k < 1:
            raise EncoderError(f"top_k is {self.top_k}; expected 1 or more")
        if not 0 <= self.ratio <= 1:
            raise EncoderError(f"ratio is {self.ratio}; expected 0 to 1")

    def row(self, weights: NDArray[np.float32]) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """Ids, ascending, and weights of the kept terms of one row, given those of all (n_terms,).

        Weights of zero and below are dropped: no index keeps them.
        """
        term_ids = np.flatnonzero(weights > 0)
        kept = weights[term_ids]
        if self.ratio and len(kept):
            heavy = kept >= self.ratio * kept.max()
            term_ids, kept = term_ids[heavy], kept[heavy]
        if self.top_k is not None and len(kept) > self.top_k:
            heaviest = np.sort(np.argsort(-kept, kind="stable")[: self.top_k])
            term_ids, kept = term_ids[heaviest], kept[heaviest]
        return term_ids.astype(np.uint32), kept


def batch_of(
    rows: Sequence[tuple[NDArray[np.uint32], NDArray[np.float32]]],
) -> SparseBatch:
    """Rows of (ids, ascending; weights) one under another."""
    if not rows:
        return SparseBatch.from_rows([])
    if len(rows) == 1:  # A single query is worth the microseconds.
        return SparseBatch(np.array([0, len(rows[0][0])], dtype=np.int64), *rows[0])
    lengths = [len(term_ids) for term_ids, _ in rows]
    return SparseBatch(
        np.cumsum([0, *lengths], dtype=np.int64),
        np.concatenate([term_ids for term_ids, _ in rows]),
        np.concatenate([weights for _, weights in rows]),
    )
