"""How does a table look as text?"""

from collections.abc import Iterable, Sequence


def lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns of equal width; numbers are right-aligned."""
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
