"""How is a catalog's file reached? By one connection that reads, and one that writes."""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lexmax.errors import StorageError
from lexmax.index.failures import catalog_errors
from lexmax.index.schema import may_be_written, open_file


class Connections:
    """To one catalog, for any number of threads; writes are for the owner of the writer lock.

    Reads see what is committed, and never wait for a write, which holds its connection until the
    disk has it. Where the folder may not be written to, both read the file as it is; the first
    write after it may be written to again opens it anew.
    """

    def __init__(self, path: Path) -> None:
        """Opens both.

        Raises:
            CorruptionError: if the file is no catalog of ours.
            IndexFormatError: if another format version wrote it.
            StorageError: if it cannot be opened.
        """
        self._path = path
        self._read_lock, self._write_lock = threading.RLock(), threading.RLock()
        self._is_fixed = not may_be_written(path)
        self._read, self._write = _opened(path)

    def close(self) -> None:
        """Close the file; no connection can be used any more."""
        with self._read_lock, self._write_lock:
            self._read.close()
            self._write.close()

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection, None, None]:
        """The one that reads, which nobody else has meanwhile."""
        with self._read_lock, catalog_errors(self._path):
            yield self._read

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection, None, None]:
        """One transaction, durable when the block ends; nothing changes if the block raises.

        Raises:
            StorageError: where the folder may not be written to.
        """
        with self._write_lock, catalog_errors(self._path):
            self._require_writable()
            try:
                self._write.execute("BEGIN IMMEDIATE")
                yield self._write
                _bump_generation(self._write)
                self._write.execute("COMMIT")
            except BaseException:
                if self._write.in_transaction:
                    self._write.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Generator[None, None, None]:
        """Every read inside the block sees the same generation."""
        with self.reading() as connection:
            connection.execute("BEGIN")
            try:
                yield
            finally:
                connection.execute("COMMIT")

    def _require_writable(self) -> None:
        if not self._is_fixed:
            return
        if not may_be_written(self._path):
            raise StorageError(
                f"{self._path.parent}: this folder may not be written to; expected one that may, "
                "for whatever changes the collection; searches need nothing more"
            )
        # Whoever reads meanwhile keeps what there was until both are open.
        read, write = _opened(self._path)
        with self._read_lock:
            self.close()
            self._read, self._write, self._is_fixed = read, write, False


def _opened(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    read = open_file(path)
    try:
        return read, open_file(path)
    except BaseException:
        read.close()
        raise


def _bump_generation(connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE settings SET value = CAST(value AS INTEGER) + 1 WHERE name = 'generation'"
    )
