"""How many candidates must be scored to find the best k? A rule, or what was measured.

Few results need few candidates, but not in proportion: the rule and measurements are points
(k, candidates), and between and beyond them candidates grow with a power of k.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log

from lexmax.types import Json

Points = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class CandidateNumbers:
    """Points (k, candidates), both ascending, two or more."""

    points: Points

    def __post_init__(self) -> None:
        ks = [k for k, _ in self.points]
        if len(self.points) < 2 or ks != sorted(set(ks)) or min(map(min, self.points)) < 1:
            raise ValueError(f"points are {self.points}; expected two or more with ascending k")

    def for_k(self, k: int) -> int:
        """Candidates for the best k, at least k."""
        lower, upper = self.points[0], self.points[1]
        for point in self.points[2:]:
            if k > upper[0]:
                lower, upper = upper, point
        power = max(0.0, log(upper[1] / lower[1]) / log(upper[0] / lower[0]))
        grown: float = lower[1] * (k / lower[0]) ** min(power, 1.0)
        # A hair less, so that rounding in the power does not ask for one more.
        return max(k, ceil(grown - 1e-9))

    def scaled(self, factor: float) -> "CandidateNumbers":
        """So many times the candidates."""
        return CandidateNumbers(tuple((k, ceil(n * factor)) for k, n in self.points))

    def to_json(self) -> Json:
        """What `from_json` reads."""
        return {str(k): candidates for k, candidates in self.points}

    @staticmethod
    def from_json(written: Mapping[str, Json]) -> "CandidateNumbers":
        """The points that `to_json` wrote.

        Raises:
            ValueError: if they are none.
        """
        points = [(int(k), n) for k, n in written.items() if isinstance(n, int)]
        return CandidateNumbers(tuple(sorted(points)))
