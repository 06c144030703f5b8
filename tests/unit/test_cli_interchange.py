"""The commands import, export and lucene, as a user runs them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lexmax import lucene

Run = Callable[..., tuple[int, str, str]]
LINES = '{"id": "a", "vector": {"x": 3, "y": 1}}\n{"id": "b", "vector": {"x": 1.5}}\n'


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run_it(*arguments: object) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "lexmax.cli", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, cwd=tmp_path, text=True, check=False)
        return done.returncode, " ".join(done.stdout.split()), " ".join(done.stderr.split())

    return run_it


def test_there_and_back(tmp_path: Path, run: Run) -> None:
    (tmp_path / "x.jsonl").write_text(LINES)
    code, out, _ = run("import", "x.jsonl", "ix", "--format", "anserini")
    assert code == 0
    assert "imported 2 documents and 2 terms" in out
    assert " 1 6.0000 a" in run("search", "ix", "x^2")[1]
    assert run("verify", "ix")[0] == 0

    code, out, _ = run("export", "ix", "x.ciff.gz", "--format", "ciff")
    assert code == 0
    assert "2 documents, 2 terms and 3 weights" in out
    assert "multiplied by 85 and rounded" in out
    assert "off by up to 0.0059, small ones by up to 0.012" in out
    code, _, err = run("export", "ix", "x.ciff.gz", "--format", "ciff")
    assert code == 1
    assert "--force" in err
    code, out, _ = run("export", "ix", "x.npz", "--format", "csr")
    assert "weights are exact" in out

    assert run("import", "x.ciff.gz", "back", "--format", "ciff")[0] == 0
    assert " 1 255.0000 a" in run("search", "back", "x")[1]


def test_errors_are_one_message(tmp_path: Path, run: Run) -> None:
    (tmp_path / "x.ciff").write_bytes(b"\x03abc")
    for arguments in (
        ("import", "x.ciff", "ix", "--format", "ciff"),
        ("import", "none", "ix", "--format", "csr"),
        ("export", "none", "x", "--format", "csr"),
    ):
        code, _, err = run(*arguments)
        assert code == 1
        assert "error: " in err
        assert "Traceback" not in err
    assert run("import", "x.ciff", "ix", "--format", "parquet")[0] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.ciff"]


@pytest.mark.skipif(not lucene.installed(), reason='needs `pip install "lexmax[lucene]"`')
def test_lucene_check(tmp_path: Path, run: Run) -> None:
    (tmp_path / "x.jsonl").write_text(LINES.replace("1.5", "2"))
    (tmp_path / "q.jsonl").write_text('{"_id": "1", "text": "x^2 y"}\n')
    run("import", "x.jsonl", "ix", "--format", "anserini")
    code, out, _ = run("lucene", "check", "ix", "--queries", "q.jsonl")

    assert code == 0
    assert "1 of 1 queries: documents, order and scores are equal to Lucene's" in out


def test_help_teaches(run: Run) -> None:
    for command in (("import",), ("export",), ("lucene", "check")):
        code, out, _ = run(*command, "--help")
        assert code == 0
        assert "Example: lexmax" in out


def test_names_of_files_are_no_markup(tmp_path: Path, run: Run) -> None:
    (tmp_path / "x.jsonl").write_text(LINES)
    name = "a[bold]b[/x]"
    (tmp_path / "a[bold]b[").mkdir()
    code, out, err = run("import", "x.jsonl", name, "--format", "anserini")
    assert (code, "Traceback" in err) == (0, False)
    assert f"to {name}" in out
    for command in ("verify", "merge", "rebuild"):
        code, out, err = run(command, name)
        assert (code, "Traceback" in err) == (0, False)
        assert name in out
    code, out, _ = run("export", name, "a[bold]b[/y]", "--format", "ciff")
    assert code == 0
    assert "to a[bold]b[/y]" in out
