"""How does a document lie in the catalog? The table of all versions of all documents.

Every function works inside the transaction of its caller.
"""

import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import orjson
import xxhash
from numpy.typing import NDArray

from lexmax.errors import DocumentError
from lexmax.index import many_rows, vector_rows
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

COLUMNS = "doc_id, text, title, metadata"
"""What `document_of` reads."""


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


def store(
    connection: sqlite3.Connection,
    documents: Sequence[Document],
    given: Sequence[GivenRow] = (),
    *,
    has_vectors: bool = False,
) -> UpsertCount:
    """Store documents in order; the living version of a doc_id, if any, is marked deleted.

    `given` are the vectors that came with each, () for none, `has_vectors` whether the catalog has
    their table.
    """
    count = UpsertCount()
    for start, stop in _distinct([document.doc_id for document in documents]):
        some = documents[start:stop]
        vectors = given[start:stop] if given else [NOTHING] * len(some)
        count += _store(connection, some, vectors, has_vectors=has_vectors)
    return count


def last_serial(connection: sqlite3.Connection) -> int:
    """Of the documents that were ever stored; 0 where there was none."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'documents'").fetchone()
    return 0 if row is None else int(row[0])


def delete(connection: sqlite3.Connection, doc_ids: Iterable[str]) -> int:
    """Mark documents deleted; how many there were."""
    wanted = list(doc_ids)
    if connection.execute("SELECT 1 FROM ingests LIMIT 1").fetchone() is not None:
        # Nor may an older version be found that an ingest has replaced but not yet published.
        found_still = f"UPDATE documents SET replaced_by = NULL WHERE {REPLACED_UNSEEN} AND doc_id"
        many_rows.change_in(connection, found_still, wanted)
    living = "UPDATE documents SET deleted = 1 WHERE deleted = 0 AND doc_id"
    return many_rows.change_in(connection, living, wanted)


def delete_unseen(connection: sqlite3.Connection, doc_ids: Sequence[str]) -> int:
    """Give up the versions of these documents that no search has seen; how many there were.

    Whoever stores them now wants to find them at once, and no older version beside.
    """
    if connection.execute("SELECT 1 FROM ingests LIMIT 1").fetchone() is None:
        return 0
    unseen = f"documents WHERE deleted = 0 AND {UNSEEN} AND doc_id"
    found = many_rows.where_in(connection, "doc_id", unseen, doc_ids)
    return delete(connection, {row[0] for row in found})


def purge(connection: sqlite3.Connection, first: int, last: int, *, kept: NDArray[np.int64]) -> int:
    """Forget deleted documents from serial `first` to `last` but the kept; how many there were."""
    deleted = "SELECT serial FROM documents WHERE deleted = 1 AND serial BETWEEN ? AND ?"
    gone = np.setdiff1d(many_rows.serials(connection, deleted, (first, last)), kept)
    connection.execute(
        "DELETE FROM documents WHERE serial IN (SELECT value FROM json_each(?))",
        (orjson.dumps(gone.tolist()).decode(),),
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
    wanted = list(doc_ids)
    found: list[int] = []
    for deleted in (0, 1):  # an index each
        source = f"documents WHERE deleted = {deleted} AND doc_id"
        found.extend(row[0] for row in many_rows.where_in(connection, "serial", source, wanted))
    return found


def changed(connection: sqlite3.Connection) -> list[int]:
    """Serials of documents that are not what was stored."""
    stored = connection.execute("SELECT serial, doc_id, title, text, metadata, xxh3 FROM documents")
    return [row[0] for row in stored if not _is_as_stored(row[1:5], row[5])]


def document_of(row: Sequence[str]) -> Document:
    """The document of a row (doc_id, text, title, metadata)."""
    doc_id, text, title, metadata = row
    return Document(doc_id, text, title, orjson.loads(metadata))


def _store(
    connection: sqlite3.Connection,
    documents: Sequence[Document],
    given: Sequence[GivenRow],
    *,
    has_vectors: bool,
) -> UpsertCount:
    """As `store`, where no doc_id stands twice."""
    living = _living(connection, [document.doc_id for document in documents])
    serial = last_serial(connection)
    rows: list[tuple[str | int, ...]] = []
    replaced: list[tuple[int, int]] = []
    vectors: list[tuple[int, GivenRow]] = []
    for document, row in zip(documents, given, strict=True):
        new = (document.title, document.text, _metadata(document))
        before, *old = living.get(document.doc_id, (0,))
        if tuple(old) == new and (not has_vectors or vector_rows.is_same(connection, before, row)):
            continue
        serial += 1
        rows.append((serial, document.doc_id, *new, _checksum(document.doc_id, *new)))
        if before:
            replaced.append((before, serial))
        if not row.is_empty:
            vectors.append((serial, row))
    _replace(connection, replaced)
    many_rows.insert(connection, "documents", "serial, doc_id, title, text, metadata, xxh3", rows)
    vector_rows.insert(connection, vectors)
    n_new, n_replaced = len(rows) - len(replaced), len(replaced)
    return UpsertCount(n_new, n_replaced, len(documents) - len(rows))


def _living(connection: sqlite3.Connection, doc_ids: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Serial, title, text and metadata of those of these documents that there are."""
    columns = "doc_id, serial, title, text, metadata"
    source = "documents WHERE deleted = 0 AND doc_id"
    return {row[0]: row[1:] for row in many_rows.where_in(connection, columns, source, doc_ids)}


def _replace(connection: sqlite3.Connection, pairs: Sequence[tuple[int, int]]) -> None:
    """Mark the first of each pair deleted, replaced by the second, which is about to be stored.

    In this order, because an id has one living row.
    """
    if pairs:
        connection.execute(
            "UPDATE documents SET deleted = 1, replaced_by = json_extract(pair.value, '$[1]')"
            " FROM json_each(?) AS pair WHERE serial = json_extract(pair.value, '$[0]')",
            (orjson.dumps(pairs).decode(),),
        )


def _distinct(doc_ids: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Consecutive (start, stop) that cover all; no id stands twice between two."""
    start, seen = 0, set[str]()
    for place, doc_id in enumerate(doc_ids):
        if doc_id in seen:
            yield start, place
            start, seen = place, set[str]()
        seen.add(doc_id)
    if start < len(doc_ids):
        yield start, len(doc_ids)


def _is_as_stored(texts: Sequence[Any], xxh3: object) -> bool:
    # A damaged row may hold numbers, or nothing, where texts were.
    return all(isinstance(text, str) for text in texts) and _checksum(*texts) == xxh3


def _checksum(doc_id: str, title: str, text: str, metadata: str) -> int:
    """xxh3-64 of a document's parts with zero bytes between, as SQLite's signed integer."""
    joined = "\0".join((doc_id, title, text, metadata)).encode()
    return int.from_bytes(xxhash.xxh3_64_digest(joined), "big", signed=True)


def _metadata(document: Document) -> str:
    try:
        written = orjson.dumps(document.metadata, option=orjson.OPT_SORT_KEYS)
        # NaN and infinity are written as null, and would come back as that.
        if b"null" in written and _has_no_number(document.metadata):
            raise TypeError("NaN or infinity")
        return written.decode()
    except TypeError as error:
        raise DocumentError(
            f"document {document.doc_id!r}: metadata cannot be stored as JSON ({error}); expected "
            "names mapped to null, booleans, numbers of 64 bits, strings, lists or mappings"
        ) from error


def _has_no_number(value: object) -> bool:
    """Whether a float in it is none that JSON has."""
    if isinstance(value, Mapping):
        return any(map(_has_no_number, cast("Mapping[str, object]", value).values()))
    if isinstance(value, list | tuple):
        return any(map(_has_no_number, cast("Sequence[object]", value)))
    return isinstance(value, float) and not math.isfinite(value)
