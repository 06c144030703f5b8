"""What tables does a catalog have, and is this file one that we can read?"""

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from lexmax.errors import CorruptionError, IndexFormatError, StorageError
from lexmax.index.durable import sync_file, sync_folder
from lexmax.index.failures import catalog_errors, storage_errors

FILE_NAME = "catalog.sqlite"
FORMAT_VERSION = 1
OLDEST_READABLE = 1
_OLDEST_SQLITE = (3, 38)
_APPLICATION_ID = 0x4C58_4D58  # "LXMX"

_SCHEMA = f"""
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    doc_id TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    metadata TEXT NOT NULL,
    xxh3 INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    replaced_by INTEGER
);
CREATE UNIQUE INDEX living_doc_ids ON documents (doc_id) WHERE deleted = 0;
CREATE INDEX deleted_serials ON documents (serial) WHERE deleted = 1;
CREATE INDEX deleted_doc_ids ON documents (doc_id) WHERE deleted = 1;
CREATE TABLE segments (
    segment_id TEXT PRIMARY KEY,
    first_serial INTEGER NOT NULL,
    last_serial INTEGER NOT NULL,
    n_docs INTEGER NOT NULL,
    manifest_xxh3 TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE builds (segment_id TEXT PRIMARY KEY, progress TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE ingests (
    sources TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    first_serial INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO settings VALUES ('generation', '0');
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {FORMAT_VERSION};
"""


def create_file(path: Path, settings: Mapping[str, str]) -> None:
    """Make an empty catalog with these settings; it is there whole or not at all."""
    _require_sqlite()
    draft = path.with_name(path.name + ".new")
    with storage_errors(path):
        draft.unlink(missing_ok=True)
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            connection.executescript(_SCHEMA)
            connection.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())
        finally:
            connection.close()
        sync_file(draft)
        draft.rename(path)
        sync_folder(path.parent)


def open_file(path: Path) -> sqlite3.Connection:
    """A connection for any thread; each transaction is on the disk when it ends.

    Where the file or its folder may not be written to, it reads what is there: as it is, or as
    whoever writes it leaves it. What another machine changes meanwhile is not seen.

    Raises:
        CorruptionError: if the file is no catalog of ours.
        IndexFormatError: if another format version wrote it.
    """
    _require_sqlite()
    with catalog_errors(path):
        connection = _connect(path)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != _APPLICATION_ID:
        connection.close()
        raise CorruptionError(
            f"{path}: found an empty file, or another program's; expected a catalog; "
            "restore a backup, or index the corpus into another folder"
        )
    if not OLDEST_READABLE <= version <= FORMAT_VERSION:
        connection.close()
        raise IndexFormatError(
            f"{path}: found format version {version}, this build reads {OLDEST_READABLE} to "
            f"{FORMAT_VERSION}; index the corpus into another folder with `lexmax index`, or use "
            "the release that wrote it"
        )
    return connection


def _require_sqlite() -> None:
    """Many rows pass as JSON (many_rows.py), and replacing them takes UPDATE FROM.

    Raises:
        StorageError: if the SQLite of this Python is older than both.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StorageError(
            f"this Python brings SQLite {sqlite3.sqlite_version}; expected "
            f"{'.'.join(map(str, _OLDEST_SQLITE))} or later; use another build of Python"
        )


def may_be_written(path: Path) -> bool:
    """Whether a catalog's file and its folder, which holds SQLite's log, may be written to."""
    return os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)


def _connect(path: Path) -> sqlite3.Connection:
    writable = may_be_written(path) or not path.exists()
    # Without a log, everything is in the file; with one, somebody writes who may.
    log = path.with_name(path.name + "-wal")
    how = "mode=ro" if log.exists() else "immutable=1"
    connection = sqlite3.connect(
        path if writable else f"file:{quote(str(path.absolute()))}?{how}",
        timeout=10,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=64,
        uri=not writable,
    )
    if writable:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    return connection
