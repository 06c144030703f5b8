"""What do the rows of a run say about each other?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from curves import interpolated

OURS = "lexmax"
RECALL_WANTED = 0.985


@dataclass(frozen=True, slots=True)
class Row:
    """One system in one mode on one collection at one k."""

    system: str
    mode: str
    docs: int
    profile: str
    k: int
    cpu_p50_ms: float
    cpu_p99_ms: float
    p50_ms: float
    p99_ms: float
    recall: float
    build_s: float | None
    build_cpu_s: float | None
    peak_build_bytes: int | None
    bytes: int
    settings: str
    queries: int
    load_at_build: float | None = None

    @property
    def place(self) -> tuple[str, int, int]:
        """Rows of the same place can be compared."""
        return self.profile, self.docs, self.k


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio of CPU times, peer over ours, that must be reached.

    `least_recall` is None for an exact mode of ours against the fastest exact mode of the peer;
    otherwise the fastest of each side with at least that recall.
    """

    system: str
    profile: str
    docs: int
    k: int
    ratio: float
    least_recall: float | None = None
    mode: str | None = None


_HARD, _EASY = "hard", "concentrated"
_PLACES = ((1_000_000, 10), (1_000_000, 1000), (100_000, 10))


def _targets(
    system: str, profile: str, ratios: Sequence[float], least_recall: float | None, mode: str | None
) -> list[Target]:
    return [
        Target(system, profile, docs, k, ratio, least_recall, mode)
        for (docs, k), ratio in zip(_PLACES, ratios, strict=True)
    ]


TARGETS = (
    *_targets("lucene", _HARD, (20, 35, 30), None, "pyserini"),
    *_targets("csc", _HARD, (5, 4, 3), None, None),
    *_targets("seismic", _HARD, (3, 6, 3), RECALL_WANTED, None),
    *_targets("seismic", _EASY, (1.5, 5, 1.5), RECALL_WANTED, None),
)


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times faster is ours than a peer; wanted is None without a target."""

    ours: Row
    peer: Row
    cpu: float
    wall: float
    wanted: float | None


def ratio_of(target: Target, rows: Iterable[Row]) -> Ratio | None:
    """The ratio that a target asks for, if both sides were measured."""
    here = [row for row in rows if row.place == (target.profile, target.docs, target.k)]
    mine = [row for row in here if row.system == OURS]
    peers = [row for row in here if row.system == target.system]
    if target.mode is not None:
        peers = [row for row in peers if row.mode == target.mode]
    if target.least_recall is None:
        mine = [row for row in mine if row.mode == "exact"]
    else:
        mine, peers = (reaching(side, target.least_recall) for side in (mine, peers))
    if not mine or not peers:
        return None
    return compare(fastest(mine), fastest(peers), wanted=target.ratio)


def exact_ratios(rows: Sequence[Row]) -> list[Ratio]:
    """Our exact mode against every mode of every peer."""
    found = []
    for ours in rows:
        if ours.system == OURS and ours.mode == "exact":
            peers = [row for row in rows if row.place == ours.place and row.system != OURS]
            found += [compare(ours, peer, wanted=None) for peer in peers]
    return found


def compare(ours: Row, peer: Row, *, wanted: float | None) -> Ratio:
    """Peer over ours."""
    cpu, wall = peer.cpu_p50_ms / ours.cpu_p50_ms, peer.p50_ms / ours.p50_ms
    return Ratio(ours, peer, cpu, wall, wanted)


def reaching(rows: Iterable[Row], recall: float) -> list[Row]:
    """Rows with at least this recall."""
    return [row for row in rows if row.recall >= recall]


def fastest(rows: Iterable[Row]) -> Row:
    """The row of the least median CPU time."""
    return min(rows, key=lambda row: row.cpu_p50_ms)


def latency_at(rows: Sequence[Row], recall: float) -> float | None:
    """Median CPU milliseconds at a recall, on the curve through the knob's settings."""
    return interpolated([(row.recall, row.cpu_p50_ms) for row in rows], recall)


def as_row(figures: dict[str, Any], *, profile: str, docs: int, recall: float) -> Row:
    """A row from the line that a system printed."""
    wanted = Row.__dataclass_fields__.keys()
    known = {name: value for name, value in figures.items() if name in wanted}
    return Row(**known, profile=profile, docs=docs, recall=round(recall, 4))
