"""How do the differences of a measure look on the screen?"""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lexmax.eval.significance.comparison import Comparison, Difference
from lexmax.eval.significance.marking import caption


def print_differences(comparison: Comparison, console: Console) -> None:
    """Prints every pair that was compared, significant ones bold."""
    console.print(
        Text(f"{comparison.measure}, {comparison.n_queries:,} queries: {caption(comparison)}")
    )
    if comparison.anova is not None:
        anova = comparison.anova
        console.print(
            Text(
                f"ANOVA of systems: F({anova.df_systems}, {anova.df_error:,}) = {anova.f:.2f}, "
                f"p = {_p(anova.p)}"
            )
        )
    table = Table()
    table.add_column("pair", overflow="fold")
    for name in ("difference", f"{comparison.procedure.confidence:.0%} interval", "p", "corrected"):
        table.add_column(name, justify="right")
    table.add_column("better / worse", justify="right")
    for one in comparison.differences:
        table.add_row(*_cells(one), style="bold" if one.is_significant else "")
    console.print(table)


def _cells(one: Difference) -> list[Text]:
    interval = "" if one.interval is None else f"{one.interval[0]:+.4f} {one.interval[1]:+.4f}"
    return [
        Text(f"{one.first} - {one.second}"),
        Text(f"{one.mean:+.4f}"),
        Text(interval),
        Text(_p(one.p)),
        Text(f"{_p(one.p_corrected)}{' *' if one.is_significant else '  '}"),
        Text(f"{one.wins:,} / {one.losses:,}"),
    ]


def _p(p: float) -> str:
    return f"{p:.4f}" if p >= 0.0001 else "<.0001"
