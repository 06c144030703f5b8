"""Who may write? One process at a time; a killed one leaves nothing to clean up."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from lexmax.errors import LockedError
from lexmax.index.failures import storage_errors


class WriterLock:
    """The right to write to one collection, held by this process until `release`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this process holds it."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock, or say who has it.

        Raises:
            LockedError: if another process, or another open collection of this one, holds it.
        """
        if self._descriptor is not None:
            return
        with storage_errors(self._path):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise LockedError(
                f"{self._path.parent}: process {owner or 'unknown'} is writing to this collection; "
                "expected one writer; wait until it ends, or stop it, and run the command again"
            ) from error
        self._descriptor = descriptor
        # On a full disk the lock still holds; only the owner's number is missing from the message.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others write."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def alone_in(folder: Path) -> Generator[None, None, None]:
    """Wait until nobody else is in this block for the folder: for changes that take no time."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
