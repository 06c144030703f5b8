"""A whole configuration, from the file to the model."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lexmax.building import Silent
from lexmax.encoders.training import trainer as trainers
from lexmax.errors import LockedError, TrainingError
from lexmax.index.lock import WriterLock
from lexmax.training import Start, Trained, train

TOY = Path(__file__).parent / "toy"
WORDS = [f"w{i}" for i in range(40)]


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.syspath_prepend(TOY)
    monkeypatch.setattr(trainers, "draw_curves", lambda records, folder: [])


class Watching(Silent):
    def __init__(self) -> None:
        self.said, self.stages = list[str](), set[str]()

    def advance(self, stage: str, done: int, total: int) -> None:
        self.stages.add(stage)

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    with (tmp_path / "pairs.jsonl").open("w") as file:
        for i in range(120):
            words = [WORDS[(i * j + j) % 40] for j in range(1, 7)]
            line = {"title": f"q{i} " + " ".join(words[:3]), "text": " ".join(words[1:])}
            file.write(json.dumps(line) + "\n")
        file.write("broken\n")
    path = tmp_path / "c.yaml"
    path.write_text("""
output: out
task: {kind: "toy_training:KIND"}
data:
  train: [{path: pairs.jsonl, fields: {query: title, pos: text}}]
  dev: {share: 0.1, every: 10, distractors: 30}
optimiser: {lr: 3e-2, batch_size: 8, epochs: 2}
checkpoints: {every: 10}
log_every: 5
""")
    return path


def run(config: Path, *overrides: str, start: Start = "same", steps: int | None = None) -> Trained:
    folder = config.parent
    here = (f"output={folder / 'out'}", f"data.folder={folder}")
    return train(config, (*here, *overrides), watcher=Watching(), start=start, steps=steps)


def test_from_the_file_to_the_model(config: Path) -> None:
    trained = run(config)
    output = config.parent / "out"
    assert trained.n_broken == 1
    assert trained.n_examples + trained.n_dev_queries == 120
    assert trained.report.steps == -(-2 * trained.n_examples // 8)
    assert trained.report.best is not None
    assert trained.report.best > 0.1
    assert (output / "model" / "model.safetensors").is_file()
    written = json.loads((output / "config.json").read_bytes())
    assert written["optimiser"]["lr"] == 0.03
    assert {"cache", "checkpoints", "metrics.jsonl", "model", "rejects.jsonl"} <= set(
        os.listdir(output)
    )


def test_without_dev_the_last_weights_are_the_model(config: Path) -> None:
    trained = run(config, "data.dev.share=0", steps=6)
    assert (trained.report.best, trained.n_dev_queries) == (None, 0)
    assert (trained.n_examples, trained.report.steps) == (120, 6)


def test_more_steps_go_on_and_other_numbers_do_not(config: Path) -> None:
    run(config, steps=5)
    assert run(config, steps=8).report.first_step == 5
    with pytest.raises(TrainingError, match=r"optimiser.lr was 0.03 and is 0.01"):
        run(config, "optimiser.lr=0.01", steps=9)
    with pytest.raises(TrainingError, match=r"nan_at was -1 and is 100"):
        run(config, "task.nan_at=100", steps=9)
    assert run(config, "optimiser.lr=0.01", start="changed", steps=9).report.first_step == 8
    assert run(config, "optimiser.lr=0.01", start="fresh", steps=2).report.first_step == 0


def test_other_examples_are_another_run(config: Path) -> None:
    run(config, steps=2)
    with (config.parent / "pairs.jsonl").open("a") as file:
        for i in range(30):
            file.write(json.dumps({"title": f"new{i}", "text": "w1 w2"}) + "\n")
    with pytest.raises(TrainingError, match=r"examples was \[\d+\] and is \[\d+\]"):
        run(config, steps=3)


def test_everything_at_once(config: Path) -> None:
    trained = run(
        config,
        "negatives={per_query: 3, keep_below: 0.99, mine: {keep: 6, keep_below: null}}",
        "teacher={scaling: min-max, factor: 30.0}",
        "curriculum={difficulty: kde, end: 10}",
        "data.one_source_batches=true",
        "optimiser.accumulation=2",
        "optimiser.schedule=cosine",
        steps=4,
    )
    assert trained.report.steps == 4
    assert trained.n_examples > 80


def test_two_runs_do_not_share_an_output(config: Path) -> None:
    output = config.parent / "out"
    output.mkdir()
    lock = WriterLock(output / ".lock")
    lock.acquire()
    with pytest.raises(LockedError, match="another process trains here"):
        run(config)
    lock.release()
    run(config, steps=1)


def test_a_folder_of_other_things_is_left_alone(config: Path) -> None:
    (config.parent / "out").mkdir()
    precious = config.parent / "out" / "thesis.txt"
    precious.write_text("all")
    with pytest.raises(TrainingError, match="holds other files"):
        run(config, start="fresh")
    assert precious.read_text() == "all"


def test_a_device_that_is_not_there(config: Path) -> None:
    with pytest.raises(TrainingError, match=r"device is 'cuda:99', which cannot be used here"):
        run(config, "device=cuda:99")
    with pytest.raises(TrainingError, match=r"precision is fp16, and the device is a CPU"):
        run(config, "device=cpu", "precision=fp16")


def app() -> Any:
    import typer

    from lexmax.cli_training import add_training_commands

    made = typer.Typer(pretty_exceptions_enable=False)
    add_training_commands(made)
    return made


def test_the_command_says_what_came_out(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    done = CliRunner().invoke(app(), ["train", "c.yaml", "--steps", "12", "--set", "seed=7"])
    assert done.exit_code == 0, done.output
    assert "done: 12 steps over" in done.stdout
    assert "lines that gave no example: 1, see rejects.jsonl" in done.stdout
    assert "held-out queries" in done.stdout
    assert "model: out/model" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "CONFIG.yaml is missing"),
        (["train", "c.yaml", "--fresh", "--resume"], "contradict each other"),
        (["train", "c.yaml", "--set", "optimiser.lr"], "expected key=value"),
        (["train", "--print-config", "nothing"], "no preset or kind of task is called"),
        (["mine", "out", "pairs.jsonl", "--ranks", "all"], "expected first and last"),
        (["mine", "out", "pairs.jsonl", "--field", "query"], "expected role=name"),
        (["mine", "out", "pairs.jsonl", "--field", "qeury=title"], "qeury"),
    ],
)
def test_wrong_commands(
    config: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(config.parent)
    done = CliRunner().invoke(app(), arguments)
    assert isinstance(done.exception, TrainingError)
    assert message in str(done.exception)


def test_the_command_that_mines(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    command = ["mine", "out", "pairs.jsonl", "--field", "query=title", "--field", "pos=text"]
    done = CliRunner().invoke(app(), [*command, "--keep", "3", "--ranks", "2-30"])
    assert done.exit_code == 0, done.output
    assert "examples with hard negatives" in done.stdout
    file = Path("out/1-pairs.jsonl")
    assert str(file) in done.stdout
    line = json.loads(file.read_text().splitlines()[0])
    assert set(line) == {"query", "docs", "scores", "ranks"}
    assert 2 <= len(line["docs"]) <= 4


SCRIPT = """
import typer
from lexmax.cli_training import add_training_commands
app = typer.Typer()
add_training_commands(app)
app()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_checkpoint(config: Path, number: signal.Signals, code: int) -> None:
    command = [
        "train",
        str(config),
        "--set",
        "optimiser.steps=1000000",
        "--set",
        "data.dev.share=0",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *command],
        cwd=config.parent,
        env=os.environ | {"PYTHONPATH": str(TOY), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    metrics = config.parent / "out" / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.05)
    process.send_signal(number)
    said = process.communicate()[1]

    assert process.returncode == code, said
    assert "run the same command again to go on" in said
    (line,) = [line for line in said.splitlines() if "stopped after step" in line]
    step = int(line.split("stopped after step ")[1].split(",")[0])
    assert run(config, "data.dev.share=0", steps=step + 1).report.first_step == step
