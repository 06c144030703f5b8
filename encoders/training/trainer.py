"""How do weights become better, step by step, and survive whatever stops them?"""

import importlib.util
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import torch

from lexmax.encoders.training.ahead import Ahead, BatchSource
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.checkpoints import Checkpoint, Checkpoints
from lexmax.encoders.training.config import (
    CheckpointsSection,
    EarlyStoppingSection,
    OptimiserSection,
)
from lexmax.encoders.training.curves import draw_curves
from lexmax.encoders.training.durable import write_folder, writing
from lexmax.encoders.training.machine import Machine
from lexmax.encoders.training.metrics import Metrics
from lexmax.encoders.training.run_state import Progress, RunState
from lexmax.encoders.training.schedule import share_of_lr
from lexmax.encoders.training.task import Task
from lexmax.errors import CorruptionError, StorageError, TrainingError

Evaluate: TypeAlias = Callable[[Task], Mapping[str, float]]

# A scale that halves so often has nothing left to halve.
_MOST_SKIPPED = 40


class Watcher(Protocol):
    """Told how far training has come; may stop it between two steps."""

    def advance(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` steps are done."""
        ...

    def stopped(self) -> bool:
        """Whether to stop after this step; a checkpoint is written then."""
        ...

    def say(self, text: str) -> None:
        """Something that a person who waits wants to read."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run goes.

    Attributes:
        steps: Optimiser steps in all.
        optimiser: Its numbers.
        checkpoints: When they are written.
        early_stopping: What decides.
        evaluate_every: Steps between two evaluations.
        log_every: Steps between two records of losses.
        seed: Of torch's generators at the beginning.
        run: What a run that goes on must have in common with the one that began, by name.
        accept_changes: Go on although that has changed.
    """

    steps: int
    optimiser: OptimiserSection = field(default_factory=OptimiserSection)
    checkpoints: CheckpointsSection = field(default_factory=CheckpointsSection)
    early_stopping: EarlyStoppingSection = field(default_factory=EarlyStoppingSection)
    evaluate_every: int = 500
    log_every: int = 10
    seed: int = 0
    run: Mapping[str, Any] = field(default_factory=dict[str, Any])
    accept_changes: bool = False


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a run did.

    Attributes:
        model: Folder of the trained encoder.
        steps: Optimiser steps, those of interrupted runs included.
        first_step: The step that this run went on from.
        best: Greatest value of the measure that decides, if there is a dev set.
        best_step: The step whose weights `model` has, if there is a dev set.
        stopped_early: Whether patience ran out.
        seconds: Of this run.
    """

    model: Path
    steps: int
    first_step: int
    best: float | None
    best_step: int | None
    stopped_early: bool
    seconds: float


class Trainer:
    """Trains a task with batches, in a folder that an interrupted run goes on from.

    Attributes:
        output: Holds `checkpoints`, `metrics.jsonl`, `curves.png`, `curves.svg`, and `model`.
    """

    def __init__(
        self,
        task: Task,
        batches: BatchSource,
        plan: Plan,
        *,
        output: Path,
        machine: Machine,
        watcher: Watcher,
        evaluate: Evaluate | None = None,
    ) -> None:
        """Moves the task's module to the machine; writes nothing yet."""
        self.output = output
        self._task, self._batches, self._plan = task, batches, plan
        self._machine, self._watcher, self._evaluate = machine, watcher, evaluate
        self._checkpoints = Checkpoints(output / "checkpoints", keep=plan.checkpoints.keep)
        self._metrics = Metrics(output / "metrics.jsonl")
        task.module.to(machine.device)
        numbers = plan.optimiser
        self._state = RunState(
            task.module,
            torch.optim.AdamW(
                task.parameter_groups(numbers.lr, numbers.weight_decay),
                lr=numbers.lr,
                weight_decay=numbers.weight_decay,
                betas=numbers.betas,
                eps=numbers.epsilon,
            ),
            torch.amp.GradScaler(machine.device.type, enabled=machine.needs_scaling),
            Progress(),
        )
        self._skipped = 0
        self._seen = _Window()

    def run(self) -> TrainingReport:
        """Train to the end, from the newest checkpoint if there is one.

        Raises:
            TrainingError: if losses or weights become NaN or infinite, or the checkpoints are of
                another configuration; the last good checkpoint is named.
            DiskFullError: if there is no room for a checkpoint; the last one stands.
            KeyboardInterrupt: if the watcher stopped it; a checkpoint is written before.
        """
        began = time.perf_counter()
        self._begin()
        progress, first = self._state.progress, self._state.progress.step
        self._task.module.train()
        with Ahead(self._batches, accumulation=self._plan.optimiser.accumulation) as batches:
            while progress.step < self._plan.steps and not progress.stopped_early:
                self._watcher.advance("train", progress.step, self._plan.steps)
                self._step(batches)
                self._after_step()
        self._watcher.advance("train", progress.step, self._plan.steps)
        model = self._finish()
        return TrainingReport(
            model,
            progress.step,
            first,
            progress.best,
            progress.best_step,
            progress.stopped_early,
            time.perf_counter() - began,
        )

    def _begin(self) -> None:
        with writing(self.output):
            self.output.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(self._plan.seed)  # pyright: ignore[reportUnknownMemberType]
        newest = next(self._checkpoints.sound(), None)
        if newest is None:
            self._metrics.cut(-1)
            return
        if not self._plan.accept_changes:
            _require_same_run(newest, self._plan.run, self._checkpoints.path(newest.step))
        self._state.restore(newest)
        progress, patience = self._state.progress, self._plan.early_stopping.patience
        progress.stopped_early = patience is not None and progress.without_gain >= patience
        damaged = [step for step in self._checkpoints.steps() if step > newest.step]
        for step in damaged:
            self._watcher.say(f"the checkpoint of step {step} is damaged and was left out")
        self._checkpoints.drop_after(newest.step)
        self._metrics.cut(newest.step)
        self._watcher.say(f"going on from the checkpoint of step {newest.step}")

    def _step(self, batches: Ahead) -> None:
        """One optimiser step over `accumulation` batches."""
        step, numbers, state = self._state.progress.step, self._plan.optimiser, self._state
        share = share_of_lr(
            step, warm_up=numbers.warm_up, steps=self._plan.steps, fall=numbers.schedule
        )
        for group in state.optimiser.param_groups:
            group["lr"] = group.setdefault("highest_lr", group["lr"]) * share
        state.optimiser.zero_grad(set_to_none=True)
        for part in range(numbers.accumulation):
            batch = batches.at(step * numbers.accumulation + part)
            self._seen.add(self._backward(batch.to(self._machine.device), step), len(batch))
        state.scaler.unscale_(state.optimiser)
        parameters = [p for group in state.optimiser.param_groups for p in group["params"]]
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, numbers.clip or float("inf")))
        self._check_gradient(norm)
        state.scaler.step(state.optimiser)
        state.scaler.update()
        state.progress.step += 1
        self._seen.gradient_norm = norm

    def _backward(self, batch: TrainingBatch, step: int) -> Mapping[str, torch.Tensor]:
        with self._machine.computing():
            losses = self._task.loss(batch, step=step)
        values = torch.stack([value.detach().float() for value in losses.values()])
        if not bool(torch.isfinite(values).all()):  # one wait for the device, not one a loss
            raise self._diverged(_strange(losses))
        total = losses["total"] / self._plan.optimiser.accumulation
        self._state.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        return losses

    def _check_gradient(self, norm: float) -> None:
        """Refuse steps along NaN, before the weights have it; fp16 passes over a few."""
        finite = norm < float("inf")
        self._skipped = 0 if finite else self._skipped + 1
        if not finite and (not self._machine.needs_scaling or self._skipped >= _MOST_SKIPPED):
            raise self._diverged(f"the gradient's norm is {norm}")

    def _diverged(self, what: str) -> TrainingError:
        steps = self._checkpoints.steps()
        last = (
            f"the last good checkpoint is {self._checkpoints.path(steps[-1])}"
            if steps
            else ("there is no checkpoint yet")
        )
        return TrainingError(
            f"{what} at step {self._state.progress.step}; expected a finite number; {last}; lower "
            "optimiser.lr, or say precision: fp32, and go on from it with --resume, or begin anew "
            "with --fresh"
        )

    def _after_step(self) -> None:
        plan, progress = self._plan, self._state.progress
        last = progress.step == plan.steps
        if progress.step % plan.log_every == 0 or last:
            self._log()
        is_best = False
        if self._evaluate is not None and (progress.step % plan.evaluate_every == 0 or last):
            is_best = self._measure(self._evaluate)
        stop = self._watcher.stopped()
        due = progress.step % plan.checkpoints.every == 0 or last or progress.stopped_early
        if due or is_best or stop:
            self._save()
        if stop and not last:
            self._watcher.say(
                f"stopped after step {progress.step}, with a checkpoint; run the same command "
                "again to go on"
            )
            raise KeyboardInterrupt

    def _log(self) -> None:
        lr = self._state.optimiser.param_groups[0]["lr"]
        step = self._state.progress.step
        self._metrics.append({"step": step, **self._seen.taken(), "lr": lr})

    def _measure(self, evaluate: Evaluate) -> bool:
        modes = {module: module.training for module in self._task.module.modules()}
        self._task.module.eval()
        # What is drawn in an evaluation must not change what is drawn in training.
        with torch.random.fork_rng(), torch.no_grad():  # pyright: ignore[reportUnknownMemberType]
            measures = dict(evaluate(self._task))
        for module, mode in modes.items():
            module.training = mode
        progress, rules = self._state.progress, self._plan.early_stopping
        self._metrics.append({"step": progress.step, "dev": measures})
        gained = progress.measured(
            measures[rules.measure], least_gain=rules.least_gain, patience=rules.patience
        )
        shown = ", ".join(f"{name} {value:.4f}" for name, value in measures.items())
        self._watcher.say(f"step {progress.step}: {shown}{' (best)' if gained else ''}")
        self._draw()
        self._seen.restart()
        return gained

    def _save(self) -> None:
        try:
            checkpoint = self._state.captured(self._plan.run)
        except TrainingError as error:
            raise self._diverged(str(error)) from error
        self._checkpoints.save(checkpoint, also=self._state.progress.best_step)

    def _finish(self) -> Path:
        """Write the encoder with the best weights, or the last where there is no dev set."""
        best = self._state.progress.best_step
        if best is not None and best != self._state.progress.step:
            try:
                self._state.restore_module(self._checkpoints.load(best))
            except CorruptionError as error:
                self._watcher.say(f"{error}; the model gets the last weights, not the best")
        self._task.module.eval()
        model = self.output / "model"
        write_folder(model, self._task.save)
        self._draw()
        if importlib.util.find_spec("matplotlib") is None:
            self._watcher.say(
                'no picture of metrics.jsonl was drawn: `pip install "lexmax[train]"` brings '
                "matplotlib, which draws it"
            )
        return model

    def _draw(self) -> None:
        # A picture is no reason to lose a run: the numbers are in metrics.jsonl.
        with suppress(ImportError, StorageError):
            draw_curves(self._metrics.records(), self.output)


def _strange(losses: Mapping[str, torch.Tensor]) -> str:
    found = (name for name, value in losses.items() if not bool(torch.isfinite(value)))
    name = next(found)
    return f"the loss {name!r} is {float(losses[name].detach())}"


def _require_same_run(checkpoint: Checkpoint, run: Mapping[str, Any], path: Path) -> None:
    before: Mapping[str, Any] = checkpoint.values["run"]
    changed = [name for name in {**before, **run} if before.get(name) != run.get(name)]
    if changed:
        shown = "; ".join(
            f"{name} was {before.get(name)!r:.60} and is {run.get(name)!r:.60}"
            for name in changed[:5]
        )
        raise TrainingError(
            f"{path}: is of another configuration: {shown}; expected the same; go on nevertheless "
            "with --resume, begin anew with --fresh, or give another output"
        )


class _Window:
    """Means of losses, and examples a second, since the last record."""

    def __init__(self) -> None:
        self.gradient_norm = 0.0
        self._sums: dict[str, torch.Tensor] = {}
        self._parts = self._examples = 0
        self._began = time.perf_counter()

    def add(self, losses: Mapping[str, torch.Tensor], examples: int) -> None:
        """Count a batch; nothing is copied from the device yet."""
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, torch.zeros((), device=value.device)) + (
                value.detach().float()
            )
        self._parts += 1
        self._examples += examples

    def taken(self) -> dict[str, float]:
        """What was counted, which begins anew."""
        found = {name: float(value) / self._parts for name, value in self._sums.items()}
        seconds = time.perf_counter() - self._began
        found["gradient_norm"] = self.gradient_norm
        found["examples_per_second"] = self._examples / max(seconds, 1e-9)
        self._sums, self._parts = {}, 0
        self.restart()
        return found

    def restart(self) -> None:
        """Leave the time that something else took out of the speed."""
        self._examples, self._began = 0, time.perf_counter()
