"""Which adjacent segments should become one? Few enough for searches, seldom enough for writers.

A run of segments is merged when it holds at least `growth` times the living documents of its
largest: each document that is moved ends in a segment `growth` times as large as before. So n
documents are moved at most n log(n) / log(growth) times in all, however they came. Segments that
are full are left alone, because a search gains little from larger ones and moving them costs
much. A segment with many deleted documents is rewritten alone: at most 1 / dead_share - 1 moves
for each deletion. (The logarithmic method of Bentley & Saxe 1980, with tiers as in log-structured
merge trees, O'Neil et al. 1996.)

Only neighbours merge, so serials stay ascending and ties keep their order.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from lexmax.errors import InputError


@dataclass(frozen=True, slots=True)
class SegmentSize:
    """What matters about one segment; only segments of an equal `kind` merge.

    One that is `stale` lacks what its collection wants by now, and is rewritten.
    """

    n_docs: int
    n_living: int
    kind: Hashable = None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class MergePolicy:
    """When to merge and when to rewrite.

    Attributes:
        growth: How many times as large as its largest segment a merge must be; with 1, any two.
        full_docs: A segment with as many living documents merges no more.
        most_docs: The largest segment that a merge makes, at least (growth + 1) * full_docs: then
            a run that is too long always has a part that is not, and is worth merging.
        dead_share: A segment with a larger share of deleted documents is rewritten.

    Raises:
        InputError: if the numbers do not fit together, so that merging might never end.
    """

    growth: int = 3
    full_docs: int = 1 << 18
    most_docs: int = 1 << 20
    dead_share: float = 0.2

    def __post_init__(self) -> None:
        if self.growth < 1 or not 0 <= self.dead_share < 1 or self.full_docs < 1:
            raise InputError(
                f"found growth {self.growth}, full_docs {self.full_docs}, dead_share "
                f"{self.dead_share}; expected 1 or more, 1 or more, and 0 to below 1"
            )
        if self.most_docs < (least := (self.growth + 1) * self.full_docs):
            raise InputError(f"most_docs is {self.most_docs}; expected at least {least}")

    def next_run(self, sizes: Sequence[SegmentSize]) -> range | None:
        """Places of the adjacent segments to make one of next, or None if all is well.

        A run of one segment is rewritten, without its deleted documents and with what it lacks.
        The largest run comes first: the smaller ones inside it need not be merged before.
        """
        runs = [
            run
            for place in range(len(sizes))
            if (run := self._run_around(sizes, place)) and self._is_worth(sizes, run)
        ]
        if runs:
            return max(runs, key=lambda run: (_living(sizes, run), -run.start))
        for place, size in enumerate(sizes):
            if size.stale or size.n_docs - size.n_living > self.dead_share * size.n_docs:
                return range(place, place + 1)
        return None

    def _run_around(self, sizes: Sequence[SegmentSize], place: int) -> range | None:
        """The longest run in which this segment is the largest, cut from the left to most_docs."""
        largest = sizes[place]
        if largest.n_living >= self.full_docs:
            return None

        def joins(size: SegmentSize) -> bool:
            return size.n_living <= largest.n_living and size.kind == largest.kind

        start, stop, total = place, place + 1, 0
        while start > 0 and joins(sizes[start - 1]):
            start -= 1
        while stop < len(sizes) and joins(sizes[stop]):
            stop += 1
        for end in range(start, stop):
            total += sizes[end].n_living
            if total > self.most_docs:
                return range(start, end)
        return range(start, stop)

    def _is_worth(self, sizes: Sequence[SegmentSize], run: range) -> bool:
        largest = max(sizes[place].n_living for place in run)
        return len(run) > 1 and _living(sizes, run) >= self.growth * largest


def _living(sizes: Sequence[SegmentSize], run: range) -> int:
    return sum(sizes[place].n_living for place in run)
