"""Which rows of a segment are which passages of which document?

A segment of split documents has a row for each passage. Serials ascend as in any segment, but one
stands once for each passage of its document, in the order of the passages.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError
from lexmax.index.durable import sync_file
from lexmax.index.npy import map_npy, write_npy

FILE_NAME = "passages.npy"
SETTING = "passages"
"""Where the catalog keeps how documents are split; nothing there if they are not."""


def write_passages(folder: Path, passages: NDArray[np.int32]) -> None:
    """Force start and end of each row, (n_rows, 2), to the disk."""
    write_npy(folder / FILE_NAME, passages)
    sync_file(folder / FILE_NAME)


def read_passages(folder: Path, n_rows: int) -> NDArray[np.int32]:
    """Start and end of each row of a segment, finished or being built, in characters.

    Raises:
        CorruptionError: if the file is missing, or is not of so many rows.
    """
    found = map_npy(folder / FILE_NAME, (np.int32,), 2)
    if found.shape != (n_rows, 2):
        raise CorruptionError(
            f"{folder / FILE_NAME}: found an array of shape {found.shape}; expected {(n_rows, 2)}; "
            "run `lexmax rebuild` on the collection, or restore a backup"
        )
    return found


def n_distinct(serials: NDArray[np.int64]) -> int:
    """How many documents these rows are of; serials ascend."""
    return int(np.count_nonzero(np.diff(serials))) + (len(serials) > 0)


def rows_of(held: NDArray[np.int64], serials: NDArray[np.int64]) -> NDArray[np.int64]:
    """All rows of those of these documents that are held, ascending; `serials` ascend strictly."""
    first = np.searchsorted(held, serials)
    counts = np.searchsorted(held, serials, side="right") - first
    before = np.cumsum(counts) - counts
    shifts: NDArray[np.int64] = np.repeat(first - before, counts)
    return shifts + np.arange(len(shifts), dtype=np.int64)


def n_passages(held: NDArray[np.int64], serials: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many rows each of these documents has, in any order."""
    found: NDArray[np.int64] = np.searchsorted(held, serials, side="right")
    return found - np.searchsorted(held, serials)
