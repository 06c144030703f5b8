"""Where does one segment stand in a snapshot, and which of its documents live?"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lexmax.index.passage_rows import rows_of
from lexmax.index.segment import Segment


@dataclass(frozen=True, slots=True)
class Part:
    """One segment in a snapshot: where its ordinals begin, and which of its documents live.

    All passages of a document live, or none.
    """

    segment: Segment
    base: int
    alive: NDArray[np.bool_] | None

    @staticmethod
    def of(segment: Segment, base: int, deleted: NDArray[np.int64]) -> "Part":
        """The part without the documents of these serials (ascending)."""
        if len(held := segment.serials):
            first, last = np.searchsorted(deleted, [held[0], held[-1] + 1])
            deleted = deleted[first:last]
        dead = rows_of(segment.serials, deleted)
        if len(dead) == 0:
            return Part(segment, base, None)
        alive = np.ones(len(segment), dtype=bool)
        alive[dead] = False
        return Part(segment, base, alive)

    @property
    def n_living(self) -> int:
        """Documents that a search can return."""
        return len(self.segment) if self.alive is None else int(self.alive.sum())

    def restricted(self, mask: NDArray[np.bool_]) -> "Part":
        """The part with only those of its living documents where `mask` (n_docs,) is True."""
        return replace(self, alive=mask if self.alive is None else self.alive & mask)
