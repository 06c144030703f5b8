"""Which figure has each system for each query?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import EvaluationError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """One measure of several systems over the same queries.

    Attributes:
        systems: their names.
        query_ids: the queries.
        values: (n_systems, n_queries), float64, finite.
        n_left_out: queries that not every system has a finite figure for.

    Raises:
        EvaluationError: if there is no system or no query, a name stands twice, the shape does
            not fit, or a value is not finite.
    """

    systems: tuple[str, ...]
    query_ids: tuple[str, ...]
    values: Floats
    n_left_out: int = 0

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.systems), len(self.query_ids)):
            raise EvaluationError(
                f"figures of shape {self.values.shape}; expected "
                f"({len(self.systems)}, {len(self.query_ids)}), systems by queries"
            )
        if len(set(self.systems)) < len(self.systems):
            raise EvaluationError(
                f"systems {', '.join(self.systems)}: a name stands twice; expected each once; "
                "rename one"
            )
        if not self.values.size or not np.isfinite(self.values).all():
            raise EvaluationError(
                f"{len(self.systems)} systems have {len(self.query_ids)} queries in common, or a "
                "figure that is not finite; expected one query or more that every system has a "
                "figure for; evaluate them over the same qrels, by a measure that says something "
                "about each query"
            )

    @classmethod
    def of(cls, by_system: Mapping[str, Mapping[str, float]]) -> Self:
        """From figures by system and query; queries that one of them lacks are left out.

        Raises:
            EvaluationError: if no query is left.
        """
        figures = list(by_system.values())
        asked = dict.fromkeys(query_id for by_query in figures for query_id in by_query)
        shared = [q for q in asked if all(np.isfinite(f.get(q, np.nan)) for f in figures)]
        values = np.array([[f[q] for q in shared] for f in figures], np.float64)
        shape = len(figures), len(shared)
        return cls(tuple(by_system), tuple(shared), values.reshape(shape), len(asked) - len(shared))

    @property
    def means(self) -> Floats:
        """Float64 (n_systems)."""
        means: Floats = self.values.mean(axis=1)
        return means

    def index(self, system: str) -> int:
        """Where a system stands.

        Raises:
            EvaluationError: if it is none of them.
        """
        if system not in self.systems:
            raise EvaluationError(
                f"no system {system!r}; found {', '.join(self.systems)}; name one of them"
            )
        return self.systems.index(system)
