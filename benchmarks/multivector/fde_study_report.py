"""How does a study of encodings look as text? A row an encoding, a range over the seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import mean


@dataclass(frozen=True, slots=True)
class Row:
    """Candidates that one encoding needs.

    Attributes:
        name: of the encoding.
        encoding_dim: coordinates before a projection, the pooled vector's left out.
        dim: coordinates that are compared.
        seed: of everything random in it.
        needed: number of candidates by set of queries, then by share of the exact best.
    """

    name: str
    encoding_dim: int
    dim: int
    seed: int
    needed: dict[str, dict[str, int]]


def markdown(rows: Sequence[Row], numbers: dict[str, int], *, dim: int) -> str:
    """A table: the mean over seeds of candidates needed, and its range for the last share."""
    if not rows:
        return ""
    columns = [(name, share) for name, shares in rows[0].needed.items() for share in shares]
    seeds = sorted({row.seed for row in rows})
    counts = ", ".join(f"{n} {name}" for name, n in numbers.items())
    out = [
        f"Candidates needed; token vectors of {dim} dimensions; {counts} queries; "
        f"mean of {len(seeds)} seeds, in brackets their range",
        "",
        "| encoding | compared | " + " | ".join(" ".join(column) for column in columns) + " |",
        "|---|" + "---:|" * (len(columns) + 1),
    ]
    ordered = sorted(rows, key=lambda row: _place(rows, row))
    for (name, width), alike in groupby(ordered, key=lambda row: (row.name, row.dim)):
        same = list(alike)
        cells = [_cell([row.needed[name][share] for row in same]) for name, share in columns]
        out.append(f"| {name} | {width:,} | " + " | ".join(cells) + " |")
    return "\n".join(out) + "\n"


def _place(rows: Sequence[Row], row: Row) -> int:
    return next(i for i, r in enumerate(rows) if (r.name, r.dim) == (row.name, row.dim))


def _cell(values: Sequence[int]) -> str:
    if min(values) == max(values):
        return str(values[0])
    return f"{mean(values):.0f} ({min(values)}-{max(values)})"
