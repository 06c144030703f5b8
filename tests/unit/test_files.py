"""Lines of plain and packed files, and files that are replaced whole or not at all."""

import errno
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from lexmax import lines
from lexmax.errors import DiskFullError, EvaluationError
from lexmax.eval.files import check_ids, numbered_lines, replace_file


def test_blank_lines_are_skipped_but_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\n  \t\ntwo\nthree")
    assert list(numbered_lines(path)) == [(1, b"one"), (4, b"two"), (5, b"three")]


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_packed_files_hold_the_same_lines(tmp_path: Path, ending: str) -> None:
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[ending]
    text = b"".join(b"line %d\n" % i for i in range(200_000))
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(pack(text))
    lines = list(numbered_lines(path))
    assert len(lines) == 200_000
    assert lines[-1] == (200_000, b"line 199999")


def test_zstd_frames_may_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(zstandard.compress(b"one\ntw") + zstandard.compress(b"o\n"))
    assert list(numbered_lines(path)) == [(1, b"one"), (2, b"two")]


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".zst", zstandard.compress)])
def test_a_cut_file_is_refused_not_read_in_part(
    tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(pack(os.urandom(100_000).hex().encode())[:-20])
    with pytest.raises(EvaluationError, match="ends early"):
        list(numbered_lines(path))


def test_packing_is_told_by_content_and_not_by_name(tmp_path: Path) -> None:
    for ending in (".gz", ".zst"):
        path = tmp_path / f"a{ending}"
        path.write_bytes(b"plain text\n")
        assert list(numbered_lines(path)) == [(1, b"plain text")]


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(EvaluationError, match="cannot be read"):
            list(numbered_lines(path))


def test_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 1000)
    path = tmp_path / "a"
    path.write_bytes(b"x" * 2000)
    with pytest.raises(EvaluationError, match="line is longer"):
        list(numbered_lines(path))


def test_ids_that_trec_files_cannot_store() -> None:
    check_ids(["a/b", "🦊", "é", "https://example.org/?q=1#x"])
    for ids in (["a b"], ["a", ""], ["a b", ""], ["a\u00a0b"], ["a\tb"], ["\ud800"], [" a"]):
        with pytest.raises(EvaluationError, match="cannot stand in a TREC file"):
            check_ids(ids)


def test_replaced_file_and_its_folder_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    replace_file(path, [b"one\n", b"two\n"])
    assert path.read_bytes() == b"one\ntwo\n"
    replace_file(path, [b"three\n"])
    assert path.read_bytes() == b"three\n"


def test_failed_writing_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match="no room left"):
        replace_file(path, [b"new"])
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(EvaluationError, match="cannot be written"):
        replace_file(tmp_path / "a" / "b.txt", [b"x"])
