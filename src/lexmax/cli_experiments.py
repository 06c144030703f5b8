"""The commands that run experiments, and that write reports on what they found."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from lexmax.eval.experiments import Results
    from lexmax.eval.experiments.planning import Forecasts
    from lexmax.eval.reports.tables import Entry
    from lexmax.eval.reports.tables import Table as Figures

_FAILED, _STOPPED = 1, 130
_ONLY_IN_REPORTS = frozenset({"ms", "p99 ms", "CPU ms", "MiB read"})


def add_experiment_commands(app: typer.Typer) -> None:
    """Add `experiment` and `report`."""
    app.command("experiment")(experiment)
    app.command("report")(report)


def experiment(
    matrix: Annotated[
        Path, typer.Argument(metavar="MATRIX", help="Collections and systems, as YAML.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder of results.")],
    data: Annotated[
        Path | None,
        typer.Option(help="The folder that holds the collections; by default beside MATRIX."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Indexes and encoded queries, which experiments share; by default OUT/cache."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what would be built and run, and how long."),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run systems again that have figures already.")
    ] = False,
) -> None:
    """Run every system of MATRIX on every collection, and write OUT/results.json.

    Indexes that are missing are built, queries encoded once, and each system's run, figures by
    query, times and bytes are kept. Ctrl-C or a kill loses nothing that was finished: run the same
    command again. Then `lexmax report OUT results.html` makes a page of it.

    Example: `lexmax experiment matrix.yaml results --data ~/collections`
    """
    from lexmax.eval.experiments import Experiment, run_experiment
    from lexmax.progress import watch

    asked = Experiment.read(matrix, out=out, cache=cache, data=data)
    if dry_run:
        from lexmax.eval.experiments.planning import planned

        _print_plan(planned(asked), Console())
        return
    try:
        with watch(unit="queries") as watching:
            results = run_experiment(asked, watcher=watching, say=watching.say, fresh=fresh)
    except KeyboardInterrupt:
        sys.stderr.write("stopped; what was finished is kept, run the same command to go on\n")
        raise typer.Exit(_STOPPED) from None
    _print_results(results, Console())
    if results.errors:
        for said in results.errors:
            sys.stderr.write(f"error: {said}\n")
        raise typer.Exit(_FAILED)


def report(
    source: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="The folder of results, or results.json.")
    ],
    targets: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="What to write: .html, .md or .json, or several."),
    ],
    baseline: Annotated[
        str | None,
        typer.Option(
            help="The system that the best one is compared with, query by query; by default the "
            "first."
        ),
    ] = None,
    queries: Annotated[
        int, typer.Option(help="Queries won, and lost, that are shown of each.", min=0)
    ] = 5,
    plots: Annotated[bool, typer.Option(help="Whether to draw; needs matplotlib.")] = True,
) -> None:
    """Write a report on what an experiment found: tables, plots, queries won and lost.

    An .html file is one page that asks no network for anything.

    Example: `lexmax report results report.html report.md`
    """
    from lexmax.eval.reports import report_of, write_report

    found = report_of(source, baseline=baseline, plots=plots, shown=queries)
    for target in targets:
        write_report(found, target, source)
        Console().print(f"{target}: {target.stat().st_size:,} bytes", markup=False, highlight=False)


def _print_plan(plan: "Forecasts", console: Console) -> None:
    table = Table("collection", "index", "how", "seconds", "MiB")
    for step in plan.indexes:
        specs = (step.plan.sparse, step.plan.multivector, step.plan.pooled)
        how = f"{step.how}, goes on" if step.begun and step.how == "built" else step.how
        table.add_row(
            Text(step.collection),
            Text(", ".join(spec for spec in specs if spec)),
            how,
            "" if step.seconds is None else f"{step.seconds:,.0f}",
            "" if step.n_bytes is None else f"{step.n_bytes / 2**20:,.1f}",
        )
    console.print(table)
    for cells in plan.cells:
        console.print(
            f"{cells.collection}: {cells.n_missing} systems to run, {cells.n_there} are there; "
            f"{cells.n_queries:,} queries",
            markup=False,
            highlight=False,
        )
    console.print(
        "built: documents are encoded and indexed; derived: vectors of another index are linked",
        style="dim",
    )


def _print_results(results: "Results", console: Console) -> None:
    from lexmax.eval.reports.tables import collection_table, overall_table

    tables = [collection_table(results, name) for name in results.collections]
    if len(results.content["overall"]["collections"]) > 1:
        tables.append(overall_table(results))
    for found in tables:
        _print_table(found, console)


# Of a name or a figure: four digits, or what tells systems of one name apart.
_NARROWEST = 8


def _print_table(found: "Figures", console: Console) -> None:
    """The table without most of its costs, which a report has: screens are narrow."""
    table = Table(title=Text(found.title), title_justify="left")
    shown = [i for i, name in enumerate(found.columns) if name not in _ONLY_IN_REPORTS]
    for i in shown:
        is_name = i < found.n_names
        widest = max((len(row[i].text) for row in found.rows), default=0)
        table.add_column(
            Text(found.columns[i]),
            justify="left" if is_name else "right",
            overflow="fold",
            # What is too wide goes on below: marks of significance, then long names.
            min_width=min(widest, _NARROWEST),
        )
    for row in found.rows:
        table.add_row(*(_entry(row[i]) for i in shown))
    console.print(table)
    for note in found.notes:
        if not note.startswith("ms: "):
            console.print(Text(note, style="dim"))


def _entry(entry: "Entry") -> Text:
    text = Text(entry.text, style="bold" if entry.is_best else "")
    return text.append(f" {entry.marks}", style="dim") if entry.marks else text
