"""Where does each line of a file begin?"""

import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import xxhash

from lexmax.encoders.training.durable import DRAFT, writing
from lexmax.errors import CorpusError
from lexmax.lines import LONGEST_LINE, Line, read_expanded

_PACKED = (".gz", ".zst")
_BOM = b"\xef\xbb\xbf"
_PIECE = 1 << 13


def identity(path: Path) -> str:
    """A name for these bytes at this place: path, size and time of change.

    Raises:
        CorpusError: if there is no such file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise CorpusError(
            f"{path}: cannot be read ({error.strerror}); expected a file; check the path"
        ) from error
    found = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    return xxhash.xxh3_64_hexdigest(found.encode())


def plain_file(path: Path, cache: Path, *, on_read: Callable[[int], None]) -> Path:
    """The file itself, or its expansion in `cache` if it is packed: lines are to be found in it.

    Raises:
        CorpusError: if it cannot be read, or is damaged.
        DiskFullError: if there is no room to expand it.
    """
    if path.suffix.lower() not in _PACKED:
        return path
    expanded = cache / f"{identity(path)}.txt"
    if not expanded.exists():
        draft = expanded.with_name(expanded.name + DRAFT)
        with opened(path) as packed, writing(draft), draft.open("wb") as file:
            for block in read_expanded(packed, str(path), on_read=on_read):
                file.write(block)
        with writing(expanded):
            draft.replace(expanded)
    return expanded


def opened(path: Path) -> BinaryIO:
    """The file, for reading bytes.

    Raises:
        CorpusError: if it cannot be opened.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise CorpusError(
            f"{path}: cannot be opened ({error.strerror}); expected a readable file; check it"
        ) from error


def lines_of(path: Path, *, on_read: Callable[[int], None]) -> Iterator[tuple[int, Line]]:
    r"""(offset, line) of every line of a plain file that is not empty.

    Lines end with \n or \r\n; of one longer than `LONGEST_LINE` only the beginning is kept.
    `on_read` is told bytes, as they are read.
    """
    offset = number = 0
    with opened(path) as file:
        while content := file.readline(LONGEST_LINE + 1):
            number += 1
            whole = len(content) <= LONGEST_LINE
            size = len(content) if whole else len(content) + _passed_over(file, content)
            line = _stripped(content, offset)
            if line and not line.isspace():
                yield offset, Line(number, line, whole)
            offset += size
            on_read(size)


def _passed_over(file: BinaryIO, content: bytes) -> int:
    """Bytes that were left of a line of which `content` has been read."""
    size = 0
    while not content.endswith(b"\n") and (content := file.readline(LONGEST_LINE)):
        size += len(content)
    return size


def _stripped(content: bytes, offset: int) -> bytes:
    content = content.removeprefix(_BOM) if offset == 0 else content
    return content.removesuffix(b"\n").removesuffix(b"\r")


class LineFile:
    """Lines of a plain file by where they begin; the file stays open as long as this is in use."""

    def __init__(self, path: Path) -> None:
        """Opens the file.

        Raises:
            CorpusError: if it cannot be opened.
        """
        self._path = path
        with opened(path) as file:
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def line(self, offset: int) -> bytes:
        """The line that begins at this byte, without its end; may be called from any thread.

        Raises:
            CorpusError: if the file cannot be read there.
        """
        found = bytearray()
        try:
            while len(found) < LONGEST_LINE and (
                piece := os.pread(self._descriptor, _PIECE, offset + len(found))
            ):
                found += piece
                if (end := found.find(b"\n", len(found) - len(piece))) >= 0:
                    del found[end:]
                    break
        except OSError as error:
            raise CorpusError(
                f"{self._path}: cannot be read at byte {offset} ({error.strerror}); check the disk"
            ) from error
        return _stripped(bytes(found), offset)
