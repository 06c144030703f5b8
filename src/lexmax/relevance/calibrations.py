"""What is stored of a calibration: the adapter, the threshold, and the index they are for."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CalibrationError
from lexmax.relevance.adapter import Adapter
from lexmax.relevance.query_features import QueryFeatures
from lexmax.relevance.thresholds import Target
from lexmax.relevance.versions import IndexVersion

_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@dataclass(frozen=True, slots=True)
class Calibration:
    """How relevance is told for one index version and pipeline.

    Attributes:
        name: what a search calls it by.
        adapter: scores to probabilities.
        threshold: from which probability on a document is returned, unless a search says.
        target: what the threshold was chosen for.
        version: of the index and pipeline.
        depth: candidates a query that it was chosen on.
        n_queries: judged queries that it was chosen on.
        measured: what held-out queries say, by the measure's name.

    Raises:
        CalibrationError: if the threshold is no probability, or the name cannot be one.
    """

    name: str
    adapter: Adapter
    threshold: float
    target: Target
    version: IndexVersion
    depth: int
    n_queries: int
    measured: Mapping[str, float]

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 0 <= self.threshold <= 1:
            raise CalibrationError(
                f"found the threshold {self.threshold}; expected a probability from 0 to 1"
            )

    def filtered(
        self,
        scores: NDArray[np.float32],
        query: QueryFeatures,
        *,
        min_relevance: float | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Probabilities, float32 (n,), and which documents are relevant enough, bool (n,).

        Without `min_relevance` the threshold decides. None may be left.
        """
        probabilities = self.adapter.probabilities(scores, query)
        least = self.threshold if min_relevance is None else min_relevance
        return probabilities, probabilities >= np.float32(least)


def check_name(name: str) -> str:
    """The name, if a folder can be called so on every system.

    Raises:
        CalibrationError: if it cannot.
    """
    if 0 < len(name) <= 64 and _NAME_CHARS.issuperset(name):
        return name
    raise CalibrationError(
        f"found the name {name[:80]!r}; expected 1 to 64 of the letters a to z, digits, - and _"
    )
