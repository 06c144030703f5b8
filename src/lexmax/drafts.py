"""Where does a thing lie while it is being made? In a folder of its own that a killed job leaves.

The folder's name begins with a dot, so nobody takes it for a collection. Whoever makes it holds its
lock, which the system releases when the process ends: what is not locked was left behind.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from lexmax.errors import LockedError, StorageError
from lexmax.index.failures import storage_errors
from lexmax.index.layout import Layout
from lexmax.index.lock import WriterLock


class Draft:
    """A folder that is ours until it is dropped, or has taken another name and is released."""

    def __init__(self, folder: Path) -> None:
        """Makes it, empty; what a killed process left under this name is removed.

        Raises:
            LockedError: if another process, or another draft of this one, has it.
            StorageError: if it cannot be made.
        """
        self.folder = folder
        with storage_errors(folder):
            folder.mkdir(exist_ok=True)
        self._lock = WriterLock(Layout(folder).lock)
        self._lock.acquire()
        try:
            with storage_errors(folder):
                _empty(folder)
        except StorageError:
            self.drop()
            raise

    def release(self) -> None:
        """Let others write to the folder, which may have another name by now."""
        self._lock.release()

    def drop(self) -> None:
        """Remove it with all that it holds, and release it; twice is as good as once."""
        if self._lock.held:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._lock.release()


def sweep(folder: Path, pattern: str) -> None:
    """Remove the drafts in a folder that killed processes left there."""
    for left in folder.glob(pattern):
        lock = WriterLock(Layout(left).lock)
        with suppress(LockedError, StorageError):
            lock.acquire()
            shutil.rmtree(left, ignore_errors=True)
            lock.release()


def _empty(folder: Path) -> None:
    lock = Layout(folder).lock
    for left in folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left != lock:
            left.unlink()
