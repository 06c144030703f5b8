"""Do rows pass to and from SQLite in one step as they would one at a time?"""

import sqlite3
from collections.abc import Iterator

import pytest

from lexmax.index import many_rows


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    opened.execute("CREATE TABLE rows (serial INTEGER PRIMARY KEY, name TEXT, data BLOB)")
    yield opened
    opened.close()


def test_serials_ascend_whatever_the_query_does(connection: sqlite3.Connection) -> None:
    rows = [(serial, f"row {serial}", None) for serial in (5, 3, 1 << 60, 4)]
    many_rows.insert(connection, "rows", "serial, name, data", rows)

    found = many_rows.serials(
        connection, "SELECT serial FROM rows WHERE serial > ? ORDER BY serial DESC", (3,)
    )
    assert found.tolist() == [4, 5, 1 << 60]
    assert many_rows.serials(connection, "SELECT serial FROM rows WHERE serial < 0").tolist() == []


def test_more_rows_than_one_statement_takes(connection: sqlite3.Connection) -> None:
    rows = [(serial, f"row {serial % 500}", b"\0") for serial in range(1, 2001)]
    many_rows.insert(connection, "rows", "serial, name, data", rows)

    wanted = list(range(2100, 0, -1))
    found = many_rows.by_serial(connection, "rows", "name, hex(data)", wanted)
    assert found == {serial: [f"row {serial % 500}", "00"] for serial in range(1, 2001)}
    names = [f"row {number}" for number in range(400)]
    found_by_name = many_rows.where_in(connection, "serial", "rows WHERE name", names)
    assert sorted(row[0] for row in found_by_name) == [
        serial for serial in range(1, 2001) if serial % 500 < 400
    ]
    assert many_rows.change_in(connection, "DELETE FROM rows WHERE name", names) == 1600


def test_rows_that_are_too_much_for_one_value_come_in_several(
    connection: sqlite3.Connection,
) -> None:
    many_rows.insert(
        connection, "rows", "serial, name", [(serial, "x" * 700) for serial in range(1, 11)]
    )
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 2000)

    found = many_rows.by_serial(connection, "rows", "name", range(1, 11))
    assert found == {serial: ["x" * 700] for serial in range(1, 11)}
    by_name = list(many_rows.where_in(connection, "serial", "rows WHERE name", ["x" * 700]))
    assert len(by_name) == 10
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 710)
    with pytest.raises(sqlite3.DataError):
        many_rows.by_serial(connection, "rows", "name || name", [1])


def test_a_key_that_is_there_is_refused_or_replaced(connection: sqlite3.Connection) -> None:
    many_rows.insert(connection, "rows", "serial, name", [(1, "one")])
    with pytest.raises(sqlite3.IntegrityError):
        many_rows.insert(connection, "rows", "serial, name", [(2, "two"), (1, "again")])
    many_rows.insert(connection, "rows", "serial, name", [(1, "again")], replacing=True)
    assert many_rows.by_serial(connection, "rows", "name", [1]) == {1: ["again"]}
