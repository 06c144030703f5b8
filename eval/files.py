"""What does a text file of an evaluation hold, and how is one written whole or not at all?"""

import errno
import gzip
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import zstandard

from lexmax.errors import DiskFullError, EvaluationError

MAX_LINE_BYTES = 16 << 20
_READ_BYTES = 1 << 20
# Bounds what one read of a hostile file can expand to.
_ZSTD_READ_BYTES = 1 << 14
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    r"""(number from 1, bytes without \n or \r\n) of each line that is not blank.

    Files that end in .gz or .zst are unpacked.

    Raises:
        EvaluationError: if the file cannot be opened or unpacked, is cut short, or holds a line
            above 16 MiB.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(_lines(path, _chunks(path, file)), start=1):
                clean = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                if clean and not clean.isspace():
                    yield number, clean.removesuffix(b"\r")
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EvaluationError(
            f"{path}: cannot be read ({reason}); expected a text file, plain or whole .gz or .zst; "
            "check the path, or fetch the file again"
        ) from error


def _lines(path: Path, chunks: Iterable[bytes]) -> Iterator[bytes]:
    tail = b""
    for chunk in chunks:
        lines = (tail + chunk).split(b"\n")
        tail = lines.pop()
        yield from lines
        if len(tail) > MAX_LINE_BYTES:
            raise EvaluationError(
                f"{path}: a line is longer than {MAX_LINE_BYTES >> 20} MiB; expected one record a "
                "line, each ended by a newline; check that it is the right file"
            )
    if tail:
        yield tail


def _chunks(path: Path, file: BinaryIO) -> Iterator[bytes]:
    if path.suffix == ".zst":
        return _unpacked_zstd(file)
    if path.suffix == ".gz":
        unpacked = gzip.GzipFile(fileobj=file)
        return iter(lambda: unpacked.read(_READ_BYTES), b"")
    return iter(lambda: file.read(_READ_BYTES), b"")


def _unpacked_zstd(file: BinaryIO) -> Iterator[bytes]:
    # zstandard's stream reader ends quietly at a cut; only a decompressor knows its frame's end.
    frame = zstandard.ZstdDecompressor().decompressobj()
    is_whole = True
    for chunk in iter(lambda: file.read(_ZSTD_READ_BYTES), b""):
        rest = chunk
        while rest:
            yield frame.decompress(rest)
            is_whole, rest = frame.eof, frame.unused_data
            if is_whole:
                frame = zstandard.ZstdDecompressor().decompressobj()
    if not is_whole:
        raise EOFError("the compressed file ended before its last frame did")


def decoded(path: Path, number: int, line: bytes) -> str:
    """A line as text.

    Raises:
        EvaluationError: if it is not UTF-8.
    """
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise EvaluationError(
            f"{path}:{number}: byte {error.start} of the line is not UTF-8 "
            f"({error.object[error.start : error.start + 4]!r}); expected UTF-8 text; "
            "convert the file"
        ) from error


def bad_line(path: Path, number: int, line: bytes, expected: str) -> EvaluationError:
    """The error for a line that is not what its format asks for."""
    found = line[:80].decode(errors="replace")
    return EvaluationError(f"{path}:{number}: found {found!r}; expected {expected}; mend the line")


def check_ids(ids: Sequence[str]) -> None:
    """Refuses ids that a TREC file cannot store.

    Raises:
        EvaluationError: if an id is empty, or holds white space or a lone surrogate.
    """
    joined = " ".join(ids)
    if joined.split() == list(ids) and _is_utf8(joined):
        return
    wrong = next(name for name in ids if name.split() != [name] or not _is_utf8(name))
    raise EvaluationError(
        f"id {wrong!r} cannot stand in a TREC file; expected one or more characters of UTF-8, "
        "none of them white space, because white space separates the fields; rename it, or "
        "evaluate without writing runs"
    )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def replace_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Writes a file so that a reader finds the old bytes or all of the new ones.

    Raises:
        DiskFullError: if there is no room; what stood there before stands there still.
        EvaluationError: if the path cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise _write_failure(path, error) from error


def _write_failure(path: Path, error: OSError) -> DiskFullError | EvaluationError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"{path}: no room left on the disk; what stood there before is unchanged; "
            "free some space, or write elsewhere"
        )
    return EvaluationError(
        f"{path}: cannot be written ({error.strerror}); expected a path in a folder that this "
        "user may write to; choose another"
    )
