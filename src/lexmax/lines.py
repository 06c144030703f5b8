"""Which lines does a file hold, compressed or not?"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, Protocol

import zstandard

from lexmax.errors import CorpusError

LONGEST_LINE = 64 << 20
"""Bytes; of a longer line only the beginning is kept."""

# Small, because a block of hostile zstd grows up to 32,768 times.
_BLOCK = 4096
_BYTES_A_REPORT = 1 << 18

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end. `number` counts from 1; `whole` is false where it was cut."""

    number: int
    content: bytes
    whole: bool = True


def read_lines(
    file: BinaryIO, name: str, *, on_read: Callable[[int], None] = lambda n: None
) -> Iterator[Line]:
    r"""Lines of a plain, gzip or zstd file, told apart by their first bytes.

    Lines end with \n or \r\n; a byte order mark before the first is dropped. Memory stays constant.

    Args:
        file: Opened for reading bytes.
        name: Stands in messages.
        on_read: Told, now and then and at the end, how many bytes of `file` were read since the
            last time, as they lie on disk.

    Raises:
        CorpusError: if the file cannot be read, is damaged, or ends inside compressed data.
    """
    number = 0
    try:
        for line in _split(_expanded(_blocks(file, on_read))):
            number = line.number
            yield line
    except EOFError as error:
        raise CorpusError(
            f"{name}: compressed data ends early, after line {number}; "
            "expected a complete file; copy or download it again"
        ) from error
    except (OSError, zlib.error, zstandard.ZstdError) as error:
        raise CorpusError(
            f"{name}: cannot be read after line {number} ({error}); "
            "expected a readable file, plain, gzip or zstd; check it, or copy it again"
        ) from error


def read_expanded(
    file: BinaryIO, name: str, *, on_read: Callable[[int], None] = lambda n: None
) -> Iterator[bytes]:
    """Bytes of a plain, gzip or zstd file, told apart by their first, block by block.

    Takes what `read_lines` takes, for files that are not made of lines.

    Raises:
        CorpusError: if the file cannot be read, is damaged, or ends inside compressed data.
    """
    try:
        yield from _expanded(_blocks(file, on_read))
    except EOFError as error:
        raise CorpusError(
            f"{name}: compressed data ends early; expected a complete file; "
            "copy or download it again"
        ) from error
    except (OSError, zlib.error, zstandard.ZstdError) as error:
        raise CorpusError(
            f"{name}: cannot be read ({error}); expected a readable file, plain, gzip or zstd; "
            "check it, or copy it again"
        ) from error


def _blocks(file: BinaryIO, on_read: Callable[[int], None]) -> Iterator[bytes]:
    unreported = 0
    while block := file.read(_BLOCK):
        unreported += len(block)
        if unreported >= _BYTES_A_REPORT:
            on_read(unreported)
            unreported = 0
        yield block
    on_read(unreported)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _expanded(blocks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(blocks, b"")
    blocks = chain((first,), blocks)
    start = _decompressors(first)
    if start is None:
        yield from blocks
        return
    decompressor: _Decompressor | None = None
    for block in blocks:
        rest = block
        # Compressed files may be joined end to end, and padded with zeros between.
        while rest := (rest if decompressor else rest.lstrip(b"\0")):
            decompressor = decompressor or start()
            yield decompressor.decompress(rest)
            rest = b""
            if decompressor.eof:
                rest, decompressor = decompressor.unused_data, None
    if decompressor:
        raise EOFError


def _decompressors(first: bytes) -> Callable[[], _Decompressor] | None:
    if first.startswith(_GZIP):
        return lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    if first.startswith(_ZSTD):
        return zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj
    return None


def _split(blocks: Iterator[bytes]) -> Iterator[Line]:
    number = 1
    begun = bytearray()
    whole = True
    for block in blocks:
        end, *others = block.split(b"\n")
        if len(begun) + len(end) > LONGEST_LINE:
            whole = False
        else:
            begun += end
        for following in others:
            yield _line(number, begun, whole)
            number, begun, whole = number + 1, bytearray(following), True
    if begun or not whole:
        yield _line(number, begun, whole)


def _line(number: int, content: bytearray, whole: bool) -> Line:
    start = len(_BOM) if number == 1 and content.startswith(_BOM) else 0
    return Line(number, bytes(content[start:]).removesuffix(b"\r"), whole)
