"""What does a byte of a protobuf message mean? As much of the wire format as CIFF needs.

Written out here because the library would cost a dependency and, at a message object for each
posting, about a hundred times the time; the postings of a list are decoded as arrays instead.
https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_COMPACT = 1 << 20

# Tags: field number times eight, plus wire type.
_POSTING, _GAP, _TF = 4 << 3 | _BYTES, 1 << 3 | _VARINT, 2 << 3 | _VARINT
# Below this many bytes going through the fields one by one is faster than arrays.
_SHORT = 256


class WireError(ValueError):
    """Bytes that are no message; whoever knows the file and the place says where."""


class Stream:
    """Messages with their lengths before them, read from blocks of bytes."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._buffer = bytearray()
        self._at = 0
        self._dropped = 0

    @property
    def position(self) -> int:
        """Bytes read so far, after decompression."""
        return self._dropped + self._at

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return not self._has(1)

    def message(self, most: int) -> bytes:
        """The next message.

        Raises:
            WireError: if it is cut short, or claims more than `most` bytes.
        """
        size = self._length()
        if size > most:
            raise WireError(f"a message of {size:,} bytes where at most {most:,} can be")
        if not self._has(size):
            left = len(self._buffer) - self._at
            raise WireError(f"the end of the file after {left:,} of {size:,} bytes of a message")
        start = self._at
        self._at += size
        return bytes(memoryview(self._buffer)[start : self._at])

    def _length(self) -> int:
        self._has(_LONGEST_VARINT)
        if self._at == len(self._buffer):
            raise WireError("the end of the file")
        value, self._at = varint(self._buffer, self._at)
        return value

    def _has(self, n: int) -> bool:
        """Fill the buffer to n unread bytes, if there are so many."""
        if self._at > _COMPACT:
            del self._buffer[: self._at]
            self._dropped, self._at = self._dropped + self._at, 0
        while len(self._buffer) - self._at < n:
            block = next(self._blocks, None)
            if block is None:
                return False
            self._buffer += block
        return True


def varint(message: bytes | bytearray, at: int) -> tuple[int, int]:
    """The number that begins at a byte, and where it ends.

    Raises:
        WireError: if it does not end, or has more than 64 bits.
    """
    value = 0
    for shift, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, at + shift + 1
    raise WireError("a number that does not end")


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of all fields; those of fixed width, which CIFF has one of, as bytes.

    Raises:
        WireError: if the message is not made of whole fields.
    """
    at = 0
    while at < len(message):
        field, value, at = _field(message, at)
        yield field, value


def _field(message: bytes, at: int) -> tuple[int, int | bytes, int]:
    """Number and value of the field that begins at a byte, and where it ends."""
    tag, at = varint(message, at)
    kind = tag & 7
    if kind == _VARINT:
        value, end = varint(message, at)
        return tag >> 3, value, end
    if kind == _BYTES:
        size, at = varint(message, at)
    elif kind in (_FIXED64, _FIXED32):
        size = 8 if kind == _FIXED64 else 4
    else:
        raise WireError(f"a field of kind {kind}, which does not exist")
    if at + size > len(message):
        raise WireError(f"a field of {size:,} bytes that ends behind its message")
    return tag >> 3, message[at : at + size], at + size


def number(value: int | bytes) -> int:
    """A field's whole number, negative ones included.

    Raises:
        WireError: if the field is none.
    """
    if isinstance(value, bytes):
        raise WireError(f"a field of {len(value):,} bytes where a number should be")
    return value - (1 << 64) if value >> 63 else value


def text(value: int | bytes) -> str:
    """A field's text.

    Raises:
        WireError: if the field is none, or not UTF-8.
    """
    if not isinstance(value, bytes):
        raise WireError(f"the number {value} where a text should be")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise WireError(f"a text that is not UTF-8 at its byte {error.start}") from error


def head_of_list(message: bytes) -> tuple[dict[int, int | bytes], int]:
    """Fields of a posting list before its first posting, and where that begins.

    Raises:
        WireError: if these are no whole fields.
    """
    found: dict[int, int | bytes] = {}
    at = 0
    while at < len(message) and message[at] != _POSTING:
        field, value, at = _field(message, at)
        found[field] = value
    return found, at


def postings(region: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Gaps and frequencies of a run of postings as every known tool writes them, or None.

    None means that something else stands there, valid or not: go through the fields.
    """
    if len(region) < _SHORT:
        return None
    stream = np.frombuffer(region, dtype=np.uint8)
    ends = np.flatnonzero(stream < 0x80)
    sizes = np.diff(ends, prepend=-1)
    if len(ends) == 0 or ends[-1] != len(stream) - 1 or sizes.max() > 5:
        return None
    values = _values(stream, ends - sizes + 1, sizes)
    # The gap of document 0 is the default, which is left out.
    head = 6 if values[2] == _GAP else 4
    if (len(values) - head) % 6 or not _is_canonical(values[:head], sizes[:head]):
        return None
    rest, rest_sizes = values[head:].reshape(-1, 6), sizes[head:].reshape(-1, 6)
    if not _is_canonical(rest, rest_sizes):
        return None
    first_gap = values[3] if head == 6 else 0
    gaps = np.concatenate([[first_gap], rest[:, 3]])
    return gaps, np.concatenate([values[head - 1 : head], rest[:, 5]])


def _values(
    stream: NDArray[np.uint8], starts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.int64]:
    values = (stream[starts] & 0x7F).astype(np.int64)
    for byte in range(1, int(sizes.max())):
        longer = np.flatnonzero(sizes > byte)
        values[longer] |= (stream[starts[longer] + byte] & 0x7F).astype(np.int64) << 7 * byte
    return values


def _is_canonical(values: NDArray[np.int64], sizes: NDArray[np.int64]) -> bool:
    """Whether these are tag, length, [tag, gap,] tag, frequency, and the length is right."""
    tags = (_POSTING, _GAP, _TF) if values.shape[-1] == 6 else (_POSTING, _TF)
    places = (0, 2, 4) if len(tags) == 3 else (0, 2)
    return (
        all(bool(np.all(values[..., at] == tag)) for at, tag in zip(places, tags, strict=True))
        and bool(np.all(sizes[..., [*places, 1]] == 1))
        and bool(np.all(values[..., 1] == sizes[..., 2:].sum(axis=-1)))
    )


def encoded_varint(value: int) -> bytes:
    """A number from 0 on the wire."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encoded_field(field: int, value: int | str) -> bytes:
    """A field on the wire; none where the value is the default, as proto3 has it."""
    if not value:
        return b""
    if isinstance(value, int):
        return encoded_varint(field << 3 | _VARINT) + encoded_varint(value)
    content = value.encode()
    return encoded_varint(field << 3 | _BYTES) + encoded_varint(len(content)) + content


def encoded_double(field: int, value: bytes) -> bytes:
    """A field of eight bytes on the wire."""
    return encoded_varint(field << 3 | _FIXED64) + value


def encoded_postings(gaps: NDArray[np.int64], tfs: NDArray[np.int64]) -> bytes:
    """Postings on the wire: gaps from 0, frequencies from 1, both below 2^31, (df,)."""
    cells = np.zeros((len(gaps), 14), dtype=np.uint8)
    gap_sizes, tf_sizes = _fill(cells[:, 3:8], gaps), _fill(cells[:, 9:14], tfs)
    has_gap = gaps > 0
    cells[:, 0], cells[:, 2], cells[:, 8] = _POSTING, _GAP, _TF
    cells[:, 1] = 1 + tf_sizes + np.where(has_gap, 1 + gap_sizes, 0)
    kept = np.ones(cells.shape, dtype=bool)
    kept[:, 2] = has_gap
    kept[:, 3:8] = (np.arange(5) < gap_sizes[:, None]) & has_gap[:, None]
    kept[:, 9:14] = np.arange(5) < tf_sizes[:, None]
    return cells[kept].tobytes()


def _fill(cells: NDArray[np.uint8], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Write numbers below 2^35 into five cells each; how many cells each takes."""
    sizes = np.ones(len(values), dtype=np.int64)
    cells[:, 0] = values & 0x7F
    for byte in range(1, -(-int(values.max(initial=0)).bit_length() // 7)):
        more = values >> 7 * byte
        cells[:, byte] = more & 0x7F
        cells[more > 0, byte - 1] |= 0x80
        sizes += more > 0
    return sizes
