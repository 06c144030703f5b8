"""What was scored for which query, and how was it judged?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.relevance.query_features import QueryFeatures


@dataclass(frozen=True, slots=True)
class JudgedList:
    """The candidates of one query, best first.

    scores float32 (n,); labels float32 (n,), from 0 for not relevant to 1 for relevant.

    Raises:
        ShapeError: if they differ in length, or a label is no share.
    """

    scores: NDArray[np.float32]
    labels: NDArray[np.float32]
    query: QueryFeatures

    def __post_init__(self) -> None:
        if self.scores.shape != self.labels.shape or self.scores.ndim != 1:
            raise ShapeError(f"scores {self.scores.shape} != labels {self.labels.shape}")
        if not np.all((self.labels >= 0) & (self.labels <= 1)):
            raise ShapeError("labels hold NaN or leave 0 to 1; expected shares of relevance")

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    """Pairs of query and document, pooled over queries; inside a query best first.

    queries int64 (n,), from 0 to n_queries, never falling; scores float32 (n,), bigger is better;
    labels float32 (n,), from 0 to 1. A query may have no pair.

    Raises:
        ShapeError: if they differ in length, or queries are not in order.
    """

    queries: NDArray[np.int64]
    scores: NDArray[np.float32]
    labels: NDArray[np.float32]
    n_queries: int

    def __post_init__(self) -> None:
        if not self.queries.shape == self.scores.shape == self.labels.shape:
            raise ShapeError(
                f"queries {self.queries.shape}, scores {self.scores.shape} and labels "
                f"{self.labels.shape} differ; expected one of each a pair"
            )
        within = np.all((self.queries >= 0) & (self.queries < self.n_queries))
        if not within or np.any(np.diff(self.queries) < 0):
            raise ShapeError(f"queries must rise from 0 to below {self.n_queries}; sort the pairs")

    @staticmethod
    def of(
        lists: Sequence[JudgedList], scores: Sequence[NDArray[np.float32]] | None = None
    ) -> "JudgedPairs":
        """The pairs of lists, with other scores, such as probabilities, if these are given."""
        lengths = np.array([len(one) for one in lists], dtype=np.int64)
        given = [one.scores for one in lists] if scores is None else list(scores)
        return JudgedPairs(
            np.repeat(np.arange(len(lists), dtype=np.int64), lengths),
            np.concatenate([np.zeros(0, np.float32), *given]),
            np.concatenate([np.zeros(0, np.float32), *(one.labels for one in lists)]),
            len(lists),
        )
