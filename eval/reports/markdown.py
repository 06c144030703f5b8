"""How is a report written as Markdown?"""

import re
from collections.abc import Iterator

from lexmax.eval.reports.differences import Difference, Differences
from lexmax.eval.reports.report import Report, Section
from lexmax.eval.reports.tables import Entry, Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#!~&])")


def markdown_of(report: Report) -> str:
    """The report without its pictures."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {_text(report.title)}"
    yield ""
    for name, value in report.facts.items():
        yield f"- {name}: {_text(value)}"
    for note in (*report.notes, *report.errors):
        yield f"- **{_text(note)}**"
    for table in ([] if report.overall is None else [report.overall], report.groups):
        for one in table:
            yield ""
            yield f"## {_text(one.title)}"
            yield from _table(one)
    for section in report.sections:
        yield from _section(section)
    yield ""
    yield "## Systems"
    yield ""
    for name, described in report.systems.items():
        yield f"- **{_text(name)}**: {_text(described)}"


def _section(section: Section) -> Iterator[str]:
    yield ""
    yield f"## {_text(section.table.title)}"
    yield from _table(section.table)
    if section.calibrations:
        yield ""
        yield from (f"- {_text(said)}" for said in section.calibrations)
    if section.differences is not None:
        yield from _differences(section.differences)
    yield ""
    yield f"### {_text(section.indexes.title)}"
    yield from _table(section.indexes)


def _table(table: Table) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(map(_text, table.columns))} |"
    right = len(table.columns) - table.n_names
    yield f"|{'---|' * table.n_names}{'--:|' * right}"
    for row in table.rows:
        yield f"| {' | '.join(map(_entry, row))} |"
    if table.notes:
        yield ""
        yield from (f"- {_text(note)}" for note in table.notes)


def _entry(entry: Entry) -> str:
    text = f"**{_text(entry.text)}**" if entry.is_best else _text(entry.text)
    return f"{text} {entry.marks}".strip()


def _differences(found: Differences) -> Iterator[str]:
    yield ""
    yield (
        f"### {_text(found.system)} beside {_text(found.baseline)}, {_text(found.measure)}: better "
        f"for {found.n_better:,} queries, worse for {found.n_worse:,}, equal for {found.n_equal:,}"
    )
    for note in found.notes:
        yield ""
        yield _text(note)
    for title, rows in (("Most gained", found.gains), ("Most lost", found.losses)):
        if rows:
            yield ""
            yield f"{title}:"
            yield ""
            for one in rows:
                yield from _difference(one)


def _difference(one: Difference) -> Iterator[str]:
    system, baseline = one.figures
    yield f"- {_text(one.text or one.query_id)} ({baseline:.3f} to {system:.3f})"
    for judged in one.judged:
        ranks = " and ".join("nowhere" if r is None else f"at {r}" for r in reversed(judged.ranks))
        yield f"  - relevant, {ranks}: {_text(judged.text)}"


def _text(text: str) -> str:
    """Text that means nothing to Markdown or HTML, in one line."""
    return (
        _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("\\<", "&lt;").replace("\\>", "&gt;")
    )
