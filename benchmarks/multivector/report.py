"""How do the rows of a run look as text?"""

from collections.abc import Sequence
from typing import Any

from columns import lines
from outcomes import Check, Quality, Ratio, Row, Target, ratios, target_ratios

_COLUMNS = (
    "system",
    "mode",
    "p50 ms",
    "p99 ms",
    "CPU p50",
    "CPU p99",
    "overlap",
    "nDCG@10",
    "build s",
    "build MB",
    "index MB",
)


def latencies(rows: Sequence[Row]) -> list[str]:
    """A table a place, fastest first."""
    out = []
    for place in sorted({row.place for row in rows}):
        here = sorted((row for row in rows if row.place == place), key=lambda row: row.cpu_p50_ms)
        out += ["", f"{_place(here[0])}, {here[0].queries} queries"]
        out += lines(_COLUMNS, map(_cells, here))
    return out


def _place(row: Row) -> str:
    return f"{row.data}, {row.docs:,} documents, dim {row.dim}, k = {row.k}"


def _cells(row: Row) -> list[str]:
    return [
        row.system,
        row.mode,
        *(f"{ms:.3f}" for ms in (row.p50_ms, row.p99_ms, row.cpu_p50_ms, row.cpu_p99_ms)),
        f"{row.overlap:.4f}",
        "-" if row.ndcg is None else f"{row.ndcg:.4f}",
        "-" if row.build_s is None else f"{row.build_s:.1f}{_busy_mark(row)}",
        "-" if row.peak_build_bytes is None else f"{row.peak_build_bytes / 1e6:.0f}",
        f"{row.bytes / 1e6:.0f}",
    ]


def _busy_mark(row: Row) -> str:
    """A star where other work ran during the build."""
    return "*" if (row.load_at_build or 0.0) > 1.2 else ""


_RATIO_COLUMNS = ("place", "ours", "peer", "CPU", "wall", "wanted", "")


def targets(rows: Sequence[Row]) -> list[str]:
    """Every ratio that must be reached, and whether it is."""
    found = target_ratios(rows)
    if not found:
        return []
    cells = [_target(*one) for one in found]
    return ["", "Ratios that must be reached (peer / lexmax)", *lines(_RATIO_COLUMNS, cells)]


def _target(target: Target, peer: Row, ratio: Ratio | None) -> list[str]:
    named = f"{peer.system} {peer.mode} ({_quality(peer, target.quality)})"
    if ratio is None:
        return [_place(peer), "nothing as good", named, "-", "-", f"{target.ratio:g}", "MISSED"]
    return [
        _place(peer),
        f"{ratio.ours.mode} ({_quality(ratio.ours, target.quality)})",
        named,
        f"{ratio.cpu:.1f}",
        f"{ratio.wall:.1f}",
        f"{target.ratio:g}",
        "reached" if ratio.cpu >= target.ratio else "MISSED",
    ]


def _quality(row: Row, quality: Quality) -> str:
    value = getattr(row, quality)
    return f"{quality} -" if value is None else f"{quality} {value:.3f}"


def everything(rows: Sequence[Row]) -> list[str]:
    """Every mode of every peer, over our fastest that is no worse."""
    out: list[str] = []
    for quality in ("overlap", "ndcg"):
        found = ratios(rows, quality)
        if found:
            out += ["", f"lexmax at no lower {quality} (peer / lexmax)"]
            out += lines(_RATIO_COLUMNS[:5], map(_compared, found))
    return out


def _compared(ratio: Ratio) -> list[str]:
    return [
        _place(ratio.ours),
        f"{ratio.ours.mode} ({_quality(ratio.ours, ratio.quality)})",
        f"{ratio.peer.system} {ratio.peer.mode} ({_quality(ratio.peer, ratio.quality)})",
        f"{ratio.cpu:.1f}",
        f"{ratio.wall:.1f}",
    ]


def checks(found: Sequence[Check]) -> list[str]:
    """Every other figure that must be reached, and whether it is."""
    if not found:
        return []
    cells = [
        [
            check.what,
            "at least" if check.at_least else "at most",
            f"{check.wanted:g}",
            f"{check.found:.4g}",
            "reached" if check.reached else "MISSED",
        ]
        for check in found
    ]
    header = ("figure", "", "wanted", "found", "")
    return ["", "Figures that must be reached", *lines(header, cells)]


def sizes(found: Sequence[dict[str, Any]]) -> list[str]:
    """What our indexes are made of."""
    out: list[str] = []
    for size in found:
        place = f"{size['data']}, {size['docs']:,} documents, dim {size['dim']}, {size['codec']}"
        out += ["", f"lexmax index: {place}, {size['tokens']:,} tokens"]
        cells = [
            [name, "", f"{n / 1e6:.2f}", f"{n / size['tokens']:.2f}", f"{n / size['docs']:.1f}"]
            for name, n in size["files"].items()
        ]
        out += lines(("file", "", "MB", "bytes a token", "a document"), cells)
    return out


def filtered(found: Sequence[dict[str, Any]]) -> list[str]:
    """The default engine beside exact, where few documents may be found."""
    if not found:
        return []
    cells = [
        [
            f"{one['data']}, {one['docs']:,} documents, dim {one['dim']}",
            one["mode"],
            f"{one['alive']:.3f}",
            f"{one['overlap']:.4f}",
            f"{one['ndcg']:.4f}",
            f"{one['exact_ndcg']:.4f}",
            f"{one['cpu_p50_ms']:.3f}",
            f"{one['exact_cpu_p50_ms']:.3f}",
        ]
        for one in found
    ]
    header = ("place", "mode", "alive", "overlap", "nDCG@10", "exact", "CPU p50", "exact")
    return ["", "Filtered, k = 10", *lines(header, cells)]
