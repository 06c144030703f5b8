"""What the command says where it cannot, or should not, do anything."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from lexmax.cli import main

Run: TypeAlias = Callable[..., tuple[int, str]]

LIST = b'[{"_id": "a", "text": "cat"}]\n'


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["lexmax", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return call


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LIST, "1 entries cannot be stored, the first, {} line 1, because: JSON, but a list"),
        (
            b'\n{"text": "x"}\n[]\n',
            "2 entries cannot be stored, the first, {} line 2, because: no id",
        ),
        (b"\n", "found no document in the corpus; expected at least one"),
    ],
)
def test_a_corpus_without_documents_says_why(
    run: Run,
    tmp_path: Path,
    content: bytes,
    said: str,
) -> None:
    corpus = tmp_path / "corpus.json"
    corpus.write_bytes(content)
    code, error = run("index", tmp_path / "ix", corpus, "--multivector", "none")
    assert code == 1
    assert said.format(corpus) in error
    assert not (tmp_path / "ix").exists()


@pytest.mark.parametrize("address", ["https://example.org/corpus.jsonl", "s3://bucket/x.parquet"])
def test_nothing_is_fetched(run: Run, tmp_path: Path, address: str) -> None:
    code, error = run("index", tmp_path / "ix", address)
    assert code == 1
    assert "is an address, and nothing is fetched" in error


@pytest.mark.parametrize(
    ("query", "more", "said"),
    [
        ("", (), "the query is empty"),
        ("cat", ("-k", "0"), "k is 0"),
        ("cat", ("-k", "-1"), "k is -1"),
    ],
)
def test_rerank_refuses_what_search_refuses(
    run: Run,
    tmp_path: Path,
    query: str,
    more: tuple[str, ...],
    said: str,
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_bytes(b'{"_id": "a", "text": "cat"}\n')
    code, error = run("rerank", query, corpus, *more)
    assert (code, said in error) == (1, True)


def test_limit_writes_over_its_own_files_alone(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "limit"
    plan = ("-n", "10", "-k", "2", "--queries", "5")
    assert run("limit", folder, *plan)[0] == 0
    assert run("limit", folder, *plan)[0] == 0
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "corpus.jsonl").write_bytes(LIST)
    code, error = run("limit", mine, *plan)
    assert (code, (mine / "corpus.jsonl").read_bytes()) == (1, LIST)
    assert "holds files that `lexmax limit` has not written; expected a folder" in error
    twin = tmp_path / "other-synonyms"
    mine.rename(twin)
    assert run("limit", tmp_path / "other", *plan, "--synonyms")[0] == 1
    assert not (tmp_path / "other").exists()


def test_restore_names_what_it_was_given(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cut.tar").write_bytes(b"x" * 100)
    code, error = run("restore", tmp_path / "cut.tar", tmp_path / "ix")
    assert (code, f"{tmp_path / 'cut.tar'}: the snapshot ends early" in error) == (1, True)
    code, error = run("restore", tmp_path, tmp_path / "ix")
    assert (code, f"{tmp_path}: is a folder; expected a snapshot" in error) == (1, True)
