"""What does a text file of an evaluation hold, and how is one written whole or not at all?"""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lexmax.errors import CorpusError, DiskFullError, EvaluationError
from lexmax.lines import LONGEST_LINE, read_expanded, read_lines

_BLOCK = 1 << 20
_BOM = b"\xef\xbb\xbf"


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    r"""(number from 1, bytes without \n or \r\n) of each line that is not blank.

    Files that gzip or zstd has packed are unpacked.

    Raises:
        EvaluationError: if the file cannot be opened or unpacked, is cut short, or holds a line
            above 64 MiB.
    """
    try:
        with path.open("rb") as file:
            for line in read_lines(file, str(path)):
                if not line.whole:
                    raise EvaluationError(
                        f"{path}:{line.number}: the line is longer than {LONGEST_LINE >> 20} MiB; "
                        "expected one record a line, each ended by a newline; check that it is "
                        "the right file"
                    )
                if line.content and not line.content.isspace():
                    yield line.number, line.content
    except CorpusError as error:
        raise EvaluationError(str(error)) from error
    except OSError as error:
        raise EvaluationError(
            f"{path}: cannot be read ({error.strerror}); expected a text file, plain, gzip or "
            "zstd; check the path, or fetch the file again"
        ) from error


def line_blocks(path: Path) -> Iterator[bytes]:
    r"""Whole lines, some megabytes at a time, each block ending with \n; unpacked.

    Raises:
        EvaluationError: as `numbered_lines`.
    """
    try:
        with path.open("rb") as file:
            yield from _whole_lines(read_expanded(file, str(path)))
    except CorpusError as error:
        raise EvaluationError(str(error)) from error
    except OSError as error:
        raise EvaluationError(
            f"{path}: cannot be read ({error.strerror}); expected a text file, plain, gzip or "
            "zstd; check the path, or fetch the file again"
        ) from error


def _whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    begun, size = list[bytes](), 0
    is_first = True
    for piece in pieces:
        begun.append(piece)
        size += len(piece)
        if size >= _BLOCK and (end := piece.rfind(b"\n")) >= 0:
            block = b"".join(begun)
            cut = size - len(piece) + end + 1
            yield block[:cut].removeprefix(_BOM if is_first else b"")
            begun, size, is_first = [block[cut:]], len(block) - cut, False
        elif size > _BLOCK + LONGEST_LINE:
            raise CorpusError(f"a line is longer than {LONGEST_LINE >> 20} MiB")
    if rest := b"".join(begun).removeprefix(_BOM if is_first else b""):
        yield rest if rest.endswith(b"\n") else rest + b"\n"


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


def as_id(value: object) -> str | None:
    """An id as text: files hold some as whole numbers; None for what is no id, or an empty one."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value) or None


def delimiters(line: bytes) -> str:
    """What to add to an error where fields are not separated as they should be; else nothing."""
    for mark, name in ((b",", "commas"), (b";", "semicolons"), (b"|", "bars")):
        if line.count(mark) > 1 and len(line.split()) < 3:
            return f" (it seems that {name} separate the fields; put tabs in their place)"
    if b"\t" not in line and len(line.split()) == 3:
        return " (spaces stand where tabs should)"
    return ""


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
        "none of them white space, because white space separates the fields; rename it, "
        "write runs in the format msmarco, or evaluate without writing runs"
    )


def check_tabbed_ids(ids: Sequence[str]) -> None:
    """Refuses ids that a file with tabs between its fields cannot store.

    Raises:
        EvaluationError: if an id is empty, begins or ends with white space, or holds a tab, an end
            of line or a lone surrogate.
    """
    for name in ids:
        if name.split("\t") != [name.strip()] or not name or {"\n", "\r"} & set(name):
            break
        if not _is_utf8(name):
            break
    else:
        return
    raise EvaluationError(
        f"id {name!r} cannot stand in a file with tabs between its fields; expected one or more "
        "characters of UTF-8, no tab or end of line among them and no white space around them; "
        "rename it, or evaluate without writing runs"
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
