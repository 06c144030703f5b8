"""Which tables does a report have? As values; html.py and markdown.py write them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lexmax.eval.experiments.results import Results

_DIGITS = 4
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in one place of a table; `marks` are letters behind it."""

    text: str
    marks: str = ""
    is_best: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, columns of which the first `n_names` are names, rows, and sentences below."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()
    n_names: int = field(default=1)


def overall_table(results: Results) -> Table:
    """Means over collections, and on how many of them a system is best."""
    overall: Any = results.content["overall"]
    averages: Mapping[str, Any] = overall["averages"]
    measures, places = results.measures, overall["collections"]
    rows: list[tuple[Entry, ...]] = []
    for system in results.systems:
        if system not in averages:
            continue
        row = [Entry(system)]
        row += [_figure(averages, system, measure, results) for measure in measures]
        row.append(Entry(str(overall["best"][system][measures[0]])))
        row.append(Entry(_wins(overall["beats"][measures[0]], system)))
        rows.append(tuple(row))
    first = measures[0]
    left_out = [system for system in results.systems if system not in averages]
    notes = [
        f"means over {len(places)} collections, each counting alike: {', '.join(places)}",
        f"best: collections on which no system has a better {first} to four digits; wins and "
        f"losses: pairs of collection and other system with a significant difference of {first}",
    ]
    if left_out:
        notes.append(f"not on every collection, so left out: {', '.join(left_out)}")
    if results.content["groups"]:
        notes.append(
            "of a group of sub-collections, the mean over these counts as one collection: "
            + ", ".join(results.content["groups"])
        )
    columns = ("system", *measures, "best", "wins / losses")
    return Table("All collections", columns, tuple(rows), tuple(notes))


def collection_table(results: Results, collection: str) -> Table:
    """Systems by measures, marked by significance, with what they cost."""
    about: Any = results.collections[collection]
    cells = results.cells(collection)
    is_marked = bool(about["letters"])
    figures = {name: cell["measures"] for name, cell in cells.items()}
    rows: list[tuple[Entry, ...]] = []
    for name, cell in cells.items():
        letter = [Entry(about["letters"].get(name, ""))] if is_marked else []
        row = [*letter, Entry(name)]
        for measure in results.measures:
            found = _figure(figures, name, measure, results)
            marks = about["marks"].get(measure, {}).get(name, "")
            row.append(Entry(found.text, marks, found.is_best))
        rows.append((*row, *_costs(cell)))
    columns = (
        *([""] if is_marked else []),
        "system",
        *results.measures,
        "ms",
        "p50 ms",
        "p99 ms",
        "CPU ms",
        "MiB read",
    )
    return Table(
        f"{collection}: {about['n_queries']:,} queries, {_count(about['n_docs'])} documents",
        columns,
        tuple(rows),
        tuple(_collection_notes(results, about, cells)),
        n_names=2 if is_marked else 1,
    )


def group_table(results: Results, group: str) -> Table:
    """Means over the sub-collections of a group."""
    figures: Mapping[str, Any] = results.content["groups"][group]
    rows = tuple(
        (Entry(system), *(_figure(figures, system, m, results) for m in results.measures))
        for system in results.systems
        if system in figures
    )
    members = [name for name, one in results.collections.items() if one["group"] == group]
    note = f"means over {len(members)} sub-collections, as BEIR has them: {', '.join(members)}"
    return Table(group, ("system", *results.measures), rows, (note,))


def bytes_table(results: Results, collection: str) -> Table:
    """Bytes on disk by part, of each index."""
    indexes: dict[str, Any] = {}
    systems: dict[str, list[str]] = {}
    for name, cell in results.cells(collection).items():
        indexes[cell["index"]["folder"]] = cell["index"]
        systems.setdefault(cell["index"]["folder"], []).append(name)
    parts = sorted({part for one in indexes.values() for part in one["bytes"]})
    rows = tuple(
        (
            Entry(", ".join(systems[folder])),
            Entry(", ".join(e["spec"] for e in one["encoders"].values())),
            *(Entry(_mib(one["bytes"].get(part, 0))) for part in parts),
        )
        for folder, one in indexes.items()
    )
    return Table("Indexes, MiB on disk", ("systems", "encoders", *parts), rows, n_names=2)


def _figure(
    figures: Mapping[str, Mapping[str, float | None]], name: str, measure: str, results: Results
) -> Entry:
    known = [round(v, _DIGITS) for one in figures.values() if (v := one[measure]) is not None]
    value = figures[name][measure]
    if value is None:
        return Entry("")
    best = min if measure in results.content["lower_is_better"] else max
    is_best = len(known) > 1 and round(value, _DIGITS) == best(known)
    return Entry(f"{value:.{_DIGITS}f}", is_best=is_best)


def _wins(beats: Mapping[str, Mapping[str, int]], system: str) -> str:
    lost = sum(row.get(system, 0) for row in beats.values())
    return f"{sum(beats.get(system, {}).values())} / {lost}"


def _costs(cell: Mapping[str, Any]) -> tuple[Entry, ...]:
    timed: Any = cell["latency"] or {}
    return (
        Entry(_ms(cell["ms_per_query"])),
        Entry(_ms(timed.get("p50_ms"))),
        Entry(_ms(timed.get("p99_ms"))),
        Entry(_ms(cell.get("cpu_ms_per_query"))),
        Entry(_mib(cell["index"]["bytes_used"])),
    )


def _collection_notes(
    results: Results, about: Mapping[str, Any], cells: Mapping[str, Mapping[str, Any]]
) -> Sequence[str]:
    notes: list[str] = []
    if about["caption"]:
        notes.append(f"letters: significantly better than those rows ({about['caption']})")
    notes.append(
        "ms: a query in batches, encodings of queries taken from the cache; p50, p99: single "
        "queries, encoding included; CPU ms: processor time of the batches; MiB read: the parts of "
        "the index that the pipeline looks at"
    )
    busy = [cell["load"] for cell in cells.values() if cell.get("load")]
    cores = results.content["machine"].get("cores") or 1
    if busy and max(busy) > cores + 1:
        notes.append(
            f"the machine had other work to do (a load of up to {max(busy):.1f} on {cores} cores): "
            "times say less than CPU ms"
        )
    missing = {name: cell["n_missing"] for name, cell in cells.items() if cell["n_missing"]}
    if missing:
        shown = ", ".join(f"{name} {count:,}" for name, count in missing.items())
        notes.append(f"queries without an answer, each counted as an empty one: {shown}")
    warnings = dict.fromkeys(
        [*about["warnings"], *(w for cell in cells.values() for w in cell["warnings"])]
    )
    return [*notes, *(f"warning: {warning}" for warning in warnings)]


def _count(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _mib(value: int) -> str:
    return f"{value / _MIB:.1f}"
