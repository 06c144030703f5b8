"""Where is the truth? The SQLite file that holds documents, segments and unfinished builds.

A document gets the next `serial` when it is stored and keeps it; a new version of the same doc_id
is a new row, and the old one is marked deleted in the same transaction. Segments hold ranges of
serials. Rows past the last segment are pending. Everything else on disk can be built again from
this file.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

import numpy as np
import orjson
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, DocumentError
from lexmax.index import (
    document_rows,
    ingest_rows,
    many_rows,
    segment_rows,
    vector_rows,
    vocabulary,
)
from lexmax.index.connections import Connections
from lexmax.index.document_rows import LAST_PUBLISHED, REPLACED_UNSEEN, UNSEEN, UpsertCount
from lexmax.index.failures import damaged_catalog
from lexmax.index.schema import create_file
from lexmax.index.segment_rows import SegmentRow
from lexmax.types import Document, Json
from lexmax.vectors import GivenRow


class Catalog:
    """One open catalog. Safe to use from several threads; writes are for the lock's owner."""

    def __init__(self, path: Path) -> None:
        """Opens it, as `open` does."""
        self.path = path
        self._connections = Connections(path)
        self._reading, self._writing = self._connections.reading, self._connections.writing

    @staticmethod
    def create(path: Path, settings: Mapping[str, Json]) -> "Catalog":
        """A new catalog without documents; it is there whole or not at all."""
        create_file(path, {name: orjson.dumps(value).decode() for name, value in settings.items()})
        return Catalog.open(path)

    @staticmethod
    def open(path: Path) -> "Catalog":
        """The catalog at `path`.

        Raises:
            CorruptionError: if the file is no catalog of ours.
            IndexFormatError: if another format version wrote it.
        """
        return Catalog(path)

    def close(self) -> None:
        """Close the file; the catalog cannot be used any more."""
        self._connections.close()

    def snapshot(self) -> AbstractContextManager[None]:
        """Every read inside the block sees the same generation."""
        return self._connections.snapshot()

    def setting(self, name: str) -> Json:
        """The value stored under a name, or None."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT value FROM settings WHERE name = ?", (name,)
            ).fetchone()
            return None if row is None else orjson.loads(row[0])

    def remember(self, name: str, value: Json) -> None:
        """Store a value under a name; what was there is replaced."""
        with self._writing() as connection:
            text = orjson.dumps(value).decode()
            connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, text))

    def own(self) -> None:
        """Whoever holds the writer lock says so: see `newest_generation`."""
        self._connections.own()

    def disown(self) -> None:
        """The lock is about to be released."""
        self._connections.disown()

    def newest_generation(self) -> int:
        """As `generation`; the file is not asked for it where only this process changes it."""
        owned = self._connections.owned
        return self.generation() if owned is None else owned

    def generation(self) -> int:
        """A number that grows with every write, as this thread's snapshot has it."""
        with self._reading() as connection:
            statement = "SELECT CAST(value AS INTEGER) FROM settings WHERE name = 'generation'"
            if (row := connection.execute(statement).fetchone()) is None:
                raise damaged_catalog(self.path, "it has no generation")
            return int(row[0])

    def upsert(
        self,
        documents: Sequence[Document],
        *,
        given: Sequence[GivenRow] = (),
        names: Sequence[tuple[int, str]] = (),
        ingest: tuple[str, int] | None = None,
    ) -> UpsertCount:
        """Store documents in one transaction; a known doc_id is replaced, the last one wins.

        `given` are the vectors that came with each, nothing for none, and `names` what the ids of
        their terms are called where no text holds them. `ingest`, (sources, entries consumed),
        records in the same transaction how far reading a corpus has come; readers see its
        documents when their segment is published.
        """
        count = UpsertCount()
        with self._writing() as connection:
            if names:
                vocabulary.insert_terms(connection, names)
            if given:
                vector_rows.create(connection)
            known = vector_rows.exists(connection)
            if ingest is None:
                n = document_rows.delete_unseen(connection, [one.doc_id for one in documents])
                count = UpsertCount(-n, n)  # each is inserted as if it were new
            count += document_rows.store(connection, documents, given, has_vectors=known)
            if ingest is not None:
                ingest_rows.remember(connection, *ingest, n_new=count.added + count.replaced)
            if count.replaced or ingest is not None:
                _note_deletions(connection)
        return count

    def delete(self, doc_ids: Iterable[str]) -> int:
        """Mark documents deleted in one transaction; how many there were."""
        with self._writing() as connection:
            _note_deletions(connection)
            return document_rows.delete(connection, doc_ids)

    def ingest_position(self, sources: str) -> int:
        """Entries of these sources that an interrupted ingest has consumed; 0 if none was."""
        with self._reading() as connection:
            return ingest_rows.position(connection, sources)

    def end_ingests(self) -> None:
        """Nothing is being ingested any more: what is pending is searchable at once."""
        with self._writing() as connection:
            _note_deletions(connection)
            ingest_rows.end(connection)

    def segments(self) -> list[SegmentRow]:
        """Published segments in the order of their serials."""
        with self._reading() as connection:
            rows = segment_rows.read(connection)
        if not all(row.is_sound for row in rows):
            raise damaged_catalog(self.path, "its table of segments")
        return rows

    def remember_build(self, segment_id: str, progress: Mapping[str, Json]) -> None:
        """Remember how far a segment has been built, so that a killed job goes on from there."""
        with self._writing() as connection:
            segment_rows.remember_build(connection, segment_id, progress)

    def builds(self) -> dict[str, dict[str, Json]]:
        """Unfinished builds: segment_id to what was last remembered."""
        with self._reading() as connection:
            return segment_rows.builds(connection)

    def forget_build(self, segment_id: str) -> None:
        """Give an unfinished build up; its documents are pending as before."""
        with self._writing() as connection:
            segment_rows.forget_build(connection, segment_id)

    def publish(self, segment: SegmentRow) -> None:
        """Make a finished segment part of the collection: the one step that readers see."""
        with self._writing() as connection:
            _note_deletions(connection)
            segment_rows.publish(connection, segment)

    def replace_segments(
        self, old: Sequence[SegmentRow], new: SegmentRow | None, *, kept: NDArray[np.int64]
    ) -> int:
        """Publish `new`, which holds the serials `kept`, for adjacent segments; None for nothing.

        Deleted documents in their range that it does not hold are forgotten: how many. All is one
        transaction. Marks of deletion on what it holds stay, also those set while it was made.

        Raises:
            StorageError: if one of the old segments is not published any more.
        """
        first, last = old[0].first_serial, old[-1].last_serial
        with self._writing() as connection:
            _note_deletions(connection)
            segment_rows.withdraw(connection, [row.segment_id for row in old])
            if new is not None:
                segment_rows.publish(connection, new)
            n_gone = document_rows.purge(connection, first, last, kept=kept)
            _note(connection, "purged")
        return n_gone

    def purged(self) -> int:
        """The generation that last forgot documents: older snapshots may hold some of them."""
        return cast("int", self.setting("purged") or 0)

    def last_deletion(self) -> int | None:
        """The generation that last changed which documents a search must not find.

        None where a release has written this catalog that did not note it.
        """
        return cast("int | None", self.setting("last_deletion"))

    def last_published(self) -> int:
        """The last serial that a segment covers; 0 where there is none."""
        with self._reading() as connection:
            row = connection.execute("SELECT MAX(last_serial) FROM segments").fetchone()
        return int(row[0] or 0)

    def last_serial(self) -> int:
        """Of the documents that were ever stored; 0 where there was none."""
        with self._reading() as connection:
            return document_rows.last_serial(connection)

    def searchable_pending(self) -> NDArray[np.int64]:
        """Serials of documents past the last segment that a search finds: none of an ingest.

        A version that an ingest replaces is found until the new one is published.
        """
        return self._serials(
            f"SELECT serial FROM documents WHERE (deleted = 0 OR {REPLACED_UNSEEN})"
            f" AND serial > {LAST_PUBLISHED} AND NOT {UNSEEN} ORDER BY serial",
            (),
        )

    def living_serials(self, after: int, *, limit: int = -1) -> NDArray[np.int64]:
        """Serials of living documents past `after`, ascending."""
        return self._serials(
            "SELECT serial FROM documents WHERE serial > ? AND deleted = 0 ORDER BY serial LIMIT ?",
            (after, limit),
        )

    def deleted_serials(self) -> NDArray[np.int64]:
        """Serials of documents that a search must no longer find, ascending."""
        return self._serials(
            f"SELECT serial FROM documents WHERE deleted = 1 AND NOT {REPLACED_UNSEEN}"
            " ORDER BY serial",
            (),
        )

    def all_serials(self) -> NDArray[np.int64]:
        """Serials of every stored version of every document, ascending."""
        return self._serials("SELECT serial FROM documents ORDER BY serial", ())

    def _serials(self, statement: str, values: tuple[int, ...]) -> NDArray[np.int64]:
        with self._reading() as connection:
            return many_rows.serials(connection, statement, values)

    def documents(self, serials: Sequence[int] | NDArray[np.int64]) -> list[Document]:
        """The documents with these serials, in this order, deleted or not.

        Raises:
            CorruptionError: if one is not in the catalog.
        """
        return self._documents(self._rows(serials, document_rows.COLUMNS))

    def _documents(self, rows: Iterable[Sequence[str]]) -> list[Document]:
        try:
            return list(map(document_rows.document_of, rows))
        except (DocumentError, orjson.JSONDecodeError) as error:
            raise damaged_catalog(self.path, str(error)) from error

    def vectors(self, serials: Sequence[int] | NDArray[np.int64]) -> Sequence[GivenRow]:
        """What came with the documents of these serials, in this order; () if nothing did.

        Raises:
            CorruptionError: if a row is not what was stored.
        """
        with self._reading() as connection:
            if not vector_rows.exists(connection):
                return ()
            found = vector_rows.read(connection, [int(serial) for serial in serials])
        return () if all(row.is_empty for row in found) else found

    def n_without_terms(self, first: int, last: int) -> int:
        """Living documents from serial `first` to `last` that came without term weights."""
        with self._reading() as connection:
            return vector_rows.n_without_terms(connection, first, last)

    def metadata(self, serials: NDArray[np.int64]) -> list[Mapping[str, Json]]:
        """Metadata of the documents with these serials, in this order; none of forgotten ones."""
        with self._reading() as connection:
            rows = many_rows.by_serial(connection, "documents", "metadata", serials.tolist())
            return [orjson.loads(rows[one][0]) if one in rows else {} for one in serials.tolist()]

    def doc_ids(self, serials: NDArray[np.int64]) -> list[str]:
        """External ids of the documents with these serials, in this order.

        Raises:
            CorruptionError: if one is not in the catalog.
        """
        return [row[0] for row in self._rows(serials, "doc_id")]

    def _rows(
        self, serials: Sequence[int] | NDArray[np.int64], columns: str
    ) -> Iterator[Sequence[str]]:
        wanted = [int(serial) for serial in serials]
        with self._reading() as connection:
            rows = many_rows.by_serial(connection, "documents", columns, wanted)
        if missing := next((serial for serial in wanted if serial not in rows), None):
            raise CorruptionError(f"{self.path}: holds no document {missing}")
        return (rows[serial] for serial in wanted)

    def versions(self, doc_ids: Iterable[str]) -> NDArray[np.int64]:
        """Serials of every stored version of these documents, ascending; unknown ids have none."""
        with self._reading() as connection:
            return np.unique(np.array(document_rows.versions(connection, doc_ids), dtype=np.int64))

    def get(self, doc_id: str) -> Document | None:
        """The living document with this id."""
        with self._reading() as connection:
            row = connection.execute(
                f"SELECT {document_rows.COLUMNS} FROM documents WHERE doc_id = ? AND deleted = 0",
                (doc_id,),
            ).fetchone()
        return None if row is None else self._documents([row])[0]

    def n_pending(self) -> int:
        """Living documents past the last segment, those of an ingest included."""
        with self._reading() as connection:
            row = connection.execute(
                f"SELECT COUNT(*) FROM documents WHERE deleted = 0 AND serial > {LAST_PUBLISHED}"
            ).fetchone()
        return int(row[0])

    def n_unseen(self) -> int:
        """Pending documents that no search finds before their ingest has ended."""
        with self._reading() as connection:
            row = connection.execute(
                f"SELECT COUNT(*) FROM documents WHERE deleted = 0 AND {UNSEEN}"
            ).fetchone()
        return int(row[0])

    def n_living(self) -> int:
        """Documents that are not deleted."""
        with self._reading() as connection:
            row = connection.execute("SELECT COUNT(*) FROM documents WHERE deleted = 0").fetchone()
        return int(row[0])

    def problems(self) -> list[str]:
        """What SQLite finds wrong with its file, and documents that are not what was stored."""
        with self._reading() as connection:
            rows = connection.execute("PRAGMA integrity_check(5)").fetchall()
            found = [f"{self.path}: {row[0]}" for row in rows if row[0] != "ok"]
            changed = document_rows.changed(connection)
            if vector_rows.exists(connection):
                changed += vector_rows.changed(connection)
        if changed:
            found.append(
                f"{self.path}: {len(changed)} documents differ from what was stored, the first "
                f"has serial {changed[0]}; restore a backup, or store them again"
            )
        return found


def _note_deletions(connection: sqlite3.Connection) -> None:
    """This transaction may change which documents a search must not find."""
    _note(connection, "last_deletion")


def _note(connection: sqlite3.Connection, event: str) -> None:
    """Keep the generation of this transaction under a name."""
    connection.execute(
        "INSERT OR REPLACE INTO settings SELECT ?, CAST(value AS INTEGER) + 1 "
        "FROM settings WHERE name = 'generation'",
        (event,),
    )
