"""The commands datasets, compare, qrels-study and limit, as a user runs them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lexmax.cli_evaluation import add_evaluation_commands
from lexmax.errors import EvaluationError

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    add_evaluation_commands(app)

    def run_it(*arguments: object) -> str:
        result = CliRunner().invoke(app, list(map(str, arguments)))
        if result.exception is not None:
            raise result.exception
        return result.output

    return run_it


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Three systems over 12 topics: the first finds nothing, the others each relevant document."""
    topics = [f"t{i}" for i in range(12)]
    qrels = "".join(f"{t} 0 a 1\n{t} 0 b 1\n{t} 0 c 0\n{t} 0 d 0\n" for t in topics)
    (tmp_path / "qrels.txt").write_text(qrels)
    orders = {"bad": "cdab", "good": "abcd", "best": "bacd"}
    for name, order in orders.items():
        lines = (
            f"{t} Q0 {doc} {rank} {9 - rank} {name}\n"
            for t in topics
            for rank, doc in enumerate(order)
        )
        (tmp_path / f"{name}.trec").write_text("".join(lines))
    return [tmp_path / f"{name}.trec" for name in orders]


def test_compare_marks_and_lists_pairs(tmp_path: Path, run: Run, runs: list[Path]) -> None:
    out = run("compare", *runs, "--qrels", "qrels.txt", "--measures", "RR@10,Candidates@R100")
    assert "runs 3, qrels qrels.txt, 12 judged queries" in out
    assert "1.0000 a" in out
    assert "randomisation test, 10,000 draws, Holm, 3 pairs a measure" in out
    assert "bad - good" in out
    assert "0 / 12" in out
    run(
        *("compare", *runs, "--qrels", "qrels.txt", "--measures", "RR@10", "--test", "tukey"),
        *("--baseline", "good", "--json", "out.json", "--seed", "3"),
    )
    figures = json.loads((tmp_path / "out.json").read_text())
    assert figures["pipelines"]["bad"]["RR@10"] == pytest.approx(1 / 3)
    (comparison,) = figures["comparisons"]
    assert (comparison["baseline"], comparison["test"]) == ("good", "tukey")
    assert [d["significant"] for d in comparison["differences"]] == [True, False]


def test_compare_needs_two_runs_and_a_known_test(run: Run, runs: list[Path]) -> None:
    with pytest.raises(EvaluationError, match="two or more"):
        run("compare", runs[0], "--qrels", "qrels.txt")
    with pytest.raises(EvaluationError, match="no test 'z'"):
        run("compare", *runs, "--qrels", "qrels.txt", "--test", "z")
    with pytest.raises(EvaluationError, match="no measure 'ndcg'"):
        run("compare", *runs, "--qrels", "qrels.txt", "--measures", "ndcg")


def test_study_of_qrels(tmp_path: Path, run: Run, runs: list[Path]) -> None:
    command = ("qrels-study", *runs, "--qrels", "qrels.txt", "--measure", "AP", "--test", "t")
    out = run(*command, "--budgets", "1,4", "--methods", "depth,hedge", "--json", "study.json")
    assert "3 systems, 12 topics, AP, t: 2 of 3 pairs differ" in out
    study = json.loads((tmp_path / "study.json").read_text())
    assert [(row["method"], row["budget"]) for row in study["rows"]] == [
        *(("depth", 1), ("depth", 4)),
        *(("hedge", 1), ("hedge", 4)),
    ]
    assert study["rows"][1]["recall"] == 1.0
    with pytest.raises(EvaluationError, match="--budgets is 'x'"):
        run(*command, "--budgets", "x")


def test_a_generated_dataset_is_listed(tmp_path: Path, run: Run) -> None:
    out = run("limit", "tiny", "-n", 6, "-k", 2, "--queries", 15, "--synonyms", "--liked", 5)
    assert "6 documents, 15 queries, 2 relevant documents each, in tiny and tiny-synonyms" in out
    listed = run("datasets", "--json", "found.json")
    assert "tiny-synonyms" in listed
    assert "CC0-1.0" in listed
    assert "missing, by the names of their folders" in listed
    found = json.loads((tmp_path / "found.json").read_text())
    assert [one["documents"] for one in found["found"]] == [6, 6]
    with pytest.raises(EvaluationError, match="no such folder"):
        run("datasets", "absent")


def test_the_commands_stand_in_the_command_line() -> None:
    from lexmax.cli import app

    names = {command.name for command in app.registered_commands}
    assert {"datasets", "compare", "qrels-study", "limit"} <= names
