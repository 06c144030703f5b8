"""Which of our errors is it, when the operating system or SQLite refuses?"""

import errno
import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import orjson

from lexmax.errors import (
    CorruptionError,
    DiskFullError,
    LockedError,
    OpenFilesError,
    StorageError,
)

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_MORE_FILES = {errno.EMFILE, errno.ENFILE}


def _is_no_room(error: OSError) -> bool:
    # numpy's tofile reports a short write as "N requested and M written", without an errno.
    short_write = error.errno is None and "requested and" in str(error)
    return error.errno in _NO_ROOM or short_write


def _from_os(error: OSError, path: Path) -> StorageError:
    if _is_no_room(error):
        return DiskFullError(
            f"{path}: the disk is full; all that was committed is kept; "
            "free some space and run the same command again, it goes on where it stopped"
        )
    if error.errno == errno.EIO:
        return CorruptionError(
            f"{path}: the disk does not give or take these bytes ({error.strerror}); check the "
            "disk, then run `lexmax rebuild` on the collection, or restore a backup"
        )
    if error.errno in _NO_MORE_FILES:
        return OpenFilesError(
            f"{path}: too many files are open, of which each segment needs about twenty; allow "
            "more, as `ulimit -n 8192` does, or run `lexmax merge --all` on the collection"
        )
    return StorageError(f"{path}: {error.strerror or error}; check the folder and its permissions")


def _from_sqlite(error: sqlite3.Error, path: Path) -> StorageError:
    text = str(error)
    if isinstance(error, sqlite3.ProgrammingError) and "closed database" in text:
        return StorageError(f"{path.parent}: the collection is closed; open it again")
    # What SQLite cannot write, but for want of room: a quota, or a limit on the size of files.
    no_room = ("SQLITE_FULL", "SQLITE_IOERR_WRITE")
    if getattr(error, "sqlite_errorname", "") in no_room or "disk is full" in text:
        return _from_os(OSError(errno.ENOSPC, text), path)
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_CANTOPEN"):
        # SQLite does not say why; opening anything says whether it is for want of descriptors.
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as refused:
            return _from_os(refused, path)
    if "locked" in text or "busy" in text:
        return LockedError(f"{path}: catalog is busy ({text}); expected one writer; try again")
    if isinstance(error, sqlite3.DatabaseError) and (
        "malformed" in text or "not a database" in text or "decode to UTF-8" in text
    ):
        return damaged_catalog(path, text)
    return StorageError(f"{path}: catalog refused: {text}")


@contextmanager
def storage_errors(path: Path) -> Generator[None, None, None]:
    """Raise what the operating system or SQLite refuses under `path` as a StorageError."""
    try:
        yield
    except OSError as error:
        raise _from_os(error, path) from error
    except sqlite3.Error as error:
        raise _from_sqlite(error, path) from error


@contextmanager
def catalog_errors(path: Path) -> Generator[None, None, None]:
    """As `storage_errors`; what a catalog gives that nobody stored there is a CorruptionError."""
    try:
        with storage_errors(path):
            yield
    except (UnicodeDecodeError, orjson.JSONDecodeError) as error:
        raise damaged_catalog(path, str(error)) from error


def damaged_catalog(path: Path, what: str) -> CorruptionError:
    """That a catalog's file holds what nobody stored there."""
    return CorruptionError(f"{path}: catalog.sqlite is damaged ({what}); restore a backup")
