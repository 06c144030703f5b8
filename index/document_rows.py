"""How does a document lie in the catalog? The table of all versions of all documents.

Every function works inside the transaction of its caller.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import orjson
import xxhash
from numpy.typing import NDArray

from lexmax.errors import DocumentError
from lexmax.index import vector_rows
from lexmax.types import Document
from lexmax.vectors import NOTHING, GivenRow

# What searches do not see yet: documents between these two belong to an ingest. Of an ingest that
# was begun by a build that knows no last one, all from the first on do.
FIRST_UNSEEN = "(SELECT COALESCE(MIN(first_serial), 1 << 62) FROM ingests)"
LAST_UNSEEN = (
    "(SELECT COALESCE(MAX(CAST(value AS INTEGER)), 1 << 62) FROM settings"
    " WHERE name = 'last_unseen')"
)
LAST_PUBLISHED = "(SELECT COALESCE(MAX(last_serial), 0) FROM segments)"
UNSEEN = f"(serial > {LAST_PUBLISHED} AND serial BETWEEN {FIRST_UNSEEN} AND {LAST_UNSEEN})"
REPLACED_UNSEEN = (
    f"(deleted = 1 AND serial < {FIRST_UNSEEN} AND COALESCE(replaced_by, 0) >= {FIRST_UNSEEN}"
    f" AND replaced_by <= {LAST_UNSEEN} AND replaced_by > {LAST_PUBLISHED})"
)


@dataclass(frozen=True, slots=True)
class UpsertCount:
    """What storing documents did: new ones, new versions, and those already stored as they are."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0

    def __add__(self, other: "UpsertCount") -> "UpsertCount":
        return UpsertCount(
            self.added + other.added,
            self.replaced + other.replaced,
            self.unchanged + other.unchanged,
        )


def upsert(
    connection: sqlite3.Connection,
    document: Document,
    given: GivenRow = NOTHING,
    *,
    has_vectors: bool = False,
) -> UpsertCount:
    """Store one document; the living version of its doc_id, if any, is marked deleted.

    `given` are the vectors that came with it, `has_vectors` whether the catalog has their table.
    """
    new = (document.title, document.text, _metadata(document))
    row = connection.execute(
        "SELECT serial, title, text, metadata FROM documents WHERE doc_id = ? AND deleted = 0",
        (document.doc_id,),
    ).fetchone()
    if row is None:
        _insert(connection, document.doc_id, *new, given=given)
        return UpsertCount(added=1)
    has_same_vectors = not has_vectors or vector_rows.is_same(connection, row[0], given)
    if row[1:] == new and has_same_vectors:
        return UpsertCount(unchanged=1)
    # In this order, because an id has one living row.
    connection.execute("UPDATE documents SET deleted = 1 WHERE serial = ?", row[:1])
    serial = _insert(connection, document.doc_id, *new, given=given)
    connection.execute("UPDATE documents SET replaced_by = ? WHERE serial = ?", (serial, row[0]))
    return UpsertCount(replaced=1)


def delete(connection: sqlite3.Connection, doc_id: str) -> int:
    """Mark a document deleted; 1 if there was one."""
    # Nor may an older version be found that an ingest has replaced but not yet published.
    connection.execute(
        f"UPDATE documents SET replaced_by = NULL WHERE doc_id = ? AND {REPLACED_UNSEEN}"
        " AND EXISTS (SELECT 1 FROM ingests)",
        (doc_id,),
    )
    return connection.execute(
        "UPDATE documents SET deleted = 1 WHERE doc_id = ? AND deleted = 0", (doc_id,)
    ).rowcount


def delete_unseen(connection: sqlite3.Connection, doc_ids: Iterable[str]) -> int:
    """Give up the versions of these documents that no search has seen; how many there were.

    Whoever stores them now wants to find them at once, and no older version beside.
    """
    if connection.execute("SELECT 1 FROM ingests LIMIT 1").fetchone() is None:
        return 0
    statement = f"SELECT 1 FROM documents WHERE doc_id = ? AND deleted = 0 AND {UNSEEN}"
    return sum(
        delete(connection, doc_id)
        for doc_id in doc_ids
        if connection.execute(statement, (doc_id,)).fetchone() is not None
    )


def purge(connection: sqlite3.Connection, first: int, last: int, *, kept: NDArray[np.int64]) -> int:
    """Forget deleted documents from serial `first` to `last` but the kept; how many there were."""
    rows = connection.execute(
        "SELECT serial FROM documents WHERE deleted = 1 AND serial BETWEEN ? AND ?", (first, last)
    )
    gone = np.setdiff1d(np.array([row[0] for row in rows], dtype=np.int64), kept)
    connection.executemany(
        "DELETE FROM documents WHERE serial = ?", ((int(serial),) for serial in gone)
    )
    # What a forgotten version replaced must not be taken for unpublished because no segment
    # covers its successor any more.
    connection.execute(
        "UPDATE documents SET replaced_by = NULL WHERE deleted = 1 AND replaced_by BETWEEN ? AND ?"
        " AND replaced_by NOT IN (SELECT serial FROM documents)",
        (first, last),
    )
    return len(gone)


def versions(connection: sqlite3.Connection, doc_ids: Iterable[str]) -> list[int]:
    """Serials of every stored version of these documents, in no order."""
    found: list[int] = []
    for doc_id in doc_ids:
        for deleted in (0, 1):  # an index each
            rows = connection.execute(
                f"SELECT serial FROM documents WHERE doc_id = ? AND deleted = {deleted}", (doc_id,)
            )
            found.extend(row[0] for row in rows)
    return found


def changed(connection: sqlite3.Connection) -> list[int]:
    """Serials of documents that are not what was stored."""
    stored = connection.execute("SELECT serial, doc_id, title, text, metadata, xxh3 FROM documents")
    return [row[0] for row in stored if _checksum(*row[1:5]) != row[5]]


def document_of(row: tuple[str, str, str, str]) -> Document:
    """The document of a row (doc_id, text, title, metadata)."""
    doc_id, text, title, metadata = row
    return Document(doc_id, text, title, orjson.loads(metadata))


def _insert(
    connection: sqlite3.Connection,
    doc_id: str,
    title: str,
    text: str,
    metadata: str,
    *,
    given: GivenRow,
) -> int:
    cursor = connection.execute(
        "INSERT INTO documents (doc_id, title, text, metadata, xxh3) VALUES (?, ?, ?, ?, ?)",
        (doc_id, title, text, metadata, _checksum(doc_id, title, text, metadata)),
    )
    serial = int(cursor.lastrowid or 0)
    if not given.is_empty:
        vector_rows.insert(connection, serial, given)
    return serial


def _checksum(doc_id: str, title: str, text: str, metadata: str) -> int:
    """xxh3-64 of a document's parts with zero bytes between, as SQLite's signed integer."""
    joined = "\0".join((doc_id, title, text, metadata)).encode()
    return int.from_bytes(xxhash.xxh3_64_digest(joined), "big", signed=True)


def _metadata(document: Document) -> str:
    try:
        return orjson.dumps(document.metadata, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError as error:
        raise DocumentError(
            f"document {document.doc_id!r}: metadata cannot be stored as JSON ({error}); expected "
            "names mapped to null, booleans, numbers of 64 bits, strings, lists or mappings"
        ) from error
