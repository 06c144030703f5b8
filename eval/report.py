"""How does an evaluation look on the screen?"""

from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lexmax.eval.outcomes import Evaluation, Outcome
from lexmax.eval.significance import Comparison
from lexmax.eval.significance.comparison import letter
from lexmax.eval.significance.marking import caption, compared

_DIGITS = 4
_Comparisons = Mapping[str, Comparison]


def print_report(
    evaluation: Evaluation,
    console: Console,
    comparisons: Mapping[str, Comparison] | None = None,
) -> None:
    """Prints pipelines by measures to four digits, the best of each column bold; then warnings.

    Letters after a figure name the rows that it is significantly better than.

    Args:
        evaluation: What to print.
        console: Where to.
        comparisons: By measure, what is marked; by default a paired t test with Holm's
            correction over all pairs.
    """
    console.print(Text(_heading(evaluation)))
    marked = compared_pipelines(evaluation) if comparisons is None else comparisons
    console.print(_table(evaluation, marked))
    for line in _notes(evaluation, marked):
        console.print(Text(line, style="dim"))
    for warning in evaluation.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))


def compared_pipelines(evaluation: Evaluation) -> dict[str, Comparison]:
    """What an evaluation is marked by if nothing else is asked for."""
    figures = {name: outcome.by_query for name, outcome in evaluation.pipelines.items()}
    return compared(figures, evaluation.measures, lower_is_better=evaluation.lower_is_better)


def _heading(evaluation: Evaluation) -> str:
    about = (
        f"{name} {value}"
        for name, value in evaluation.about.items()
        if isinstance(value, str | int)
    )
    return f"{', '.join(about)}, {evaluation.n_queries:,} judged queries"


def _notes(evaluation: Evaluation, comparisons: _Comparisons) -> Iterator[str]:
    if comparisons:
        first = next(iter(comparisons.values()))
        beside = "those rows" if first.baseline is None else f"{first.baseline}"
        yield f"letters: significantly better than {beside} ({caption(first)})"
    for measure, comparison in comparisons.items():
        if comparison.n_queries < evaluation.n_queries:
            yield (
                f"{measure}: compared over the {comparison.n_queries:,} queries that every row "
                "has a finite figure for"
            )
    if any(outcome.n_missing for outcome in evaluation.pipelines.values()):
        yield (
            "missing: judged queries without an answer; each counts as an empty one in means "
            f"over {evaluation.n_queries:,}"
        )


def _table(evaluation: Evaluation, comparisons: _Comparisons) -> Table:
    outcomes = evaluation.pipelines
    is_timed = any(outcome.query_ms is not None for outcome in outcomes.values())
    has_missing = any(outcome.n_missing for outcome in outcomes.values())
    table = Table()
    if comparisons:
        table.add_column("")
    table.add_column("pipeline", overflow="fold")
    for name in [*evaluation.measures, *["ms/query"] * is_timed, *["missing"] * has_missing]:
        table.add_column(Text(name), justify="right", overflow="fold")
    for number, (name, outcome) in enumerate(outcomes.items()):
        cells = [*[Text(letter(number))] * bool(comparisons), Text(name)]
        cells += _figures(evaluation, name, comparisons)
        if is_timed:
            cells.append(Text("" if outcome.query_ms is None else f"{outcome.query_ms:.1f}"))
        if has_missing:
            cells.append(Text(f"{outcome.n_missing:,}"))
        table.add_row(*cells)
    return table


def _figures(evaluation: Evaluation, name: str, comparisons: _Comparisons) -> Iterator[Text]:
    """The figures of one row; bold where no other row's is better, if there is another."""
    widths = {
        measure: max(len(found.marks(system)) for system in found.systems)
        for measure, found in comparisons.items()
    }
    for measure in evaluation.measures:
        rivals = [float(_shown(other, measure)) for other in evaluation.pipelines.values()]
        shown = _shown(evaluation.pipelines[name], measure)
        best = min(rivals) if measure in evaluation.lower_is_better else max(rivals)
        is_best = len(rivals) > 1 and float(shown) == best
        marks = comparisons[measure].marks(name) if measure in comparisons else ""
        width = widths.get(measure, 0)
        padded = f" {marks:<{width}}" if width else ""
        yield Text(shown, style="bold" if is_best else "").append(padded, style="dim")


def _shown(outcome: Outcome, measure: str) -> str:
    return f"{outcome.measures[measure]:.{_DIGITS}f}"
