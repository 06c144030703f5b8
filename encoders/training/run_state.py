"""What is the state of a run, as tensors and JSON, and back?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch

from lexmax.encoders.training.checkpoints import Checkpoint
from lexmax.errors import TrainingError

_MODULE, _OPTIMISER, _RANDOM = "module.", "optimiser.", "random."


@dataclass(slots=True)
class Progress:
    """Where a run is.

    Attributes:
        step: Optimiser steps done.
        best: Greatest value of the measure that decides, or None before the first evaluation.
        best_step: The step that reached it.
        without_gain: Evaluations since then.
        stopped_early: Whether patience has run out.
    """

    step: int = 0
    best: float | None = None
    best_step: int | None = None
    without_gain: int = 0
    stopped_early: bool = False

    def measured(self, value: float, *, least_gain: float, patience: int | None) -> bool:
        """Note an evaluation; whether it is the best so far."""
        gained = self.best is None or value > self.best + least_gain
        if gained:
            self.best, self.best_step, self.without_gain = value, self.step, 0
        else:
            self.without_gain += 1
        self.stopped_early = patience is not None and self.without_gain >= patience
        return gained


@dataclass(frozen=True, slots=True)
class RunState:
    """Everything that a step reads and changes, besides the batch."""

    module: torch.nn.Module
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    progress: Progress

    def captured(self, run: Mapping[str, Any]) -> Checkpoint:
        """A checkpoint; tensors are those of the run itself, so it is to be written at once.

        Raises:
            TrainingError: if weights are NaN or infinite: such a state is not worth going on from.
        """
        tensors = _with_prefix(_MODULE, _tensors_of(self.module))
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise TrainingError(f"weights {name.removeprefix(_MODULE)} hold NaN or infinity")
        numbers: dict[str, Any] = {}
        for index, state in self.optimiser.state_dict()["state"].items():
            for name, value in state.items():
                if isinstance(value, torch.Tensor):
                    tensors[f"{_OPTIMISER}{index}.{name}"] = value
                else:
                    numbers[f"{index}.{name}"] = value
        tensors |= _with_prefix(_RANDOM, _random_states())
        values = {
            "run": dict(run),
            "progress": {
                name: getattr(self.progress, name) for name in Progress.__dataclass_fields__
            },
            "optimiser": numbers,
            "scaler": dict(self.scaler.state_dict()),
        }
        return Checkpoint(self.progress.step, tensors, values)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Make this the state that was captured.

        Raises:
            TrainingError: if the model has other weights than the checkpoint.
        """
        self.restore_module(checkpoint)
        self._restore_optimiser(checkpoint)
        if checkpoint.values["scaler"]:
            self.scaler.load_state_dict(checkpoint.values["scaler"])
        for name, value in checkpoint.values["progress"].items():
            setattr(self.progress, name, value)
        _set_random_states(_without_prefix(_RANDOM, checkpoint.tensors))

    def restore_module(self, checkpoint: Checkpoint) -> None:
        """Give the model the checkpoint's weights, and leave the rest as it is."""
        try:
            self.module.load_state_dict(_without_prefix(_MODULE, checkpoint.tensors))
        except RuntimeError as error:
            raise TrainingError(
                f"the checkpoint of step {checkpoint.step} is of another model "
                f"({' '.join(str(error).split()):.300}); expected the one in training; give the "
                "configuration that it was written with, or begin anew with --fresh"
            ) from error

    def _restore_optimiser(self, checkpoint: Checkpoint) -> None:
        state: dict[int, dict[str, Any]] = {}
        stored = {
            **_without_prefix(_OPTIMISER, checkpoint.tensors),
            **checkpoint.values["optimiser"],
        }
        for name, value in stored.items():
            index, _, kind = name.partition(".")
            state.setdefault(int(index), {})[kind] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})


def _tensors_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    found: dict[str, Any] = module.state_dict()
    for name, value in found.items():
        if not isinstance(value, torch.Tensor):
            raise TrainingError(
                f"the model's state holds {name} of type {type(value).__name__}; expected tensors "
                "alone; keep it in a buffer"
            )
    return cast("dict[str, torch.Tensor]", found)


def _with_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _without_prefix(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _random_states() -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda{i}": one for i, one in enumerate(torch.cuda.get_rng_state_all())}
    return states


def _set_random_states(states: Mapping[str, torch.Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    for name, state in states.items():
        index = name.removeprefix("cuda")
        if name != "cpu" and torch.cuda.is_available() and int(index) < torch.cuda.device_count():
            torch.cuda.set_rng_state(state, int(index))
