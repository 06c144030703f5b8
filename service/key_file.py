"""Which keys hold now? Those of a file, read again when it has changed."""

import time
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from lexmax.errors import InputError
from lexmax.index.durable import write_atomically
from lexmax.index.failures import storage_errors
from lexmax.index.lock import alone_in
from lexmax.service.keys import Key, KeyRing, explained
from lexmax.service.logs import Log

_LOOK_EVERY_S = 1.0
_OWNER_ONLY = 0o600


class KeyFile:
    """The keys of one file. A change holds within a second, without a restart.

    A file that has become unreadable changes nothing, and the log says so: keys are revoked by
    `lexmax keys revoke`, not by deleting their file.
    """

    def __init__(
        self, path: Path, *, log: Log, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Reads it.

        Raises:
            InputError: if there is no such file, or it is not one of keys.
        """
        self._path, self._log, self._clock = path, log, clock
        self._seen = _state(path)
        self._ring = read_keys(path)
        self._look_at = clock() + _LOOK_EVERY_S

    def find(self, secret: str) -> Key | None:
        """The key of which this is the text, if it holds."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + _LOOK_EVERY_S
            self._look()
        return self._ring.find(secret)

    def _look(self) -> None:
        state = _state(self._path)
        if state == self._seen:
            return
        self._seen = state
        try:
            self._ring = read_keys(self._path)
        except InputError as error:
            self._log.error("keys_not_read", found=str(error))
        else:
            self._log.info("keys_read", keys=len(self._ring.keys))


def read_keys(path: Path) -> KeyRing:
    """The keys of a file.

    Raises:
        InputError: if there is no such file, or it is not one of keys.
    """
    try:
        return KeyRing.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); expected a file of keys; make one with "
            f"`lexmax keys create NAME --keys {path}`"
        ) from error
    except ValidationError as error:
        raise InputError(
            f"{path}: is no file of keys: {explained(error)}; expected what `lexmax keys create` "
            "writes; correct it, or make a new one"
        ) from None


def change_keys(path: Path, change: Callable[[tuple[Key, ...]], tuple[Key, ...]]) -> None:
    """Put other keys in the place of those in the file, which need not be there yet.

    A new file can be read by its owner only. Of two changes at one time neither is lost.

    Raises:
        InputError: if it is not a file of keys.
        StorageError: if it cannot be written.
    """
    with storage_errors(path), alone_in(path.parent):
        there = path.exists()
        mode = path.stat().st_mode & 0o777 if there else _OWNER_ONLY
        ring = read_keys(path) if there else KeyRing()
        text = KeyRing(keys=change(ring.keys)).model_dump_json(indent=2)
        write_atomically(path, text.encode() + b"\n")
        path.chmod(mode)


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
