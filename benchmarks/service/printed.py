"""How do the figures of a run read? Tables, ratios, and what must be reached."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from load import Replies, percentiles
from processes import busy

Pair = Sequence[float | None]


def percentiles_of(replies: Replies) -> list[float | None]:
    """Median and 99th percentile of what was answered, in milliseconds."""
    return percentiles(replies.ms[replies.accepted], 50, 99)


def report(whole: Mapping[str, Any]) -> list[str]:
    """All lines."""
    figures, settings = whole["figures"], whole["settings"]
    machine = ", ".join(f"{name} {value}" for name, value in whole["machine"].items())
    asked = ", ".join(f"{name} {value}" for name, value in settings.items())
    lines = [machine, asked, ""]
    if "overhead" in figures:
        lines += _overhead(figures["overhead"])
    if "peak" in figures:
        lines += _peak("lexmax service", figures["peak"])
    if "overload" in figures:
        lines += _overload(figures["overload"])
    for name, where in _WRITTEN.items():
        if name in figures:
            lines += _upserts(figures[name], where)
    if whole["peers"]:
        lines += _peers(figures, whole["peers"])
    lines += ["", *targets(figures)]
    return [*lines, *busy(whole["loads"]), *(f"note: {text}" for text in whole["notes"])]


def _overhead(found: Mapping[str, Any]) -> Iterator[str]:
    yield "one client            p50 ms    p99 ms"
    for name in ("in_process_ms", "http_ms", "overhead_ms"):
        p50, p99 = found[name]
        yield f"{name.removesuffix('_ms').replace('_', ' '):18s} {p50:9.2f} {p99:9.2f}"
    yield ""


def _peak(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{name}: clients   answers/s    p50 ms    p99 ms"
    for row in found["rows"]:
        yield (
            f"{'':{len(name)}} {row['clients']:8d} {row['per_second']:11.1f} "
            f"{row['p50_ms']:9.2f} {row['p99_ms']:9.2f}"
        )
    yield ""


def _overload(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield (
        "times peak  asked/s  answers/s  goodput  accepted p50, p99 ms  turned away p50, p99 ms"
        "  failed  RSS MB first, last  descriptors first, most"
    )
    for row in rows:
        yield (
            f"{row['times']:10d} {row['asked_per_second']:8.0f} {row['answered_per_second']:10.1f} "
            f"{row['goodput']:8.2f}  {_pair(row['accepted_ms']):>20s}  "
            f"{_pair(row['turned_away_ms']):>23s} {row['failed']:7d} "
            f"{row['rss_mb_first']:10.0f} {row['rss_mb_last']:7.0f} "
            f"{row['descriptors_first']:16.0f} {row['descriptors_most']:7.0f}"
        )
    yield ""


_WRITTEN = {"upserts": "in one process", "upserts_apart": "in a process apart"}


def _upserts(found: Mapping[str, Any], where: str) -> Iterator[str]:
    yield (
        f"upserts of {found['batch']} documents into {found['into']}, {where}: one client "
        f"{found['fastest_docs_per_second']} documents/s (p50, p99 {_pair(found['fastest_ms'])} "
        f"ms); paced {found['paced_docs_per_second']} documents/s ({_pair(found['paced_ms'])} ms)"
    )
    yield (
        f"{found['searches_per_second']:.0f} searches/s beside that: before "
        f"{_pair(found['search_before_ms'])} ms, during {_pair(found['search_during_ms'])} ms, "
        f"{found['turned_away_during']} turned away"
    )
    yield ""


def _peers(figures: Mapping[str, Any], peers: Mapping[str, Any]) -> Iterator[str]:
    """Ratios: of their median to ours at one client, of our peak to theirs."""
    ours = None if "peak" not in figures else _as_peer(figures)
    all_of_them = {} if ours is None else {"lexmax service": ours}
    all_of_them |= {f"{name}, least service": found for name, found in peers.items()}
    yield (
        f"{'system':26s} {'one client p50, p99 ms':>22s}  peak/s  at clients  overlap"
        "  ratio of ms, of peak"
    )
    for name, found in all_of_them.items():
        best = max(found["rows"], key=lambda row: row["per_second"])
        line = (
            f"{name:26s} {_pair(found['one_client_ms']):>22s} {found['peak']:7.1f} "
            f"{best['clients']:11d} {found['overlap']:8.3f}"
        )
        if ours is not None:
            times = found["one_client_ms"][0] / ours["one_client_ms"][0]
            line += f"  {times:.2f}, {ours['peak'] / found['peak']:.2f}"
        yield line
    yield ""


def _as_peer(figures: Mapping[str, Any]) -> dict[str, Any]:
    row = figures["peak"]["rows"][0]
    return {**figures["peak"], "one_client_ms": [row["p50_ms"], row["p99_ms"]], "overlap": 1.0}


def targets(figures: Mapping[str, Any]) -> list[str]:
    """What must be reached, a line each, with `reached` or `MISSED`."""
    return [
        f"{'reached' if ok else 'MISSED':8s} {name}: {found} (wanted {wanted})"
        for name, found, wanted, ok in _wanted(figures)
    ]


def _wanted(figures: Mapping[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    if "overhead" in figures:
        p50, p99 = figures["overhead"]["overhead_ms"]
        yield "overhead p50 at one client", f"{p50:.2f} ms", "<= 1.5", p50 <= 1.5
        yield "overhead p99 at one client", f"{p99:.2f} ms", "<= 5", p99 <= 5
    if "peak" in figures:
        most = figures["peak"]["peak"]
        yield "answers/s", f"{most:.0f}", ">= 300", most >= 300
    if "overload" in figures:
        yield from _wanted_of_overload(figures["overload"])
    for name, where in _WRITTEN.items():
        if name in figures:
            yield from _wanted_of_upserts(figures[name], where)


def _wanted_of_upserts(
    found: Mapping[str, Any], where: str
) -> Iterator[tuple[str, str, str, bool]]:
    fastest = found["fastest_docs_per_second"]
    yield f"documents/s acknowledged, {where}", str(fastest), ">= 2,000", fastest >= 2000
    rise = found["search_during_ms"][1] / found["search_before_ms"][1]
    beside = f"searches' p99 beside 2,000 documents/s, {where}"
    yield beside, f"x {rise:.2f}", "<= 1.5", rise <= 1.5


def _wanted_of_overload(
    rows: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[str, str, str, bool]]:
    """By the median round of each."""
    at = {times: [row for row in rows if row["times"] == times] for times in (1, 3)}
    goodput = _median([row["goodput"] for row in at[3]])
    yield "goodput at three times the peak", f"{goodput:.2f}", ">= 0.8", goodput >= 0.8
    p99 = {times: _median([row["accepted_ms"][1] for row in at[times]]) for times in at}
    times = p99[3] / p99[1]
    yield "p99 of accepted, over that at saturation", f"x {times:.2f}", "<= 2", times <= 2
    away = _median([row["turned_away_ms"][1] or 0.0 for row in at[3]])
    yield "p99 of those turned away", f"{away:.1f} ms", "< 50", away < 50
    grown = max(row["rss_mb_last"] - row["rss_mb_first"] for row in at[3])
    yield "memory grown at three times the peak", f"{grown:.0f} MB", "< 20", grown < 20


def _median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def _pair(values: Pair) -> str:
    return ", ".join("-" if value is None else f"{value:.2f}" for value in values)
