"""How do the rows of a run look as text?"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from columns import lines
from results import OURS, TARGETS, Ratio, Row, exact_ratios, latency_at, ratio_of

_COLUMNS = (
    "system",
    "mode",
    "p50 ms",
    "p99 ms",
    "CPU p50",
    "CPU p99",
    "recall",
    "build s",
    "build MB",
    "index MB",
)


def latencies(rows: Sequence[Row]) -> list[str]:
    """A table a place, fastest first."""
    out = []
    for place in sorted({row.place for row in rows}, key=lambda p: (p[0] != "hard", p[1], p[2])):
        here = sorted((row for row in rows if row.place == place), key=lambda row: row.cpu_p50_ms)
        out += ["", f"{place[0]}, {place[1]:,} documents, k = {place[2]}"]
        out += lines(_COLUMNS, map(_cells, here))
    return out


def _cells(row: Row) -> list[str]:
    return [
        row.system,
        row.mode,
        *(f"{ms:.3f}" for ms in (row.p50_ms, row.p99_ms, row.cpu_p50_ms, row.cpu_p99_ms)),
        f"{row.recall:.4f}",
        "-" if row.build_s is None else f"{row.build_s:.1f}",
        "-" if row.peak_build_bytes is None else f"{row.peak_build_bytes / 1e6:.0f}",
        f"{row.bytes / 1e6:.0f}",
    ]


def targets(rows: Sequence[Row]) -> list[str]:
    """Every ratio that must be reached, and whether it is."""
    found = [ratio for target in TARGETS if (ratio := ratio_of(target, rows))]
    if not found:
        return []
    header = ("place", "ours", "peer", "CPU", "wall", "wanted", "")
    return ["", "Ratios that must be reached (peer / lexmax)", *lines(header, map(_target, found))]


def _target(ratio: Ratio) -> list[str]:
    ours, peer = ratio.ours, ratio.peer
    return [
        f"{ours.profile} {ours.docs:,} k={ours.k}",
        f"{ours.mode} ({ours.recall:.3f})",
        f"{peer.system} {peer.mode} ({peer.recall:.3f})",
        f"{ratio.cpu:.1f}",
        f"{ratio.wall:.1f}",
        f"{ratio.wanted:g}",
        "reached" if ratio.wanted is not None and ratio.cpu >= ratio.wanted else "MISSED",
    ]


def everything_else(rows: Sequence[Row]) -> list[str]:
    """Our exact mode against all modes of all peers."""
    found = exact_ratios(rows)
    if not found:
        return []
    header = ("place", "peer", "recall", "CPU", "wall")
    cells = [
        [
            f"{r.ours.profile} {r.ours.docs:,} k={r.ours.k}",
            f"{r.peer.system} {r.peer.mode}",
            f"{r.peer.recall:.3f}",
            f"{r.cpu:.1f}",
            f"{r.wall:.1f}",
        ]
        for r in found
    ]
    return ["", "lexmax exact against everything (peer / lexmax)", *lines(header, cells)]


def exact_tail(rows: Sequence[Row]) -> list[str]:
    """p99 over p50 of our exact mode."""
    mine = [row for row in rows if row.system == OURS and row.mode == "exact"]
    cells = [
        [
            f"{row.profile} {row.docs:,} k={row.k}",
            "exact",
            f"{row.cpu_p99_ms / row.cpu_p50_ms:.2f}",
            f"{row.p99_ms / row.p50_ms:.2f}",
        ]
        for row in mine
    ]
    if not mine:
        return []
    return ["", "p99 over p50 (at most 2)", *lines(("place", "mode", "CPU", "wall"), cells)]


def growth(rows: Sequence[Row], recalls: Sequence[float]) -> list[str]:
    """Latency of each engine of ours at equal recall, and the factor from size to size."""
    sizes = sorted({row.docs for row in rows})
    header = ("engine", "place", *(f"{size:,}" for size in sizes), *_steps(sizes))
    cells = []
    for profile, k in sorted({(row.profile, row.k) for row in rows}):
        for engine in sorted({row.mode.partition("?")[0] for row in rows}):
            for recall in recalls:
                curves = [_curve(rows, profile, k, engine, size) for size in sizes]
                times = [latency_at(curve, recall) for curve in curves]
                place = f"{profile} k={k} recall {recall}"
                cells.append([engine, place, *map(_ms, times), *_factors(times)])
    return ["", "CPU ms at equal recall, and growth", *lines(header, cells)]


def _curve(rows: Sequence[Row], profile: str, k: int, engine: str, size: int) -> list[Row]:
    wanted = (profile, size, k)
    return [r for r in rows if r.place == wanted and r.mode.partition("?")[0] == engine]


def _steps(sizes: Sequence[int]) -> list[str]:
    return [f"x{after / before:g}" for before, after in pairwise(sizes)]


def _ms(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.3f}"


def _factors(times: Sequence[float | None]) -> list[str]:
    return [
        "-" if before is None or after is None else f"{after / before:.2f}"
        for before, after in pairwise(times)
    ]


def throughput(found: Sequence[dict[str, Any]]) -> list[str]:
    """Queries a second of a batch."""
    if not found:
        return []
    cells = [
        [
            f"{f['profile']} {f['docs']:,} k={f['k']}",
            f"{f['threads']} threads",
            f"{f['queries_per_s']:,.0f}",
        ]
        for f in found
    ]
    header = ("place", f"batch of {found[0]['batch']}", "queries/s")
    return ["", "lexmax exact, all queries in one call", *lines(header, cells)]


def limits(readings: Sequence[dict[str, Any]], rows: Sequence[Row]) -> list[str]:
    """The time that streaming a query's postings would take, and exact search over it."""
    if not readings:
        return []
    cells = []
    for reading in readings:
        place = (reading["profile"], reading["docs"])
        exact = [r for r in rows if (r.profile, r.docs) == place and (r.system, r.mode) == _EXACT]
        cells += [_limit(reading, row) for row in exact]
    header = ("place", "read", "MB a query", "GB/s", "limit ms", "measured ms", "ratio")
    return ["", f"Streaming limit ({readings[0]['method']})", *lines(header, cells)]


_EXACT = (OURS, "exact")


def _limit(reading: dict[str, Any], row: Row) -> list[str]:
    speed, memory = reading["index_sized_bytes_per_s"], reading["dram_bytes_per_s"] / 1e9
    limit_ms = reading["touched_bytes_p50"] / speed * 1e3
    return [
        f"{row.profile} {row.docs:,} k={row.k}",
        f"{reading['index_bytes'] / 1e6:.0f} MB (2 GiB: {memory:.1f} GB/s)",
        f"{reading['touched_bytes_p50'] / 1e6:.2f}",
        f"{speed / 1e9:.1f}",
        f"{limit_ms:.3f}",
        f"{row.cpu_p50_ms:.3f}",
        f"{row.cpu_p50_ms / limit_ms:.2f}",
    ]
