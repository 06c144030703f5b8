"""What are the terms behind the ids called? The catalog's table for vectors that came with names.

Encoders that read text find a term's name in the text; imported vectors have no text. The table
is made by the first import: catalogs without one are as valid. Segments come and go beside it.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import xxhash

from lexmax.index import many_rows
from lexmax.index.failures import catalog_errors
from lexmax.index.schema import open_file
from lexmax.types import ranges

_TABLE = """
CREATE TABLE IF NOT EXISTS vocabulary (
    term_id INTEGER PRIMARY KEY,
    term TEXT NOT NULL,
    xxh3 INTEGER NOT NULL
)
"""


# SQLite of old takes 999 values a statement.
_MOST_ASKED = 900


def write_terms(catalog: Path, terms: Iterable[tuple[int, str]]) -> None:
    """Store the names of term ids, in one transaction; an id that has a name gets the new one."""
    connection = open_file(catalog)
    try:
        with catalog_errors(catalog), connection:
            connection.execute("BEGIN IMMEDIATE")
            insert_terms(connection, terms)
    finally:
        connection.close()


def insert_terms(connection: sqlite3.Connection, terms: Iterable[tuple[int, str]]) -> None:
    """As `write_terms`, inside the transaction of the caller."""
    connection.execute(_TABLE)
    rows = [(term_id, term, _checksum(term_id, term)) for term_id, term in terms]
    many_rows.insert(connection, "vocabulary", "term_id, term, xxh3", rows, replacing=True)


def read_terms(catalog: Path) -> dict[int, str]:
    """Names by term id; none where nothing was imported."""
    return {term_id: term for term_id, term, _ in _rows(catalog)}


def read_names(catalog: Path, term_ids: Sequence[int]) -> dict[int, str]:
    """Names of these term ids, of those that have one; the others of the table are not read."""
    wanted, found = sorted(set(term_ids)), dict[int, str]()
    connection = open_file(catalog)
    try:
        with catalog_errors(catalog):
            if not _exists(connection):
                return found
            for start, stop in ranges(len(wanted), _MOST_ASKED):
                some = wanted[start:stop]
                marks = ",".join("?" * len(some))
                statement = f"SELECT term_id, term FROM vocabulary WHERE term_id IN ({marks})"
                found |= dict(connection.execute(statement, some).fetchall())
            return found
    finally:
        connection.close()


def term_problems(catalog: Path) -> list[str]:
    """Names that are not what was stored, in a sentence."""
    changed = [row[0] for row in _rows(catalog) if _checksum(row[0], row[1]) != row[2]]
    if not changed:
        return []
    return [
        f"{catalog}: the names of {len(changed)} terms differ from what was stored, the first has "
        f"the id {changed[0]}; restore a backup, or import the file again"
    ]


def _rows(catalog: Path) -> list[tuple[int, str, int]]:
    connection = open_file(catalog)
    try:
        with catalog_errors(catalog):
            if not _exists(connection):
                return []
            return connection.execute(
                "SELECT term_id, term, xxh3 FROM vocabulary ORDER BY term_id"
            ).fetchall()
    finally:
        connection.close()


def _exists(connection: sqlite3.Connection) -> bool:
    statement = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'vocabulary'"
    return connection.execute(statement).fetchone() is not None


def _checksum(term_id: int, term: str) -> int:
    digest = xxhash.xxh3_64_digest(f"{term_id}\0{term}".encode())
    return int.from_bytes(digest, "big", signed=True)
