"""Where do an array's numbers begin in its file? `.npy` with a header of one length, 128 bytes.

The bytes are those of `np.save`. Because a header of fixed length can be rewritten in place, a
file can grow by rows; because it can be predicted, a damaged one is told without parsing it.
"""

import mmap
import re
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lexmax.errors import CorruptionError
from lexmax.index.durable import DRAFT
from lexmax.index.failures import storage_errors

HEADER_BYTES = 128
_MAGIC = b"\x93NUMPY\x01\x00" + (HEADER_BYTES - 10).to_bytes(2, "little")
_HEADER = re.compile(
    rb"\{'descr': '([^']*)', 'fortran_order': False, "
    rb"'shape': \(([0-9]{1,18}(?:, [0-9]{1,18})*),?\), \} *\n"
)
_REMEDY = "run `lexmax rebuild` on the collection, or restore a backup"


def npy_header(dtype: DTypeLike, shape: tuple[int, ...]) -> bytes:
    """The first 128 bytes of a C-ordered array's file, as `np.save` writes them."""
    return _header(np.dtype(dtype).str, shape)


def _header(descr: str, shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape!r}, }}"
    return _MAGIC + text.ljust(HEADER_BYTES - len(_MAGIC) - 1).encode("latin-1") + b"\n"


def write_npy(path: Path, array: NDArray[Any]) -> None:
    """Write the bytes of `np.save`. A file that is there is replaced: who has mapped it keeps it.

    Raises:
        StorageError: where the file cannot be written.
    """
    draft = path.with_name(path.name + DRAFT)
    with storage_errors(path):
        with draft.open("wb") as file:
            file.write(npy_header(array.dtype, array.shape))
            file.write(np.ascontiguousarray(array).data)
        draft.replace(path)


def map_npy(
    path: Path, dtypes: tuple[type[np.generic], ...], ndim: int, *, huge_pages: bool = False
) -> NDArray[Any]:
    """The array in a file, mapped read-only: its numbers are read when they are looked at.

    `huge_pages` asks for pages of 2 MiB, where the system has them for files: an array that is
    read at random then takes fewer misses to find, and its first reads come in larger pieces.

    Raises:
        CorruptionError: unless the file is there, its header is one that `npy_header` writes for
            one of the dtypes and `ndim` axes, and its length is what the header says.
    """
    descr, shape = _header_of(path)
    expected = {np.dtype(dtype).str: np.dtype(dtype) for dtype in dtypes}
    if descr not in expected or len(shape) != ndim:
        raise CorruptionError(
            f"{path}: found {descr!r} of {len(shape)} axes; "
            f"expected {' or '.join(expected)} of {ndim}; {_REMEDY}"
        )
    dtype = expected[descr]
    size, written = path.stat().st_size, HEADER_BYTES + prod(shape) * dtype.itemsize
    if size != written:
        raise CorruptionError(f"{path}: found {size} bytes; expected {written}; {_REMEDY}")
    if prod(shape) == 0:
        return np.zeros(shape, dtype)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if huge_pages and hasattr(mmap, "MADV_HUGEPAGE"):
        # Only advice: a kernel that cannot follow it says so.
        with suppress(OSError):
            mapped.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(mapped, dtype, prod(shape), HEADER_BYTES).reshape(shape)


def _header_of(path: Path) -> tuple[str, tuple[int, ...]]:
    try:
        with path.open("rb") as file:
            found = file.read(HEADER_BYTES)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise CorruptionError(f"{path}: missing, or no file; {_REMEDY}") from error
    if match := _HEADER.fullmatch(found, len(_MAGIC)):
        descr = match[1].decode("latin-1")
        shape = tuple(int(axis) for axis in match[2].split(b", "))
        if found == _header(descr, shape):
            return descr, shape
    raise CorruptionError(f"{path}: found no .npy header of {HEADER_BYTES} bytes; {_REMEDY}")
