"""Runs that are killed at any moment go on to the very weights of a run that was not."""

import json
import os
import subprocess
import sys
from pathlib import Path

TOY = Path(__file__).parent / "toy"
WORDS = [f"w{i}" for i in range(40)]

# Every fsync is a moment at which a checkpoint, the cache or metrics are half written; a negative
# number is an optimiser step.
KILLS = [2, 4, -2, 6, 14, -9, 12, 9]


def configured(folder: Path, output: str) -> Path:
    pairs = folder / "pairs.jsonl"
    with pairs.open("w") as file:
        for i in range(60):
            words = [WORDS[(i * j + j) % 40] for j in range(1, 7)]
            file.write(
                json.dumps({"query": " ".join(words[:3]), "pos": " ".join(words[1:])}) + "\n"
            )
    config = folder / f"{output}.yaml"
    config.write_text(f"""
output: {folder / output}
task: {{kind: "toy_training:KIND"}}
data:
  train: [{{path: {pairs}}}]
  dev: {{share: 0.2, every: 6, distractors: 10}}
optimiser: {{lr: 1e-2, steps: 24, batch_size: 4, accumulation: 2, warm_up: 4}}
checkpoints: {{every: 4}}
early_stopping: {{patience: null}}
log_every: 3
""")
    return config


def run(folder: Path, kills: dict[str, list[int]]) -> list[str]:
    """What the children said who trained in each output, killed so; the last one is not."""
    todo = [
        f"{configured(folder, output)}={number}"
        for output, numbers in kills.items()
        for number in [*numbers, 0]
    ]
    done = subprocess.run(
        [sys.executable, TOY / "killed_runs.py", *todo],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TOY), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_killed_runs_end_with_the_bits_of_an_uninterrupted_one(tmp_path: Path) -> None:
    said = run(tmp_path, {"whole": [], "parts": KILLS})
    ends = [line.removeprefix("ended ") for line in said if line.startswith("ended ")]

    assert ends[0] == ends[-1] == "0", said
    assert ends.count("-9") >= 5, said
    assert set(ends) == {"0", "-9"}, said
    assert any(line.startswith("going on from the checkpoint") for line in said)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for name in ("model/model.safetensors", "checkpoints/step-00000024/state.safetensors"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()
    assert sorted(os.listdir(parts)) == sorted(os.listdir(whole))
    assert steps(parts) == steps(whole)


def steps(output: Path) -> list[tuple[int, bool]]:
    lines = (output / "metrics.jsonl").read_text().splitlines()
    return [(record["step"], "dev" in record) for record in map(json.loads, lines)]
