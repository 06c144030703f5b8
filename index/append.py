"""How does an array grow on disk, and survive a crash? One `.npy` file to which rows are added."""

import os
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index.failures import storage_errors
from lexmax.index.npy import HEADER_BYTES, npy_header


class NpyAppender:
    """Adds rows to an array of shape (rows, *row_shape) in a `.npy` file.

    `checkpoint` forces all rows so far to the disk. `resume` with the number that it returned
    drops whatever came after, so that going on ends with the bytes of a run without a break.
    The file is a valid `.npy` after `close`. No file stays open between calls.
    """

    def __init__(self, path: Path, dtype: DTypeLike, row_shape: tuple[int, ...]) -> None:
        """Start an array without rows; a file that is there is overwritten.

        Raises:
            StorageError: where the file cannot be written; this holds for every method.
        """
        self._path, self._dtype, self._row_shape, self._rows = path, np.dtype(dtype), row_shape, 0
        with storage_errors(path):
            path.write_bytes(npy_header(self._dtype, (0, *row_shape)))

    @staticmethod
    def resume(
        path: Path, dtype: DTypeLike, row_shape: tuple[int, ...], rows: int
    ) -> "NpyAppender":
        """Go on after the first `rows`; rows past them are dropped.

        Raises:
            CorruptionError: if the file is missing or has fewer rows.
        """
        appender = NpyAppender.__new__(NpyAppender)
        appender._path, appender._dtype, appender._row_shape = path, np.dtype(dtype), row_shape
        appender._rows = rows
        found = path.stat().st_size if path.is_file() else 0
        if found < appender._end:
            raise CorruptionError(
                f"{path}: found {found} bytes; expected at least {appender._end} at the last "
                "checkpoint; start this job from the beginning"
            )
        with storage_errors(path):
            os.truncate(path, appender._end)
            appender._write_header(0)
        return appender

    @property
    def rows(self) -> int:
        """Rows appended so far."""
        return self._rows

    @property
    def _end(self) -> int:
        return HEADER_BYTES + self._rows * prod(self._row_shape) * self._dtype.itemsize

    def append(self, array: NDArray[Any]) -> None:
        """Add the rows of an array of this dtype and row shape.

        Raises:
            ShapeError: if it has others.
        """
        if array.dtype != self._dtype or array.shape[1:] != self._row_shape or array.ndim == 0:
            raise ShapeError(
                f"{self._path.name}: found rows of {array.dtype} {array.shape[1:]}; "
                f"expected {self._dtype} {self._row_shape}"
            )
        with storage_errors(self._path), self._path.open("r+b") as file:
            file.seek(self._end)
            file.write(np.ascontiguousarray(array).data)
        self._rows += len(array)

    def checkpoint(self) -> int:
        """Force the rows to the disk; returns how many there are, which `resume` needs."""
        with storage_errors(self._path), self._path.open("rb") as file:
            os.fsync(file.fileno())
        return self._rows

    def close(self) -> None:
        """Write the number of rows into the header and force everything to the disk."""
        with storage_errors(self._path):
            os.truncate(self._path, self._end)
            self._write_header(self._rows)
        self.checkpoint()

    def _write_header(self, rows: int) -> None:
        with self._path.open("r+b") as file:
            file.write(npy_header(self._dtype, (rows, *self._row_shape)))
