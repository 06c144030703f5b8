"""How is a catalog's file reached? By a few connections that read, and one that writes."""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from lexmax.errors import StorageError
from lexmax.index.failures import catalog_errors
from lexmax.index.schema import may_be_written, open_file

# A search, a write, a build and a merge read at the same time; the fifth waits.
_MOST_READING = 4


class Connections:
    """To one catalog, for any number of threads; writes are for the owner of the writer lock.

    Reads see what is committed. They wait neither for one another nor for a write, which holds
    its connection until the disk has it. Where the folder may not be written to, both kinds read
    the file as it is; the first write after it may be written to again opens it anew.
    """

    def __init__(self, path: Path) -> None:
        """Opens one of each kind.

        Raises:
            CorruptionError: if the file is no catalog of ours.
            IndexFormatError: if another format version wrote it.
            StorageError: if it cannot be opened.
        """
        self._path = path
        self._write_lock = threading.RLock()
        self._of_this_thread = threading.local()
        self._is_fixed = not may_be_written(path)
        self._readers, self._write = _opened(path)
        self._is_owner, self._owned = False, cast("int | None", None)

    def close(self) -> None:
        """Close the file; reads that are under way end before, and none can begin any more."""
        with self._write_lock:
            self.disown()
            self._readers.close()
            self._write.close()

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection, None, None]:
        """One that reads, which no other thread has meanwhile."""
        with catalog_errors(self._path):
            held: sqlite3.Connection | None = getattr(self._of_this_thread, "reads", None)
            if held is not None:
                yield held
                return
            readers = self._readers
            connection = self._of_this_thread.reads = readers.take()
            try:
                yield connection
            finally:
                self._of_this_thread.reads = None
                readers.give_back(connection)

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
                generation = _bumped_generation(self._write)
                self._write.execute("COMMIT")
            except BaseException:
                if self._write.in_transaction:
                    self._write.execute("ROLLBACK")
                else:  # whether it was committed is not known here
                    self._owned = None
                raise
            self._owned = generation if self._is_owner else None

    @contextmanager
    def snapshot(self) -> Generator[None, None, None]:
        """Every read of this thread inside the block sees the same generation."""
        with self.reading() as connection:
            connection.execute("BEGIN")
            try:
                yield
            finally:
                connection.execute("COMMIT")

    def own(self) -> None:
        """From here on nobody but this process writes, so `owned` need not ask the file."""
        with self._write_lock, catalog_errors(self._path):
            self._is_owner, self._owned = True, _generation(self._write)

    def disown(self) -> None:
        """Others may write again."""
        with self._write_lock:
            self._is_owner, self._owned = False, None

    @property
    def owned(self) -> int | None:
        """The newest generation, where it is this process that makes generations; else None.

        A write counts from its end on. Asking the file hands the interpreter to other threads
        several times, and beside a busy one each of these is a wait.
        """
        return self._owned

    def _require_writable(self) -> None:
        if not self._is_fixed:
            return
        if not may_be_written(self._path):
            raise StorageError(
                f"{self._path.parent}: this folder may not be written to; expected one that may, "
                "for whatever changes the collection; searches need nothing more"
            )
        # Whoever reads meanwhile keeps what there was until both are open.
        readers, write = _opened(self._path)
        self.close()
        self._readers, self._write, self._is_fixed = readers, write, False


class _Readers:
    """Connections that read; more are opened while others are in use, up to a few."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._free = [open_file(path)]
        self._n_open = 1
        self._changed = threading.Condition()
        self._closed = False

    def take(self) -> sqlite3.Connection:
        """One that nobody has; whoever takes it gives it back."""
        while True:
            with self._changed:
                self._changed.wait_for(self._may_take)
                if self._closed:
                    raise StorageError(
                        f"{self._path.parent}: the collection is closed; open it again"
                    )
                if self._free:
                    return self._free.pop()
                self._n_open += 1
            if (made := self._made()) is not None:
                return made

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Let others have it."""
        with self._changed:
            self._free.append(connection)
            self._changed.notify()
            if self._closed:
                self._close_free()

    def close(self) -> None:
        """Close all, those that are in use when they are given back."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._close_free()

    def _close_free(self) -> None:
        while self._free:
            self._free.pop().close()

    def _may_take(self) -> bool:
        return self._closed or bool(self._free) or self._n_open < _MOST_READING

    def _made(self) -> sqlite3.Connection | None:
        """One more; None where there can be none now, but somebody has given one back."""
        try:
            return open_file(self._path)
        except StorageError:  # too many files may be open; the first of ours always is
            with self._changed:
                self._n_open -= 1
                self._changed.wait_for(lambda: self._closed or self._free)
            return None
        except BaseException:
            with self._changed:
                self._n_open -= 1
            raise


def _opened(path: Path) -> tuple[_Readers, sqlite3.Connection]:
    readers = _Readers(path)
    try:
        return readers, open_file(path)
    except BaseException:
        readers.close()
        raise


def _bumped_generation(connection: sqlite3.Connection) -> int:
    """One more than before; the number is kept as text."""
    connection.execute(
        "UPDATE settings SET value = CAST(value AS INTEGER) + 1 WHERE name = 'generation'"
    )
    return _generation(connection)


def _generation(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT value FROM settings WHERE name = 'generation'").fetchone()
    return int(found[0])
