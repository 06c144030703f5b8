"""`lexmax calibrate` learns, prints what held-out queries say, and explains what it refuses."""

from pathlib import Path

import orjson
import pytest
import typer
from typer.testing import CliRunner, Result

from lexmax.cli_relevance import add_relevance_commands
from lexmax.collection import Collection
from lexmax.errors import CalibrationError, EvaluationError
from lexmax.relevance import load_calibration
from lexmax.types import Document

N_TOPICS = 24


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A collection, and a BEIR folder of queries that it can answer."""
    folder = tmp_path_factory.mktemp("calibrated")
    dataset = folder / "topics"
    (dataset / "qrels").mkdir(parents=True)
    with Collection.create(folder / "c", multivector=None, merge_in_background=False) as made:
        made.add(
            Document(f"d{i}", f"topic{i % N_TOPICS} common number{i}") for i in range(3 * N_TOPICS)
        )
    (dataset / "queries.jsonl").write_bytes(
        b"".join(
            orjson.dumps({"_id": f"q{i}", "text": f"topic{i} common"}) + b"\n"
            for i in range(N_TOPICS)
        )
    )
    lines = [f"q{i % N_TOPICS}\td{i}\t1\n" for i in range(3 * N_TOPICS)]
    (dataset / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    (dataset / "qrels" / "few.tsv").write_text("query-id\tcorpus-id\tscore\n" + lines[0])
    return folder / "c", dataset


def invoked(*arguments: str | Path) -> Result:
    app = typer.Typer()
    add_relevance_commands(app)
    app.command("other")(lambda: None)
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


FAST = ("--inputs", "none", "--scale", "query", "--held-out", "0.5", "--form", "linear")


def test_it_prints_what_held_out_queries_say(folders: tuple[Path, Path]) -> None:
    result = invoked(*folders, "--pipeline", "bm25", "--recall", "0.9", *FAST, "--name", "topics")
    assert result.exit_code == 0, result.output
    assert "topics: 24 judged queries, 1,728 pairs" in result.output
    assert "raw score" in result.output
    assert "map linear, inputs none, scale query" in result.output
    assert "threshold for recall=0.9" in result.output
    found = load_calibration(folders[0], "topics")
    assert found.version.pipeline_name == "bm25"
    assert str(found.target) == "recall=0.9"


def test_precision_is_another_target(folders: tuple[Path, Path]) -> None:
    result = invoked(*folders, "--precision", "0.5", *FAST)
    assert result.exit_code == 0, result.output
    assert str(load_calibration(folders[0], "default").target) == "precision=0.5"


def test_what_cannot_be_is_explained(folders: tuple[Path, Path]) -> None:
    both = invoked(*folders, "--recall", "0.9", "--precision", "0.5")
    assert isinstance(both.exception, CalibrationError)
    assert "give one of them" in str(both.exception)
    few = invoked(*folders, "--split", "few")
    assert isinstance(few.exception, CalibrationError)
    assert "1 queries are judged; expected at least 20" in str(few.exception)
    other = invoked(*folders, "--split", "dev")
    assert isinstance(other.exception, EvaluationError)
    high = invoked(*folders, "--recall", "1.5")
    assert isinstance(high.exception, CalibrationError)


def test_a_stop_leaves_nothing(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lexmax.calibration.calibrate", stops)
    result = invoked(*folders, *FAST)
    assert result.exit_code == 130
    assert "nothing was written" in result.output
