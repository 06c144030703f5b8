"""How do vectors that came with documents lie in the catalog? One row a document that has some.

Of other documents the vectors are what encoders make of the text, so a catalog without this table
is as valid; it is made when the first vectors come. Every function works inside the transaction of
its caller. Token vectors are stored as float16, which is what the token store keeps at most.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from lexmax.errors import CorruptionError
from lexmax.index import many_rows
from lexmax.vectors import NOTHING, GivenRow

_TABLE = """
CREATE TABLE IF NOT EXISTS vectors (
    serial INTEGER PRIMARY KEY,
    terms BLOB,
    weights BLOB,
    dim INTEGER,
    tokens BLOB,
    pooled BLOB,
    xxh3 INTEGER NOT NULL
)
"""
# Whatever forgets a document forgets its vectors.
_TRIGGER = """
CREATE TRIGGER IF NOT EXISTS forget_vectors AFTER DELETE ON documents
BEGIN DELETE FROM vectors WHERE serial = OLD.serial; END
"""
_COLUMNS = "terms, weights, dim, tokens, pooled"
# Blobs as text. Token vectors are too many bytes for that and are read a document at a time.
_READ = ", ".join(
    column if column in ("dim", "xxh3") else f"iif({column} IS NULL, NULL, hex({column}))"
    for column in ("terms", "weights", "dim", "pooled", "xxh3")
)

_Packed = tuple[bytes | None, bytes | None, int | None, bytes | None, bytes | None]


def exists(connection: sqlite3.Connection) -> bool:
    """Whether any document has come with vectors."""
    statement = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'vectors'"
    return connection.execute(statement).fetchone() is not None


def create(connection: sqlite3.Connection) -> None:
    """Make the table, if it is not there."""
    connection.execute(_TABLE)
    connection.execute(_TRIGGER)


def insert(connection: sqlite3.Connection, given: Sequence[tuple[int, GivenRow]]) -> None:
    """Store what came with the documents of these serials; the table is there."""
    packed = [(serial, _packed(row)) for serial, row in given]
    rows = [(serial, *one, _checksum(serial, one)) for serial, one in packed]
    many_rows.insert(connection, "vectors", f"serial, {_COLUMNS}, xxh3", rows)


def is_same(connection: sqlite3.Connection, serial: int, given: GivenRow) -> bool:
    """Whether this is what came with the document of this serial; the table is there."""
    row = _row(connection, serial)
    if row is None:
        return given.is_empty
    return not given.is_empty and row[:-1] == _packed(given)


def read(connection: sqlite3.Connection, serials: Sequence[int]) -> list[GivenRow]:
    """What came with the documents of these serials, in this order; the table is there.

    Raises:
        CorruptionError: if a row is not what was stored.
    """
    found = many_rows.by_serial(connection, "vectors", _READ, serials)
    rows = {serial: _stored(connection, serial, row) for serial, row in found.items()}
    return [_given(serial, rows.get(serial)) for serial in serials]


def changed(connection: sqlite3.Connection) -> list[int]:
    """Serials of rows that are not what was stored; the table is there."""
    rows = connection.execute(f"SELECT serial, {_COLUMNS}, xxh3 FROM vectors")
    return [row[0] for row in rows if _checksum(row[0], row[1:-1]) != row[-1]]


def n_without_terms(connection: sqlite3.Connection, first: int, last: int) -> int:
    """Living documents from serial `first` to `last` that came without term weights."""
    has_terms = "SELECT serial FROM vectors WHERE terms IS NOT NULL"
    without = f" AND serial NOT IN ({has_terms})" if exists(connection) else ""
    row = connection.execute(
        f"SELECT COUNT(*) FROM documents WHERE deleted = 0 AND serial BETWEEN ? AND ?{without}",
        (first, last),
    ).fetchone()
    return int(row[0])


def _row(connection: sqlite3.Connection, serial: int) -> tuple[object, ...] | None:
    found: tuple[object, ...] | None = connection.execute(
        f"SELECT {_COLUMNS}, xxh3 FROM vectors WHERE serial = ?", (int(serial),)
    ).fetchone()
    return found


def _stored(connection: sqlite3.Connection, serial: int, read: Sequence[Any]) -> tuple[object, ...]:
    """The row, of what `_READ` has found of it."""
    terms, weights, dim, pooled, xxh3 = read
    tokens = None
    if dim is not None:
        statement = "SELECT tokens FROM vectors WHERE serial = ?"
        tokens = connection.execute(statement, (serial,)).fetchone()[0]
    return _bytes(terms), _bytes(weights), dim, tokens, _bytes(pooled), xxh3


def _bytes(hexadecimal: str | None) -> bytes | None:
    return None if hexadecimal is None else bytes.fromhex(hexadecimal)


def _packed(given: GivenRow) -> _Packed:
    terms, tokens, pooled = given.terms, given.tokens, given.pooled
    return (
        None if terms is None else terms[0].astype("<u4").tobytes(),
        None if terms is None else terms[1].astype("<f4").tobytes(),
        None if tokens is None else int(tokens.shape[1]),
        None if tokens is None else tokens.astype("<f2").tobytes(),
        None if pooled is None else pooled.astype("<f4").tobytes(),
    )


def _given(serial: int, row: tuple[object, ...] | None) -> GivenRow:
    if row is None:
        return NOTHING
    terms, weights, dim, tokens, pooled, xxh3 = row
    if _checksum(serial, (terms, weights, dim, tokens, pooled)) != xxh3:
        raise CorruptionError(
            f"the vectors of document {serial} differ from what was stored; restore a backup, or "
            "store the document again"
        )
    return GivenRow(
        None if terms is None else (_ids(terms), _floats(weights, "<f4")),
        None if tokens is None else _floats(tokens, "<f2").reshape(-1, dim),  # type: ignore[call-overload]
        None if pooled is None else _floats(pooled, "<f4"),
    )


def _ids(packed: object) -> NDArray[np.uint32]:
    assert isinstance(packed, bytes)
    return np.frombuffer(packed, dtype="<u4").astype(np.uint32)


def _floats(packed: object, dtype: str) -> NDArray[np.float32]:
    assert isinstance(packed, bytes)
    return np.frombuffer(packed, dtype=dtype).astype(np.float32)


def _checksum(serial: int, packed: Iterable[object]) -> int:
    """xxh3-64 of the serial and each part with its length, as SQLite's signed integer."""
    parts = [part if isinstance(part, bytes) else repr(part).encode() for part in (serial, *packed)]
    joined = b"".join(piece for part in parts for piece in (len(part).to_bytes(8, "little"), part))
    return int.from_bytes(xxhash.xxh3_64_digest(joined), "big", signed=True)
