import errno
import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lexmax.encoders.training import checkpoints as checkpoint_files
from lexmax.encoders.training import trainer as trainers
from lexmax.encoders.training.batches import Batches
from lexmax.encoders.training.checkpoints import Checkpoints
from lexmax.encoders.training.config import (
    CheckpointsSection,
    EarlyStoppingSection,
    OptimiserSection,
)
from lexmax.encoders.training.example import Candidate, Example
from lexmax.encoders.training.machine import Machine
from lexmax.encoders.training.metrics import Metrics
from lexmax.encoders.training.order import Order
from lexmax.encoders.training.trainer import Plan, Trainer
from lexmax.errors import DiskFullError, TrainingError

CPU = Machine(torch.device("cpu"), torch.float32)
PLAN = Plan(
    steps=20,
    optimiser=OptimiserSection(lr=0.05, warm_up=3, batch_size=8),
    checkpoints=CheckpointsSection(every=5),
    evaluate_every=4,
    log_every=2,
    seed=3,
    run={"optimiser.lr": 0.05},
)


class Watching:
    """Says nothing; stops once so many steps have been done."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at, self.step, self.said = stop_at, 0, list[str]()

    def advance(self, stage: str, done: int, total: int) -> None:
        self.step = done

    def stopped(self) -> bool:
        return self.stop_at is not None and self.step + 1 >= self.stop_at

    def say(self, text: str) -> None:
        self.said.append(text)


class Words:
    sizes = (40,)

    def example(self, source: int, number: int) -> Example:
        return Example(f"q{number} shared", (Candidate(f"a{number} q{number}"),))


def toy_task(**values: Any) -> Any:
    torch.manual_seed(1)
    return importlib.import_module("toy_training").ToyTask(**values)


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.syspath_prepend(Path(__file__).parent / "toy")
    # Drawing takes longer than training here.
    monkeypatch.setattr(trainers, "draw_curves", lambda records, folder: [])


def trainer(
    output: Path,
    task: Any = None,
    plan: Plan = PLAN,
    watcher: Watching | None = None,
    evaluate: Callable[[Any], Mapping[str, float]] | None = None,
) -> Trainer:
    return Trainer(
        task or toy_task(),
        Batches(Words(), Order((40,), (1.0,), 7), plan.optimiser.batch_size),
        plan,
        output=output,
        machine=CPU,
        watcher=watcher or Watching(),
        evaluate=evaluate,
    )


def weights(output: Path) -> torch.Tensor:
    return load_file(output / "model" / "model.safetensors")["rows.weight"]


def records(output: Path, key: str) -> dict[int, Any]:
    found = Metrics(output / "metrics.jsonl").records()
    return {record["step"]: record[key] for record in found if key in record}


def test_training_lowers_the_loss_and_writes_it_down(tmp_path: Path) -> None:
    report = trainer(tmp_path).run()

    losses = records(tmp_path, "total")
    assert list(losses) == list(range(2, 21, 2))
    assert losses[20] < 0.7 * losses[2]
    assert (report.steps, report.first_step, report.best) == (20, 0, None)
    assert records(tmp_path, "lr")[2] == pytest.approx(0.05 * 2 / 4)
    assert records(tmp_path, "lr")[20] == pytest.approx(0.05 / 17)


def test_the_task_is_told_optimiser_steps(tmp_path: Path) -> None:
    task = toy_task()
    numbers = PLAN.optimiser.model_copy(update={"accumulation": 3})
    trainer(tmp_path, task, replace(PLAN, steps=4, optimiser=numbers)).run()
    assert task.steps == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_accumulated_gradients_are_those_of_a_mean(tmp_path: Path) -> None:
    class Linear:
        def __init__(self) -> None:
            self.module = torch.nn.Linear(1, 1, bias=False)
            torch.nn.init.constant_(self.module.weight, 2.0)

        def parameter_groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
            return [{"params": list(self.module.parameters())}]

        def loss(self, batch: Any, *, step: int) -> dict[str, torch.Tensor]:
            length = torch.tensor([[float(len(q))] for q in batch.queries])
            return {"total": self.module(length).mean()}

        def encoder(self) -> Any: ...

        def save(self, folder: Path) -> None:
            (folder / "done").touch()

    numbers = OptimiserSection(batch_size=5, accumulation=2, clip=None)
    trainer(tmp_path, Linear(), Plan(steps=1, optimiser=numbers, log_every=1)).run()
    # An epoch of 40 has queries of 9 and 10 letters; the first ten draws make the step.
    order = Order((40,), (1.0,), 7)
    lengths = [len(f"q{order.at(draw)[1]} shared") for draw in range(10)]
    assert records(tmp_path, "gradient_norm")[1] == pytest.approx(sum(lengths) / 10)


@pytest.mark.parametrize("stop_at", [1, 4, 7, 19])
def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path, stop_at: int) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trainer(whole).run()
    with pytest.raises(KeyboardInterrupt):
        trainer(parts, watcher=Watching(stop_at)).run()
    watcher = Watching()
    report = trainer(parts, watcher=watcher).run()

    assert report.first_step == stop_at
    assert watcher.said == [f"going on from the checkpoint of step {stop_at}"]
    assert torch.equal(weights(whole), weights(parts))
    assert list(records(parts, "total")) == list(records(whole, "total"))


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trainer(whole).run()
    with pytest.raises(KeyboardInterrupt):
        trainer(parts, watcher=Watching(12)).run()
    newest = Checkpoints(parts / "checkpoints", keep=2).path(12) / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:-3] + b"xyz")

    watcher = Watching()
    assert trainer(parts, watcher=watcher).run().first_step == 10
    assert watcher.said[0] == "the checkpoint of step 12 is damaged and was left out"
    assert torch.equal(weights(whole), weights(parts))


def test_a_loss_of_nan_stops_and_names_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"'total' is nan at step 13; .*step-00000010"):
        trainer(tmp_path, toy_task(nan_at=13)).run()
    good = Checkpoints(tmp_path / "checkpoints", keep=2).load(10)
    assert torch.isfinite(good.tensors["module.rows.weight"]).all()
    assert not (tmp_path / "model").exists()


def test_a_gradient_of_nan_never_reaches_the_weights(tmp_path: Path) -> None:
    task = toy_task()
    task.module.rows.weight.register_hook(lambda gradient: gradient * torch.nan)
    before = task.module.rows.weight.detach().clone()
    with pytest.raises(TrainingError, match=r"gradient's norm is nan at step 0; .*no checkpoint"):
        trainer(tmp_path, task).run()
    assert torch.equal(task.module.rows.weight, before)


def test_weights_of_nan_are_never_a_checkpoint(tmp_path: Path) -> None:
    task = toy_task()

    def spoil(_: Any) -> dict[str, float]:
        with torch.no_grad():
            task.module.rows.weight[3] = torch.nan
        return {"nDCG@10": 0.5}

    with pytest.raises(TrainingError, match=r"rows.weight hold NaN or infinity at step 4"):
        trainer(tmp_path, task, evaluate=spoil).run()
    assert Checkpoints(tmp_path / "checkpoints", keep=2).steps() == []


def test_a_full_disk_at_a_checkpoint_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trainer(whole).run()
    save_file, calls = checkpoint_files.save_file, list[Path]()

    def full(tensors: Any, path: Path) -> None:
        calls.append(path)
        if len(calls) == 3:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save_file(tensors, path)

    monkeypatch.setattr(checkpoint_files, "save_file", full)
    with pytest.raises(DiskFullError, match=r"step-00000015: the disk is full"):
        trainer(parts).run()
    monkeypatch.setattr(checkpoint_files, "save_file", save_file)
    assert sorted(path.name for path in (parts / "checkpoints").iterdir()) == [
        "step-00000005",
        "step-00000010",
    ]
    assert trainer(parts).run().first_step == 10
    assert torch.equal(weights(whole), weights(parts))


def test_another_configuration_is_not_gone_on_with_unasked(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, watcher=Watching(6)).run()
    other = replace(PLAN, run={"optimiser.lr": 0.01})
    with pytest.raises(TrainingError, match=r"optimiser.lr was 0.05 and is 0.01; .*--resume"):
        trainer(tmp_path, plan=other).run()
    assert trainer(tmp_path, plan=replace(other, accept_changes=True)).run().first_step == 6


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, watcher=Watching(6)).run()
    task = toy_task()
    task.module.more = torch.nn.Linear(2, 2)
    with pytest.raises(TrainingError, match=r"step 6 is of another model .*more.weight"):
        trainer(tmp_path, task).run()


class Measured:
    """Gives prepared values, and notes whether dropout was off."""

    def __init__(self, *values: float) -> None:
        self.values, self.training = list(values), list[bool]()

    def __call__(self, task: Any) -> dict[str, float]:
        self.training.append(task.module.training)
        torch.rand(7)
        return {"nDCG@10": self.values.pop(0), "RR@10": 0.1}


def test_the_best_on_dev_becomes_the_model(tmp_path: Path) -> None:
    measured = Measured(0.1, 0.5, 0.4, 0.3, 0.2)
    report = trainer(tmp_path, evaluate=measured).run()

    assert (report.best, report.best_step, report.steps) == (0.5, 8, 20)
    best = Checkpoints(tmp_path / "checkpoints", keep=2).load(8)
    assert torch.equal(weights(tmp_path), best.tensors["module.rows.weight"])
    assert measured.training == [False] * 5
    assert records(tmp_path, "dev")[8] == {"nDCG@10": 0.5, "RR@10": 0.1}


def test_patience_ends_the_run(tmp_path: Path) -> None:
    rules = EarlyStoppingSection(patience=2, least_gain=0.01)
    plan = replace(PLAN, early_stopping=rules)
    values = 0.3, 0.5, 0.505, 0.502, 0.9
    report = trainer(tmp_path, plan=plan, evaluate=Measured(*values)).run()
    assert (report.stopped_early, report.steps, report.best_step) == (True, 16, 8)


def test_evaluations_do_not_change_what_is_trained(tmp_path: Path) -> None:
    plain, measured = tmp_path / "plain", tmp_path / "measured"
    trainer(plain).run()
    trainer(measured, evaluate=Measured(0.1, 0.2, 0.3, 0.4, 0.5)).run()
    assert torch.equal(weights(plain), weights(measured))


def test_stopping_counts_on_over_a_resumption(tmp_path: Path) -> None:
    rules = EarlyStoppingSection(patience=3)
    plan = replace(PLAN, early_stopping=rules)
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, plan=plan, evaluate=Measured(0.5, 0.4), watcher=Watching(9)).run()
    report = trainer(tmp_path, plan=plan, evaluate=Measured(0.3, 0.2, 0.1)).run()
    assert (report.stopped_early, report.steps, report.best_step) == (True, 16, 4)


def test_a_finished_run_only_writes_its_model_again(tmp_path: Path) -> None:
    trainer(tmp_path).run()
    before = weights(tmp_path)
    report = trainer(tmp_path).run()
    assert (report.first_step, report.steps) == (20, 20)
    assert torch.equal(weights(tmp_path), before)


HALF = Machine(torch.device("cpu"), torch.float16)


def half(
    output: Path, watcher: Watching | None = None, task: Any = None, plan: Plan = PLAN
) -> Trainer:
    return Trainer(
        task or toy_task(),
        Batches(Words(), Order((40,), (1.0,), 7), 8),
        plan,
        output=output,
        machine=HALF,
        watcher=watcher or Watching(),
    )


def test_half_precision_scales_losses_and_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    half(whole).run()
    with pytest.raises(KeyboardInterrupt):
        half(parts, Watching(9)).run()
    stopped = Checkpoints(parts / "checkpoints", keep=2).load(9)
    assert stopped.values["scaler"]["scale"] >= 1024
    assert half(parts).run().first_step == 9
    assert torch.equal(weights(whole), weights(parts))
    assert records(whole, "total")[20] < records(whole, "total")[2]


def test_half_precision_passes_over_a_few_infinite_gradients(tmp_path: Path) -> None:
    task, calls = toy_task(), list[int]()

    def overflow(gradient: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return gradient * (torch.inf if len(calls) <= 3 else 1.0)

    task.module.rows.weight.register_hook(overflow)
    assert half(tmp_path, task=task).run().steps == 20
    last = Checkpoints(tmp_path / "checkpoints", keep=2).load(20)
    assert last.values["scaler"]["scale"] == 65536.0 / 8
    assert torch.isfinite(last.tensors["module.rows.weight"]).all()


def test_half_precision_does_not_pass_over_them_for_ever(tmp_path: Path) -> None:
    task = toy_task()
    task.module.rows.weight.register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(TrainingError, match=r"gradient's norm is nan"):
        half(tmp_path, task=task, plan=replace(PLAN, steps=1000)).run()
