from pathlib import Path
from typing import Any

import pytest

from lexmax.encoders.training.config import TrainingConfig
from lexmax.encoders.training.config_reading import read_config
from lexmax.encoders.training.config_text import config_text
from lexmax.encoders.training.tasks import read_task
from lexmax.encoders.training.yaml_lines import read_yaml
from lexmax.errors import TrainingError

LEAST = """\
output: out
task: {kind: "toy_training:KIND"}
data:
  train:
    - path: a.jsonl
"""


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.syspath_prepend(Path(__file__).parent / "toy")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "c.yaml"


def config(path: Path, text: str = LEAST, *overrides: str) -> TrainingConfig:
    path.write_text(text)
    return read_config(path, overrides)[0]


def refusal(path: Path, text: str, *overrides: str) -> str:
    with pytest.raises(TrainingError) as caught:
        config(path, text, *overrides)
    return str(caught.value).replace(str(path), "c.yaml")


def test_the_least_takes_defaults(path: Path) -> None:
    found = config(path)
    assert found.optimiser.lr == 2e-5
    assert found.data.train[0].weight == 1.0
    assert (found.curriculum, found.negatives.mine) == (None, None)


def test_numbers_with_an_exponent_are_numbers(path: Path) -> None:
    found = config(path, LEAST + "optimiser: {lr: 2e-5, epsilon: 1E-6, weight_decay: 0}\n")
    assert (found.optimiser.lr, found.optimiser.epsilon) == (2e-5, 1e-6)
    assert found.optimiser.weight_decay == 0


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("seeed: 3", "c.yaml:6: seeed: unknown key; did you mean seed?"),
        ("optimiser: {learning: 1}", "unknown key; expected one of accumulation, "),
        ("lr: 1.0", "c.yaml:6: lr: unknown key; did you mean optimiser.lr?"),
        (
            "optimiser:\n  lr: fast",
            "c.yaml:7: optimiser.lr is 'fast'; expected a number",
        ),
        ("optimiser: {steps: 3.5}", "optimiser.steps is 3.5; expected a whole number"),
        ('seed: "3"', "c.yaml:6: seed is '3'; expected a whole number"),
        ("seed: true", "seed is True; expected a whole number"),
        ("output: 3", "c.yaml:6: output stands twice"),
        ("optimiser: {lr: 0}", "optimiser.lr is 0; expected greater than 0"),
        ("optimiser: {lr: -1.0}", "expected greater than 0"),
        ("precision: int8", "expected 'auto', 'fp32', 'bf16' or 'fp16'"),
        ("negatives: {mine: {ranks: [5, 2]}}", "expected two ranks from 1 on"),
        ("negatives: {mine: {ranks: [1, 2, 3]}}", "negatives.mine.ranks"),
        ("negatives: {mine: [1]}", "negatives.mine is [1]; expected keys and values"),
        ("optimiser:", "optimiser is empty; expected keys and values"),
        ("early_stopping: {measure: R@7}", "early_stopping.measure, R@7, among data.dev.measures"),
        ("seed: 99999999999999999999999999", "expected less than 4294967296"),
        ("seed: 2024-01-01", "seed is '2024-01-01'; expected a whole number"),
        ("data.train: 3", "data.train: unknown key"),
        ("curriculum: &a [*a]", "is not YAML"),
        ("seed: 2024-99-99", "is not YAML"),
        ("seed: [1", "is not YAML"),
        ("seed: !!python/name:os.getcwd x", "is not YAML"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(path: Path, added: str, message: str) -> None:
    assert message in refusal(path, LEAST + added + "\n")


def test_only_the_broken_entry_of_a_list_is_named(path: Path) -> None:
    text = LEAST + "    - {path: b.jsonl, wieght: 2.0}\n"
    said = refusal(path, text)
    assert said.startswith("c.yaml:6: data.train.1.wieght: unknown key; did you mean weight?")
    assert "\n" not in said


@pytest.mark.parametrize("missing", ["output", "task", "data"])
def test_what_is_missing_is_named(path: Path, missing: str) -> None:
    lines = [line for line in LEAST.splitlines() if not line.startswith(missing)]
    kept = lines if missing != "data" else lines[:2]
    assert f"{missing}: is missing" in refusal(path, "\n".join(kept))


def test_empty_files_and_no_files(path: Path) -> None:
    assert "output: is missing" in refusal(path, "")
    assert "expected keys and values" in refusal(path, "- a\n- b\n")
    with pytest.raises(TrainingError, match=r"none.yaml: cannot be read"):
        read_config(path.with_name("none.yaml"))


def test_overrides_go_before_the_file(path: Path) -> None:
    found = config(
        path,
        LEAST,
        "optimiser.lr=1e-3",
        "data.train.0.path=b.jsonl",
        "data.train.1.path=c.jsonl",
        "negatives.mine={ranks: [50, 100]}",
        "seed=7",
    )
    assert (found.optimiser.lr, found.seed) == (1e-3, 7)
    assert [source.path for source in found.data.train] == ["b.jsonl", "c.jsonl"]
    assert found.negatives.mine is not None
    assert found.negatives.mine.ranks == (50, 100)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimiser.rl=1", "--set optimiser.rl=1: optimiser.rl: unknown key; did you mean lr?"),
        ("optimiser.lr=x", "--set optimiser.lr=x: optimiser.lr is 'x'; expected a number"),
        ("optimiser.lr", "--set optimiser.lr: expected key=value"),
        ("data.train.7.path=x", "data.train.7 names no entry of a list of 1"),
        ("data.train.x.path=x", "data.train.x names no entry"),
        ("seed=", "seed is empty; expected a whole number"),
    ],
)
def test_wrong_overrides(path: Path, override: str, message: str) -> None:
    assert message in refusal(path, LEAST, override)


def task_values(path: Path, task: str) -> Any:
    path.write_text(LEAST.replace('{kind: "toy_training:KIND"}', task))
    return read_task(read_config(path)[1])[1].model_dump()


def test_a_task_takes_its_preset_and_what_is_written_beside(path: Path) -> None:
    kind = 'kind: "toy_training:KIND"'
    assert task_values(path, f"{{{kind}}}") == {"nan_at": -1}
    assert task_values(path, f"{{{kind}, preset: late-nan}}") == {"nan_at": 7}
    assert task_values(path, f"{{{kind}, preset: late-nan, nan_at: 2}}") == {"nan_at": 2}


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("{}", "task.kind is missing; expected one of "),
        ("{kind: sprase}", "no kind of task is called 'sprase'; did you mean sparse?"),
        ("{kind: nowhere:KIND}", "nowhere:KIND: cannot be imported"),
        ("{kind: toy_training:BagOfWords}", "toy_training:BagOfWords is no TaskKind"),
        ("{kind: toy_training:KIND, preset: late}", "has no preset 'late'; did you mean late-nan?"),
        (
            "{kind: toy_training:KIND, nan: 3}",
            "c.yaml:2: task.nan: unknown key; did you mean nan_at",
        ),
        ("{kind: toy_training:KIND, nan_at: x}", "c.yaml:2: task.nan_at is 'x'"),
    ],
)
def test_tasks_that_cannot_be_made(path: Path, task: str, message: str) -> None:
    with pytest.raises(TrainingError) as caught:
        task_values(path, task)
    assert message in str(caught.value).replace(str(path), "c.yaml")


def test_the_printed_configuration_is_one(path: Path) -> None:
    text = config_text("toy_training:KIND")
    found = config(path, text)
    assert found.task == {"kind": "toy_training:KIND"}
    assert found == config(path, LEAST, "output=OUTPUT", "data.train.0.path=EXAMPLES.jsonl.gz")
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if line.strip().startswith("lr:"):
            assert lines[i - 1].strip() == "# Highest learning rate."
    assert "  # nan_at: -1" in lines
    assert max(map(len, lines)) <= 100


def test_every_key_is_described() -> None:
    lines = [line.strip() for line in config_text("toy_training:KIND").splitlines()]
    mining = lines.index("# mine:")
    for i, line in enumerate(lines[:mining]):
        if line.removeprefix("- ").partition(":")[0].isidentifier() and line != "nan_at: -1":
            above = lines[i - 1]
            assert above.startswith("#") or line.startswith("kind:"), line


def test_nobodys_configuration() -> None:
    with pytest.raises(TrainingError, match="no preset or kind of task is called 'sprse'"):
        config_text("sprse")


def test_places_of_lists_and_mappings() -> None:
    located = read_yaml("a:\n  - b: 1\n    c: 2\n  - 3\n", "f")
    assert located.value == {"a": [{"b": 1, "c": 2}, 3]}
    assert located.place(("a", 0, "c")) == "f:3: a.0.c"
    assert located.place(("a", 1)) == "f:4: a.1"
    assert located.place(("a", 0, "missing")) == "f:2: a.0.missing"
    assert located.place(("z",)) == "f:1: z"
