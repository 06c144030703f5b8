"""How does a study of qrels look on the screen?"""

import math

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lexmax.eval.qrels_study.study import QrelsStudy, Row

_COLUMNS = (
    *("budget", "judged", "relevant", "AA", "AD", "MA", "MD", "PA", "PD"),
    *("precision", "recall", "bias", "tau"),
)


def print_study(study: QrelsStudy, console: Console) -> None:
    """Prints a row for each method at each budget, and what the columns are."""
    n_systems = len(study.systems)
    n_pairs = n_systems * (n_systems - 1) // 2
    console.print(
        Text(
            f"{n_systems} systems, {study.n_topics:,} topics, {study.plan.measure}, "
            f"{study.plan.test}: {study.n_significant:,} of {n_pairs:,} pairs differ by the full "
            f"qrels ({study.n_judged:,} judgements, {study.n_relevant:,} relevant)"
        )
    )
    table = Table()
    table.add_column("method", overflow="fold")
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for row in study.rows:
        table.add_row(row.method, *_cells(row))
    console.print(table)
    console.print(
        Text(
            "pairs of systems: A active (significant by both qrels), M mixed (by one), P passive "
            "(by none); second letter: A the same system is better, D the other. precision, "
            "recall: of the claims; bias: share of the claims that name the wrong system",
            style="dim",
        )
    )
    for warning in study.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))


def _cells(row: Row) -> list[str]:
    found = row.agreement
    counts = (
        *(row.budget, row.n_judged, row.n_relevant, found.active, found.active_opposed),
        found.mixed_missed + found.mixed_new,
        found.mixed_missed_opposed + found.mixed_new_opposed,
        *(found.passive, found.passive_opposed),
    )
    shares = (found.precision, found.recall, found.publication_bias, found.tau)
    return [*(f"{n:,}" for n in counts), *("-" if math.isnan(x) else f"{x:.3f}" for x in shares)]
