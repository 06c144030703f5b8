"""`lexmax rerank` on a file of documents."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lexmax.cli import app, main


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    path.write_text(
        '{"_id": "wing", "text": "wings of an aircraft"}\n'
        '{"_id": "bone", "text": "vitamin D keeps bones dense"}\n'
        "{broken\n"
        '{"_id": "none", "text": ""}\n'
    )
    return path


def test_documents_are_ordered_and_broken_lines_named(texts: Path) -> None:
    result = CliRunner().invoke(app, ["rerank", "strong bones", str(texts), "--json"])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["doc_id"] for line in lines] == ["bone", "wing", "none"]
    assert [line["rank"] for line in lines] == [1, 2, 3]
    assert lines[0]["score"] > lines[1]["score"]
    assert lines[2]["score"] is None
    assert "line 3" in result.stderr


def test_so_many_are_printed_as_a_table(texts: Path) -> None:
    result = CliRunner().invoke(app, ["rerank", "strong bones", str(texts), "-k", "1"])
    assert "bone" in result.stdout
    assert "wing" not in result.stdout


def test_a_model_that_cannot_rank_is_refused(
    texts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["lexmax", "rerank", "bones", str(texts), "-m", "bm25"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    assert "reads no pairs" in " ".join(capsys.readouterr().err.split())
