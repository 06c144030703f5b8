"""How do many rows pass to and from SQLite in one step?

The sqlite3 module lets go of the interpreter and takes it back for every row that is read and for
every statement that is run. Beside busy threads each of these may be a wait of milliseconds. So
SQLite gathers what is asked for into one value, and is given many rows at once. Every function
works inside the transaction of its caller.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from lexmax.types import ranges

Value: TypeAlias = str | int | bytes | None
Key = TypeVar("Key", str, int)

# SQLite refuses values of more than 1e9 bytes, and older builds statements of more than 999 marks.
_AT_ONCE = 256
_MOST_MARKS = 900


def serials(
    connection: sqlite3.Connection, query: str, values: Sequence[Value] = ()
) -> NDArray[np.int64]:
    """What a query selects as `serial`, ascending, (n,)."""
    gathered = f"SELECT group_concat(serial) FROM ({query})"
    found = connection.execute(gathered, tuple(values)).fetchone()[0]
    if found is None:
        return np.zeros(0, dtype=np.int64)
    numbers: NDArray[np.int64] = np.fromstring(str(found), dtype=np.int64, sep=",")
    return np.sort(numbers)


def by_serial(
    connection: sqlite3.Connection, table: str, columns: str, wanted: Sequence[int]
) -> dict[int, list[Any]]:
    """These columns of the rows with these serials, those that there are; none may be a blob."""

    def ask(some: Sequence[int]) -> list[list[Any]]:
        source = f"json_each(?) AS wanted CROSS JOIN {table} ON serial = wanted.value"
        return _gathered(connection, f"serial, {columns}", source, [orjson.dumps(some).decode()])

    rows = _in_steps([int(serial) for serial in wanted], _AT_ONCE, ask)
    return {row[0]: row[1:] for row in rows}


def where_in(
    connection: sqlite3.Connection, columns: str, source: str, wanted: Sequence[str]
) -> Iterator[list[Any]]:
    """These columns of the rows of `source` whose text, which it names last, is one of these."""

    def ask(some: Sequence[str]) -> list[list[Any]]:
        return _gathered(connection, columns, f"{source} IN ({_marks(len(some))})", some)

    return _in_steps(wanted, _AT_ONCE, ask)


def insert(
    connection: sqlite3.Connection,
    table: str,
    columns: str,
    rows: Sequence[Sequence[Value]],
    *,
    replacing: bool = False,
) -> None:
    """Insert rows, each with a value for each of these columns.

    `replacing` ones of the same key; without it, such a row is an sqlite3.IntegrityError.
    """
    verb = "INSERT OR REPLACE" if replacing else "INSERT"
    n_columns = columns.count(",") + 1
    for start, stop in ranges(len(rows), _MOST_MARKS // n_columns):
        values = [value for row in rows[start:stop] for value in row]
        every = ", ".join([f"({_marks(n_columns)})"] * (stop - start))
        connection.execute(f"{verb} INTO {table} ({columns}) VALUES {every}", values)


def change_in(connection: sqlite3.Connection, change: str, wanted: Iterable[str]) -> int:
    """Run a statement that ends with the name of a text, for rows where it is one of these.

    How many rows it changed.
    """
    texts = list(wanted)
    return sum(
        connection.execute(f"{change} IN ({_marks(stop - start)})", texts[start:stop]).rowcount
        for start, stop in ranges(len(texts), _MOST_MARKS)
    )


def _gathered(
    connection: sqlite3.Connection, columns: str, source: str, values: Sequence[Value]
) -> list[list[Any]]:
    statement = f"SELECT json_group_array(json_array({columns})) FROM {source}"
    found: list[list[Any]] = orjson.loads(connection.execute(statement, values).fetchone()[0])
    return found


def _in_steps(
    wanted: Sequence[Key], size: int, ask: Callable[[Sequence[Key]], list[list[Any]]]
) -> Iterator[list[Any]]:
    for start, stop in ranges(len(wanted), size):
        some = wanted[start:stop]
        try:
            rows = ask(some)
        except sqlite3.DataError:
            if len(some) == 1:
                raise
            # Together they are too much for one value.
            rows = list(_in_steps(some, len(some) // 2, ask))
        yield from rows


def _marks(n: int) -> str:
    return ", ".join("?" * n)
