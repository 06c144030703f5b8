"""How many candidates were measured to be enough, and for what?

A measurement belongs to one index: it is kept in segment.json, and searches of that index use it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lexmax.errors import CorruptionError
from lexmax.index.candidate_numbers import CandidateNumbers
from lexmax.types import Json

_REMEDY = "run `lexmax rebuild` on the collection, or restore a backup"


@dataclass(frozen=True, slots=True)
class Enough:
    """Candidates that find the wanted share of the exact best documents.

    Attributes:
        recall: mean share of the exact best k that was asked for.
        n_queries: sample queries that it was measured on.
        numbers: candidates by k, for each source that was measured.
    """

    recall: float
    n_queries: int
    numbers: Mapping[str, CandidateNumbers]

    def to_json(self) -> Json:
        """What `from_json` reads."""
        numbers: Json = {name: found.to_json() for name, found in self.numbers.items()}
        return {"recall": self.recall, "n_queries": self.n_queries, "candidates": numbers}

    @staticmethod
    def from_json(written: Json) -> "Enough | None":
        """What `to_json` wrote; None for null.

        Raises:
            CorruptionError: if it is something else.
        """
        if written is None:
            return None
        try:
            return _read(written)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CorruptionError(
                f"measured candidates are {written!r}; expected recall, n_queries and candidates "
                f"by source and k; {_REMEDY}"
            ) from error


def _read(written: Json) -> Enough:
    if not isinstance(written, Mapping) or not isinstance(found := written["candidates"], Mapping):
        raise TypeError
    numbers = {
        name: CandidateNumbers.from_json(points)
        for name, points in found.items()
        if isinstance(points, Mapping)
    }
    recall, n_queries = written["recall"], written["n_queries"]
    if not isinstance(recall, float) or not isinstance(n_queries, int):
        raise TypeError
    return Enough(recall, n_queries, numbers)
