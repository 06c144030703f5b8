"""What do the rows of a run say about each other, and about what must be reached?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

OURS = "lexmax"
Quality = Literal["overlap", "ndcg"]
# Figures are rounded to four places before they are compared.
_ROUNDED = 5e-5


@dataclass(frozen=True, slots=True)
class Row:
    """One system in one mode on one collection at one k.

    overlap is the share of the true first k among the first k found; ndcg is nDCG@10, None where
    nothing is judged.
    """

    system: str
    mode: str
    data: str
    docs: int
    dim: int
    k: int
    cpu_p50_ms: float
    cpu_p99_ms: float
    p50_ms: float
    p99_ms: float
    overlap: float
    ndcg: float | None
    build_s: float | None
    build_cpu_s: float | None
    peak_build_bytes: int | None
    bytes: int
    settings: str
    queries: int
    load_at_build: float | None = None

    @property
    def place(self) -> tuple[str, int, int, int]:
        """Rows of the same place can be compared."""
        return self.data, self.docs, self.dim, self.k

    def reaches(self, other: "Row", quality: Quality) -> bool:
        """Whether this is no worse than the other."""
        mine, theirs = getattr(self, quality), getattr(other, quality)
        return mine is not None and theirs is not None and mine >= theirs - _ROUNDED


def as_row(
    figures: dict[str, Any], *, data: str, docs: int, dim: int, overlap: float, ndcg: float | None
) -> Row:
    """A row from the line that a system printed."""
    empty = {"build_s": None, "build_cpu_s": None, "peak_build_bytes": None}
    known = {name: value for name, value in figures.items() if name in Row.__dataclass_fields__}
    return Row(
        **(empty | known),
        data=data,
        docs=docs,
        dim=dim,
        overlap=round(overlap, 4),
        ndcg=None if ndcg is None else round(ndcg, 4),
    )


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times less does ours cost than a peer, at no lower quality; wanted may be None."""

    ours: Row
    peer: Row
    quality: Quality
    cpu: float
    wall: float
    wanted: float | None = None


def fastest(rows: Iterable[Row]) -> Row | None:
    """The row of the least median CPU time."""
    return min(rows, key=lambda row: row.cpu_p50_ms, default=None)


def no_worse(rows: Sequence[Row], peer: Row, quality: Quality) -> Row | None:
    """Our fastest row that is no worse than a peer's in the same place, over as many queries."""
    here = [row for row in rows if row.system == OURS and row.place == peer.place]
    same = [row for row in here if row.queries == peer.queries]
    return fastest(row for row in same if row.reaches(peer, quality))


def ratios(rows: Sequence[Row], quality: Quality) -> list[Ratio]:
    """Every row of every peer, over our fastest that is no worse, where there is one."""
    found = []
    for peer in rows:
        ours = None if peer.system == OURS else no_worse(rows, peer, quality)
        if ours is not None:
            found.append(_ratio(ours, peer, quality, None))
    return found


def _ratio(ours: Row, peer: Row, quality: Quality, wanted: float | None) -> Ratio:
    cpu, wall = peer.cpu_p50_ms / ours.cpu_p50_ms, peer.p50_ms / ours.p50_ms
    return Ratio(ours, peer, quality, cpu, wall, wanted)


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio of CPU times, peer over ours at no lower quality, that must be reached."""

    system: str
    mode: str
    quality: Quality
    ratio: float
    data: str = "scifact"


TARGETS = (
    Target("fast-plaid", "8/4096", "overlap", 100.0),
    Target("warp", "default", "ndcg", 10.0),
)


def target_ratios(rows: Sequence[Row]) -> list[tuple[Target, Row, Ratio | None]]:
    """Each target at each place where the peer was measured; None where ours does not reach it."""
    found: list[tuple[Target, Row, Ratio | None]] = []
    for target in TARGETS:
        for peer in rows:
            if (peer.system, peer.mode, peer.data) != (target.system, target.mode, target.data):
                continue
            ours = no_worse(rows, peer, target.quality)
            ratio = None if ours is None else _ratio(ours, peer, target.quality, target.ratio)
            found.append((target, peer, ratio))
    return found


@dataclass(frozen=True, slots=True)
class Check:
    """A figure that must be at most, or at least, something."""

    what: str
    found: float
    wanted: float
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether it is."""
        return self.found >= self.wanted if self.at_least else self.found <= self.wanted


_LARGE, _LARGE_MS, _LARGE_OVERLAP = 1_000_000, 30.0, 0.90
_NDCG_LOSS, _FILTERED_LOSS = 0.003, 0.005
_TOKEN_BYTES = {"int8": 135.0, "residual4": 72.0}
_CANDIDATE_BYTES, _DOCS_A_SECOND = 200.0, 3000.0
_DEFAULT = "auto"


def latency_checks(rows: Sequence[Row]) -> list[Check]:
    """The fastest of a large collection that finds nine of ten."""
    large = [row for row in rows if row.system == OURS and row.k == 10 and row.docs >= _LARGE]
    best = fastest(row for row in large if row.overlap >= _LARGE_OVERLAP)
    if best is None:
        return []
    what = f"{best.data} {best.docs:,} k=10 {best.mode}, overlap {best.overlap:.3f}: CPU ms"
    return [Check(what, best.cpu_p50_ms, _LARGE_MS)]


def quality_checks(rows: Sequence[Row], filtered: Sequence[dict[str, Any]]) -> list[Check]:
    """nDCG@10 that the default engine loses against exact, unfiltered and filtered."""
    found = []
    for row in rows:
        if (row.system, row.mode, row.k) != (OURS, _DEFAULT, 10) or row.ndcg is None:
            continue
        exact = [r for r in rows if (r.system, r.mode, r.place) == (OURS, "exact", row.place)]
        loss = [r.ndcg - row.ndcg for r in exact if r.ndcg is not None]
        what = f"{row.data} dim {row.dim}: nDCG@10 lost by {_DEFAULT}"
        found += [Check(what, round(one, 4), _NDCG_LOSS) for one in loss]
    for one in filtered:
        what = f"{one['data']} dim {one['dim']}: nDCG@10 lost by {one['mode']}, filtered"
        found.append(Check(what, round(one["exact_ndcg"] - one["ndcg"], 4), _FILTERED_LOSS))
    return found


def size_checks(sizes: Sequence[dict[str, Any]]) -> list[Check]:
    """Bytes a token and a document, and documents built a second, of our indexes."""
    found = []
    for size in sizes:
        place = f"{size['data']} {size['docs']:,} dim {size['dim']} {size['codec']}"
        if size["dim"] == 128 and size["codec"] in _TOKEN_BYTES:
            wanted = _TOKEN_BYTES[size["codec"]]
            found.append(Check(f"{place}: bytes a token", size["bytes_a_token"], wanted))
        if size["dim"] == 128:
            each = size["candidate_bytes_a_document"]
            found.append(Check(f"{place}: candidates' bytes a document", each, _CANDIDATE_BYTES))
        if size["data"] == "synth":
            what = f"{place}: documents built a second, {size['threads']} threads"
            found.append(Check(what, size["docs_a_second"], _DOCS_A_SECOND, at_least=True))
    return found
