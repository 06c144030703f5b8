"""How does an evaluation look on the screen?"""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lexmax.eval.experiment import Evaluation, Outcome

_DIGITS = 4


def print_report(evaluation: Evaluation, console: Console) -> None:
    """Prints pipelines by measures to four digits, the best of each column bold; then warnings."""
    console.print(Text(_heading(evaluation)))
    console.print(_table(evaluation))
    for warning in evaluation.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))


def _heading(evaluation: Evaluation) -> str:
    about = (
        f"{name} {value}"
        for name, value in evaluation.about.items()
        if isinstance(value, str | int)
    )
    return f"{', '.join(about)}, {evaluation.n_queries:,} judged queries"


def _table(evaluation: Evaluation) -> Table:
    outcomes = evaluation.pipelines
    is_timed = any(outcome.query_ms is not None for outcome in outcomes.values())
    has_missing = any(outcome.n_missing for outcome in outcomes.values())
    table = Table()
    table.add_column("pipeline", overflow="fold")
    for name in [*evaluation.measures, *["ms/query"] * is_timed, *["missing"] * has_missing]:
        table.add_column(Text(name), justify="right", overflow="fold")
    for name, outcome in outcomes.items():
        cells = [Text(name), *_figures(evaluation, outcome)]
        if is_timed:
            cells.append(Text("" if outcome.query_ms is None else f"{outcome.query_ms:.1f}"))
        if has_missing:
            cells.append(Text(f"{outcome.n_missing:,}"))
        table.add_row(*cells)
    return table


def _figures(evaluation: Evaluation, outcome: Outcome) -> Iterator[Text]:
    """The figures of one row; bold where no other row's is higher, if there is another."""
    for measure in evaluation.measures:
        rivals = [_shown(other, measure) for other in evaluation.pipelines.values()]
        shown = _shown(outcome, measure)
        is_best = len(rivals) > 1 and float(shown) == max(map(float, rivals))
        yield Text(shown, style="bold" if is_best else "")


def _shown(outcome: Outcome, measure: str) -> str:
    return f"{outcome.measures[measure]:.{_DIGITS}f}"
