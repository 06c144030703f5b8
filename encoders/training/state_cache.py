"""Which states of a frozen transformer have been computed before?

Two files that only grow. `states.f16` holds float16 states, token after token. `rows.bin` says
which rows they belong to, a record of 32 bytes each, which is written once the states are on the
disk. What a killed process left behind the last whole record is overwritten by the next one.
"""

import errno
import fcntl
import json
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xxhash
from numpy.typing import NDArray

from lexmax.errors import DiskFullError, EncoderError

_RECORD = np.dtype([("key", "V16"), ("start", "<u8"), ("length", "<u4"), ("check", "<u4")])
_CHECKED_BYTES = 28
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StateCache:
    """States by the hash of their row's token ids; may be shared by processes.

    Attributes:
        folder: Where the two files stand: one folder for each backbone, below the given one.
    """

    def __init__(self, folder: Path, *, fingerprint: str, dim: int) -> None:
        """Opens the cache of a backbone, or begins one.

        Args:
            folder: Holds caches of any number of backbones.
            fingerprint: Of the backbone.
            dim: Coordinates of one state.

        Raises:
            EncoderError: if `folder` cannot be written.
        """
        named = json.dumps({"fingerprint": fingerprint, "dim": dim, "version": 1}, sort_keys=True)
        self.folder = folder / xxhash.xxh3_128_hexdigest(named.encode())[:16]
        self._dim = dim
        self._places: dict[bytes, tuple[int, int]] = {}
        self._n_tokens = 0
        self._n_read = 0
        self._states = np.zeros((0, dim), np.float16)
        with _refusals(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "cache.json").write_text(named + "\n")
            with self._alone() as (_, rows):
                self._catch_up(rows)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def __getitem__(self, key: bytes) -> NDArray[np.float16]:
        """States of a row, (its tokens, dim), mapped from the file.

        Raises:
            KeyError: if they have not been stored.
        """
        start, length = self._places[key]
        return self._states[start : start + length]

    def append(self, keys: Sequence[bytes], states: Sequence[NDArray[np.float16]]) -> None:
        """Store states of rows; when this returns, they are on the disk.

        Raises:
            DiskFullError: if there is no room; what was stored before is kept.
        """
        with _refusals(self.folder), self._alone() as (tokens, rows):
            self._catch_up(rows)
            records = np.zeros(len(keys), _RECORD)
            start = self._n_tokens
            tokens.seek(start * self._dim * 2)
            for record, key, of_row in zip(records, keys, states, strict=True):
                tokens.write(np.ascontiguousarray(of_row, np.float16).tobytes())
                record["key"], record["start"], record["length"] = key, start, len(of_row)
                record["check"] = xxhash.xxh32_intdigest(record.tobytes()[:_CHECKED_BYTES])
                start += len(of_row)
            _to_disk(tokens)
            rows.seek(self._n_read * _RECORD.itemsize)
            rows.write(records.tobytes())
            _to_disk(rows)
            self._catch_up(rows)

    def _catch_up(self, rows: BinaryIO) -> None:
        """Read whole records that this or another process has added; cut off a torn one."""
        rows.seek(self._n_read * _RECORD.itemsize)
        found = rows.read()
        stored = (self.folder / "states.f16").stat().st_size // (2 * self._dim)
        for i in range(len(found) // _RECORD.itemsize):
            part = found[i * _RECORD.itemsize : (i + 1) * _RECORD.itemsize]
            record: Any = np.frombuffer(part, _RECORD)[0]
            start, stop = int(record["start"]), int(record["start"]) + int(record["length"])
            sound = int(record["check"]) == xxhash.xxh32_intdigest(part[:_CHECKED_BYTES])
            if not sound or stop > stored:
                break
            self._places[bytes(record["key"])] = (start, stop - start)
            self._n_tokens = max(self._n_tokens, stop)
            self._n_read += 1
        rows.truncate(self._n_read * _RECORD.itemsize)
        if len(self._states) < self._n_tokens:
            shape = (self._n_tokens, self._dim)
            path = self.folder / "states.f16"
            self._states = np.memmap(path, np.float16, mode="r", shape=shape)

    @contextmanager
    def _alone(self) -> Generator[tuple[BinaryIO, BinaryIO], None, None]:
        """Both files, while no other process writes them."""
        with (
            _opened(self.folder / "states.f16") as tokens,
            _opened(self.folder / "rows.bin") as rows,
        ):
            fcntl.flock(rows, fcntl.LOCK_EX)
            yield tokens, rows


def _opened(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _refusals(folder: Path) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFullError(
                f"{folder}: no room for more states of the frozen model; those that were stored "
                "are kept; free some space, or give another folder as the cache"
            ) from error
        raise EncoderError(
            f"{folder}: the cache of states cannot be used ({error.strerror or error}); "
            "expected a folder that can be written; give another one"
        ) from error
