"""How does a list of test collections look on the screen?"""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lexmax.eval.collections.collected import Collected
from lexmax.eval.collections.known import Known
from lexmax.types import Json

_UNITS = ("B", "kB", "MB", "GB", "TB")


def print_survey(found: Sequence[Collected], missing: Sequence[Known], console: Console) -> None:
    """Prints what was found with what it lacks, then the collections that are not there."""
    if found:
        console.print(_table(found))
    else:
        console.print("no collection found here")
    if missing:
        console.print(Text("missing, by the names of their folders:"))
        by_group: dict[str, list[str]] = {}
        for known in missing:
            counts = f"{known.name} ({known.n_docs:,} documents, {known.n_queries:,} queries)"
            by_group.setdefault(known.group, []).append(counts)
        for group, names in by_group.items():
            console.print(Text(f"  {group}: {', '.join(names)}"))


def _table(found: Sequence[Collected]) -> Table:
    table = Table()
    for name, justify in (("collection", "left"), ("layout", "left"), ("size", "right")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    table.add_column("documents", justify="right")
    table.add_column("judged queries", overflow="fold")
    table.add_column("licence", overflow="fold")
    table.add_column("lacks", overflow="fold")
    for one in found:
        splits = ", ".join(f"{split.name} {split.n_queries:,}" for split in one.splits)
        n_bytes = "" if one.n_bytes is None else size(one.n_bytes)
        n_docs = "" if one.n_docs is None else f"{one.n_docs:,}"
        cells = (one.name, one.layout, n_bytes, n_docs, splits, one.licence)
        table.add_row(*map(Text, cells), Text(", ".join(one.lacks), style="yellow"))
    return table


def size(n_bytes: int) -> str:
    """Bytes in the unit that leaves few digits: 1.5 MB."""
    value, unit = float(n_bytes), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{n_bytes} B"


def survey_json(found: Sequence[Collected], missing: Sequence[Known]) -> dict[str, Json]:
    """All of it, as plain values."""
    return {
        "found": [
            {
                "name": one.name,
                "path": str(one.path),
                "layout": one.layout,
                "bytes": one.n_bytes,
                "documents": one.n_docs,
                "splits": {
                    split.name: {"queries": split.n_queries, "judged": split.n_judged}
                    for split in one.splits
                },
                "licence": one.licence,
                "lacks": one.lacks,
            }
            for one in found
        ],
        "missing": [
            {
                "name": known.name,
                "group": known.group,
                "documents": known.n_docs,
                "queries": known.n_queries,
            }
            for known in missing
        ],
    }
