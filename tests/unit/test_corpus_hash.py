"""A corpus is read again exactly where its files may hold something else."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lexmax.errors import EvaluationError
from lexmax.eval.experiments import corpus_hash
from lexmax.eval.experiments.corpus_hash import Corpus

HOUR_NS = 3600 * 10**9
LINES = '{"_id": "a", "text": "x"}\n{"_id": "b", "text": "y"}\nno line\n'


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.jsonl"
    path.write_text(LINES)
    return path


@pytest.fixture
def n_read(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often a corpus was read; the clock stands an hour after all writes."""
    times: list[int] = []
    read, now = corpus_hash._read, time.time_ns() + HOUR_NS

    def counted(sources: list[str]) -> Corpus:
        times.append(1)
        return read(sources)

    monkeypatch.setattr(corpus_hash, "_read", counted)
    monkeypatch.setattr(corpus_hash.time, "time_ns", lambda: now)
    return lambda: len(times)


def test_what_is_known_is_not_read_again(
    tmp_path: Path, corpus: Path, n_read: Callable[[], int]
) -> None:
    cache = tmp_path / "cache" / "corpora"
    first = Corpus.of([str(corpus)], cache=cache)
    assert (first.n_docs, first.n_rejected) == (2, 1)
    assert Corpus.of([str(corpus)], cache=cache) == first
    assert n_read() == 1
    assert Corpus.of([str(corpus)]) == first
    assert n_read() == 2


def test_other_bytes_of_the_same_size_and_time_are_read(
    tmp_path: Path, corpus: Path, n_read: Callable[[], int]
) -> None:
    cache = tmp_path / "cache"
    before, said = Corpus.of([str(corpus)], cache=cache), corpus.stat()
    corpus.write_text(LINES.replace('"x"', '"z"'))
    os.utime(corpus, ns=(said.st_atime_ns, said.st_mtime_ns))
    again = corpus.stat()
    assert (again.st_size, again.st_mtime_ns) == (said.st_size, said.st_mtime_ns)
    assert Corpus.of([str(corpus)], cache=cache).digest != before.digest
    assert n_read() == 2


def test_a_file_that_takes_the_place_of_another_is_read(
    tmp_path: Path, corpus: Path, n_read: Callable[[], int]
) -> None:
    cache = tmp_path / "cache"
    before = Corpus.of([str(corpus)], cache=cache)
    other = tmp_path / "other"
    other.write_text(LINES.replace('"x"', '"z"'))
    other.replace(corpus)
    assert Corpus.of([str(corpus)], cache=cache).digest != before.digest


def test_what_was_written_just_now_is_not_remembered(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, now = tmp_path / "cache", corpus.stat().st_ctime_ns
    # A clock behind the file system's, and one that is a second ahead.
    for clock in (now - HOUR_NS, now + 10**9):
        monkeypatch.setattr(corpus_hash.time, "time_ns", lambda clock=clock: clock)
        Corpus.of([str(corpus)], cache=cache)
        assert not cache.exists()


def test_a_file_that_changes_while_it_is_read_is_not_remembered(
    tmp_path: Path, corpus: Path, n_read: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, read = tmp_path / "cache", corpus_hash._read

    def changed_meanwhile(sources: list[str]) -> Corpus:
        found = read(sources)
        with corpus.open("a") as file:
            file.write('{"_id": "c", "text": "z"}\n')
        return found

    monkeypatch.setattr(corpus_hash, "_read", changed_meanwhile)
    assert Corpus.of([str(corpus)], cache=cache).n_docs == 2
    monkeypatch.setattr(corpus_hash, "_read", read)
    assert Corpus.of([str(corpus)], cache=cache).n_docs == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"digest": 1}',
        b'{"digest": "0123456789abcdef", "n_docs": "2", "n_rejected": 0}',
    ],
)
def test_a_damaged_note_is_written_anew(
    tmp_path: Path, corpus: Path, n_read: Callable[[], int], content: bytes
) -> None:
    cache = tmp_path / "cache"
    first = Corpus.of([str(corpus)], cache=cache)
    (note,) = cache.iterdir()
    whole = note.read_bytes()
    note.write_bytes(content)
    assert Corpus.of([str(corpus)], cache=cache) == first
    assert n_read() == 2
    assert note.read_bytes() == whole


def test_another_version_of_lexmax_reads_again(
    tmp_path: Path, corpus: Path, n_read: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    Corpus.of([str(corpus)], cache=cache)
    monkeypatch.setattr(corpus_hash, "_version", lambda: "another")
    Corpus.of([str(corpus)], cache=cache)
    assert n_read() == 2


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, corpus: Path, n_read: Callable[[], int]
) -> None:
    in_the_way = tmp_path / "cache"
    in_the_way.write_text("a file")
    first = Corpus.of([str(corpus)], cache=in_the_way)
    assert Corpus.of([str(corpus)], cache=in_the_way) == first
    assert n_read() == 2


def test_names_of_ir_datasets_are_read_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Corpus(("irds:a",), str(i) * 16, i, 0) for i in (1, 2)]
    left = iter(found)
    monkeypatch.setattr(corpus_hash, "_read", lambda sources: next(left))
    assert [Corpus.of(["irds:a"], cache=tmp_path / "cache") for _ in found] == found
    assert not (tmp_path / "cache").exists()


def test_no_document_is_an_error_and_no_note(tmp_path: Path, n_read: Callable[[], int]) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text("no line\n")
    with pytest.raises(EvaluationError, match=r"c\.jsonl: holds no document; expected a corpus"):
        Corpus.of([str(path)], cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
