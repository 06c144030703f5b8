"""How far did a job come that appends lines to a file, when it was killed?"""

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import orjson

from lexmax.encoders.training.durable import write_file, writing

_PART, _PLACE = ".part", ".place"


class GrownFile:
    """A file of lines under another name until it is finished.

    Attributes:
        done: Entries whose lines stand in it.
    """

    def __init__(self, path: Path) -> None:
        """Opens what an earlier run left, without what it had not noted, or begins.

        Raises:
            DiskFullError: if there is no room.
        """
        self._path = path
        self._part = path.with_name(path.name + _PART)
        self._place = path.with_name(path.name + _PLACE)
        self.done, size = self._noted()
        with writing(self._part):
            self._file: BinaryIO = self._part.open("ab")
            self._file.truncate(size)
            self._file.seek(size)

    def append(self, lines: Iterable[bytes], *, done: int) -> None:
        """Add lines, on the disk when it returns; `done` entries are in the file now.

        Raises:
            DiskFullError: if there is no room; what was noted stands.
        """
        with writing(self._part):
            self._file.writelines(lines)
            self._file.flush()
            os.fsync(self._file.fileno())
            place = {"done": done, "bytes": self._file.tell()}
        write_file(self._place, orjson.dumps(place))
        self.done = done

    def finish(self) -> None:
        """Give the file its name."""
        with writing(self._path):
            self._file.close()
            self._part.replace(self._path)
            self._place.unlink(missing_ok=True)

    def __enter__(self) -> "GrownFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _noted(self) -> tuple[int, int]:
        try:
            place = orjson.loads(self._place.read_bytes())
            done, size = int(place["done"]), int(place["bytes"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, 0
        # A file shorter than was noted is another one.
        if not self._part.exists() or self._part.stat().st_size < size:
            return 0, 0
        return done, size
