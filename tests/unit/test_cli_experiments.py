"""`lexmax experiment` and `lexmax report`, as a user runs them."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from lexmax.cli import app
from lexmax.cli_experiments import _print_table
from lexmax.errors import EvaluationError
from lexmax.eval.reports.tables import Entry, Table

MATRIX = """\
measures: [RR@10]
k: 5
latency: {queries: 1}
collections: [tiny]
systems:
  bm25: {index: {sparse: bm25}, pipeline: bm25}
  stemmed: {index: {sparse: "bm25?b=0.1"}, pipeline: sparse}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tiny"
    (folder / "qrels").mkdir(parents=True)
    for name in ("corpus", "queries"):
        rows = (json.dumps({"_id": f"{name}{i}", "text": f"word{i}"}) + "\n" for i in range(4))
        (folder / f"{name}.jsonl").write_text("".join(rows))
    judged = "".join(f"queries{i}\tcorpus{i}\t1\n" for i in range(4))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def run(*arguments: str) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_one_command_runs_and_one_reports(place: Path) -> None:
    planned = run("experiment", "matrix.yaml", "out", "--dry-run")
    assert "2 systems to run, 0 are there" in planned.output
    assert not (place / "out").exists()
    done = run("experiment", "matrix.yaml", "out")
    assert done.exit_code == 0
    assert "1.0000" in done.output
    assert "significantly" in done.output
    assert (
        "0 systems to run, 2 are there"
        in run("experiment", "matrix.yaml", "out", "--dry-run").output
    )
    run("report", "out", "r.html", "r.md", "r.json", "--no-plots")
    assert all((place / f"r.{ending}").stat().st_size > 500 for ending in ("html", "md", "json"))


def test_a_system_without_figures_makes_the_command_fail(place: Path) -> None:
    (place / "matrix.yaml").write_text(MATRIX.replace("pipeline: sparse", "pipeline: pooled"))
    result = run("experiment", "matrix.yaml", "out")
    assert result.exit_code == 1
    assert "tiny, stemmed: pipeline 'stemmed'" in result.output + result.stderr


def test_a_mistake_is_told_with_its_line(place: Path) -> None:
    (place / "matrix.yaml").write_text(MATRIX.replace("measures", "measure"))
    with pytest.raises(EvaluationError, match="did you mean measures"):
        run("experiment", "matrix.yaml", "out")


def test_names_and_figures_are_read_on_a_narrow_screen() -> None:
    names = ["lexmax-sparse", "multivector-exact", "hybrid-feedback"]
    marks = "abcdefghij"
    rows = tuple(
        (Entry(marks[i]), Entry(name), *(Entry(f"0.{i}{j}11", marks) for j in range(5)))
        for i, name in enumerate(names)
    )
    columns = ("", "system", "nDCG@10", "RR@10", "R@100", "AP", "R@1000")
    said = io.StringIO()
    _print_table(Table("found", columns, rows, n_names=2), Console(file=said, width=80))
    lines = said.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert all(f" 0.{i}{j}11 " in said.getvalue() for i in range(3) for j in range(5))
    assert all(any(f" {name[:8]}" in line for line in lines) for name in names)
