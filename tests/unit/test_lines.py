import gzip
import io
import os
import zlib
from collections.abc import Callable

import pytest
import zstandard

from lexmax import lines as lines_module
from lexmax.errors import CorpusError
from lexmax.lines import Line, read_lines


def as_zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


COMPRESS = [gzip.compress, as_zstd]
BIG = b"".join(b"line %d %s\n" % (i, os.urandom(20).hex().encode()) for i in range(20_000))


def contents(data: bytes) -> list[bytes]:
    return [line.content for line in read_lines(io.BytesIO(data), "test")]


def test_numbers_ends_and_a_last_line_without_end() -> None:
    lines = list(read_lines(io.BytesIO(b"a\r\n\nb\rc\n\xe2\x80\xa8d"), "test"))
    assert lines == [Line(1, b"a"), Line(2, b""), Line(3, b"b\rc"), Line(4, b"\xe2\x80\xa8d")]


def test_byte_order_mark_is_dropped_once() -> None:
    assert contents(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n") == [b"a", b"\xef\xbb\xbfb"]


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_nothing(content: bytes) -> None:
    assert contents(content) == content.split(b"\n")[:-1]


@pytest.mark.parametrize("compress", [bytes, *COMPRESS])
def test_large_files(compress: Callable[[bytes], bytes]) -> None:
    assert contents(compress(BIG)) == BIG.split(b"\n")[:-1]


@pytest.mark.parametrize("compress", COMPRESS)
def test_files_joined_end_to_end(compress: Callable[[bytes], bytes]) -> None:
    assert contents(compress(b"a\nb") + compress(b"c\n")) == [b"a", b"bc"]


def test_gzip_padded_with_zeros() -> None:
    assert contents(gzip.compress(b"a\n") + bytes(10_000)) == [b"a"]


@pytest.mark.parametrize("compress", COMPRESS)
def test_every_cut_of_compressed_data_is_found(compress: Callable[[bytes], bytes]) -> None:
    data = compress(b"one\ntwo\nthree\n")
    for end in range(4, len(data)):
        with pytest.raises(CorpusError, match="compressed data ends early"):
            contents(data[:end])


@pytest.mark.parametrize("compress", COMPRESS)
def test_damage_is_found_and_says_after_which_line(compress: Callable[[bytes], bytes]) -> None:
    data = bytearray(compress(BIG))
    data[-5] ^= 0xFF  # In the checksum.
    with pytest.raises(
        CorpusError, match=r"test: cannot be read after line 1\d{4} .*copy it again"
    ):
        contents(bytes(data))


def test_a_disk_that_fails() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(CorpusError, match=r"after line 0 .*Input/output error"):
        list(read_lines(Failing(), "test"))


def test_too_long_lines_are_cut_and_the_next_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "LONGEST_LINE", 10_000)
    data = b"a\n" + b"x" * 50_000 + b"\n" + b"y" * 10_000 + b"\nz\n" + b"w" * 20_000
    lines = list(read_lines(io.BytesIO(data), "test"))
    assert [line.whole for line in lines] == [True, False, True, True, False]
    assert [line.number for line in lines] == [1, 2, 3, 4, 5]
    assert [len(line.content) <= 10_000 for line in lines] == [True] * 5
    assert lines[2].content == b"y" * 10_000


@pytest.mark.parametrize("compress", [bytes, *COMPRESS])
def test_every_byte_on_disk_is_reported(compress: Callable[[bytes], bytes]) -> None:
    reports: list[int] = []
    data = compress(BIG)
    for _ in read_lines(io.BytesIO(data), "test", on_read=reports.append):
        pass
    assert sum(reports) == len(data)
    assert len(reports) > 1


def test_a_megabyte_of_zeros_comes_in_small_steps() -> None:
    """What a few bytes may grow to is bounded by the block that is read."""
    expanded = lines_module._expanded(iter([zlib.compress(bytes(1 << 20), wbits=31)]))
    assert sum(len(part) for part in expanded) == 1 << 20
