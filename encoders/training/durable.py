"""Is what training wrote on the disk, whole?"""

import errno
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors import SafetensorError

from lexmax.errors import DiskFullError, StorageError

# Ends the name of what is being written, until it takes the place of the whole.
DRAFT = ".tmp"

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_ROOM_TEXTS = ("os error 28", "os error 122", "os error 27", "No space left", "requested and")


@contextmanager
def writing(path: Path) -> Generator[None, None, None]:
    """Raise what cannot be written to `path` as an error of ours.

    Raises:
        DiskFullError: if there is no room.
        StorageError: if the disk refuses for another reason.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        if _is_no_room(error):
            raise DiskFullError(
                f"{path}: the disk is full, so this was not written; what was written before "
                "stands; free some space and run the same command again, it goes on from there"
            ) from error
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise StorageError(
            f"{path}: cannot be written ({reason}); check the folder and its permissions"
        ) from error


def _is_no_room(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return True
    return any(text in str(error) for text in _NO_ROOM_TEXTS)


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a folder's files; it is there whole or, as before, not at all.

    What stood at `folder` is replaced.

    Raises:
        DiskFullError: if there is no room.
    """
    draft = folder.with_name(folder.name + DRAFT)
    with writing(folder):
        remove(draft)
        draft.mkdir(parents=True)
        try:
            fill(draft)
            _let_read(draft)
            _sync_tree(draft)
            _exchange(draft, folder)
        except BaseException:
            remove(draft)
            raise


def write_file(path: Path, content: bytes) -> None:
    """Replace a file: readers see the old bytes or the new ones, nothing between.

    Raises:
        DiskFullError: if there is no room.
    """
    _replace(path, lambda file: file.write(content))


def write_array(path: Path, values: NDArray[Any]) -> None:
    """Replace a `.npy` file, as `write_file` does.

    Raises:
        DiskFullError: if there is no room.
    """
    _replace(path, lambda file: np.save(file, values))


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    draft = path.with_name(path.name + DRAFT)
    with writing(path):
        with draft.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync(path.parent)


def remove(folder: Path) -> None:
    """Remove a folder, if it is there; by another name first, so that no half of it is left."""
    if not folder.exists():
        return
    doomed = folder.with_name(folder.name + ".removed")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.replace(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def to_json(value: object) -> bytes:
    """The same bytes for equal values: sorted names, two spaces, a last newline."""
    return orjson.dumps(
        value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    )


def _exchange(draft: Path, folder: Path) -> None:
    remove(folder)
    draft.replace(folder)
    _sync(folder.parent)


def _let_read(folder: Path) -> None:
    """Files are for whom the folder is for; safetensors makes them for their owner alone."""
    allowed = folder.stat().st_mode & 0o666
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(path.stat().st_mode | allowed)


def _sync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
