"""How is a report written as one HTML page that asks no network for anything?"""

from collections.abc import Iterable, Iterator
from html import escape

from lexmax.eval.reports.differences import Difference, Differences
from lexmax.eval.reports.plots import Plot
from lexmax.eval.reports.report import Report, Section
from lexmax.eval.reports.tables import Entry, Table

# Texts of strangers stand in this page: whatever they hold, nothing is run or fetched.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
:root { color-scheme: light dark; --ink: #1a1c1e; --paper: #ffffff; --soft: #5c6470;
  --line: #d9dde3; --tint: #f3f5f8; --good: #00694b; --bad: #a33a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #15181c; --soft: #a3abb6;
  --line: #363c45; --tint: #1e2329; --good: #58c9a0; --bad: #f09060; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem 4rem; color: var(--ink);
  background: var(--paper); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
nav { margin: 1rem 0; } nav a { margin-right: 1rem; } a { color: inherit; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0;
  color: var(--soft); font-size: .85rem; } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } .wide:focus-visible { outline: 2px solid var(--soft); }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; }
.name { text-align: left; white-space: normal; min-width: 7rem; overflow-wrap: break-word; }
.mark { text-align: left; color: var(--soft); }
tbody tr:hover { background: var(--tint); }
sup { color: var(--soft); font-size: .7rem; margin-left: .15rem; letter-spacing: .03em; }
.best { font-weight: 700; }
.notes { color: var(--soft); font-size: .8rem; margin: .4rem 0 0; padding-left: 1.1rem; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0; }
figure { margin: 0; max-width: 100%; } figure svg { max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .8rem; }
details { margin: .3rem 0; } summary { cursor: pointer; overflow-wrap: anywhere; }
.gain { color: var(--good); } .loss { color: var(--bad); }
.texts { margin: .2rem 0 .8rem; padding-left: 1.1rem; font-size: .85rem; overflow-wrap: anywhere; }
.error { color: var(--bad); }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dt { margin-top: .3rem; } }
"""


def html_of(report: Report) -> str:
    """The page, every text in it escaped."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    title = escape(report.title)
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield f"<title>{title}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{title}</h1>"
    yield "<dl>"
    for name, value in report.facts.items():
        yield f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
    yield "</dl>"
    yield from (f'<p class="error">{escape(said)}</p>' for said in report.errors)
    yield from (f"<p>{escape(note)}</p>" for note in report.notes)
    yield _contents(report)
    for table in (*([] if report.overall is None else [report.overall]), *report.groups):
        yield f"<section><h2>{escape(table.title)}</h2>"
        yield from _table(table)
        yield "</section>"
    for number, section in enumerate(report.sections):
        yield from _section(section, number)
    yield '<section id="systems"><h2>Systems</h2><dl>'
    for name, described in report.systems.items():
        yield f"<dt>{escape(name)}</dt><dd>{escape(described)}</dd>"
    yield "</dl></section></body></html>"


def _contents(report: Report) -> str:
    links = (
        f'<a href="#c{number}">{escape(section.name)}</a>'
        for number, section in enumerate(report.sections)
    )
    return f'<nav aria-label="Contents">{"".join(links)}<a href="#systems">Systems</a></nav>'


def _section(section: Section, number: int) -> Iterator[str]:
    yield f'<section id="c{number}"><h2>{escape(section.table.title)}</h2>'
    yield from _table(section.table)
    if section.plots:
        yield '<div class="plots">'
        yield from map(_plot, section.plots)
        yield "</div>"
    if section.calibrations:
        yield _notes(section.calibrations)
    if section.differences is not None:
        yield from _differences(section.differences)
    yield f"<details><summary>{escape(section.indexes.title)}</summary>"
    yield from _table(section.indexes)
    yield "</details></section>"


def _table(table: Table) -> Iterator[str]:
    # Scrolled by keyboard too, where it is wider than the page.
    yield f'<div class="wide" tabindex="0" role="region" aria-label="{escape(table.title)}"><table>'
    heads = (
        f'<th scope="col"{_name_class(i, table)}>{escape(name)}</th>'
        for i, name in enumerate(table.columns)
    )
    yield f"<thead><tr>{''.join(heads)}</tr></thead><tbody>"
    for row in table.rows:
        yield f"<tr>{''.join(_entry(entry, i, table) for i, entry in enumerate(row))}</tr>"
    yield "</tbody></table></div>"
    if table.notes:
        yield _notes(table.notes)


def _entry(entry: Entry, i: int, table: Table) -> str:
    text = (
        f'<span class="best">{escape(entry.text)}</span>' if entry.is_best else escape(entry.text)
    )
    marks = f"<sup>{escape(entry.marks)}</sup>" if entry.marks else ""
    return f"<td{_name_class(i, table)}>{text}{marks}</td>"


def _name_class(i: int, table: Table) -> str:
    if i == 0 and table.columns[0] == "":
        return ' class="mark"'
    return ' class="name"' if i < table.n_names else ""


def _notes(notes: Iterable[str]) -> str:
    return f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>'


def _plot(plot: Plot) -> str:
    title = escape(plot.title)
    svg = plot.svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
    return f"<figure>{svg}<figcaption>{title}</figcaption></figure>"


def _differences(found: Differences) -> Iterator[str]:
    names = f"{escape(found.system)} beside {escape(found.baseline)}, {escape(found.measure)}"
    yield f"<h3>{names}</h3>"
    yield (
        f"<p>Better for {found.n_better:,} queries, worse for {found.n_worse:,}, equal for "
        f"{found.n_equal:,}.</p>"
    )
    yield from (f"<p>{escape(note)}</p>" for note in found.notes)
    for title, rows in (("Most gained", found.gains), ("Most lost", found.losses)):
        if rows:
            yield f"<p>{title}</p>"
            for one in rows:
                yield from _difference(one)


def _difference(one: Difference) -> Iterator[str]:
    system, baseline = one.figures
    kind = "gain" if _is_gain(one) else "loss"
    yield (
        f'<details><summary><span class="{kind}">{baseline:.3f} to {system:.3f}</span> '
        f'{escape(one.text or one.query_id)}</summary><ul class="texts">'
    )
    for judged in one.judged:
        ranks = " and ".join("nowhere" if r is None else f"at {r}" for r in reversed(judged.ranks))
        yield f"<li>relevant (grade {judged.grade}), {ranks}: {escape(judged.text)}</li>"
    for name, text in zip(("now first", "first before"), one.first, strict=True):
        if text:
            yield f"<li>{name}: {escape(text)}</li>"
    yield "</ul></details>"


def _is_gain(one: Difference) -> bool:
    """Whether the system has the higher figure."""
    return one.figures[0] >= one.figures[1]
