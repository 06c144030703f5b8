"""What is trained, and by which loss?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import torch

from lexmax.encoders.contract import DenseEncoder, MultiVectorEncoder, PairScorer, SparseEncoder
from lexmax.encoders.training.batch import TrainingBatch

Encoder: TypeAlias = SparseEncoder | MultiVectorEncoder | DenseEncoder | PairScorer


class Task(Protocol):
    """An encoder in training, its loss, and how it is saved; the trainer knows nothing else."""

    @property
    def module(self) -> torch.nn.Module:
        """Everything with state: checkpoints hold its `state_dict`, all of it and nothing else.

        The trainer moves it to the device; ids of texts are to follow its parameters there.
        """
        ...

    def parameter_groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """What the optimiser takes: `params` and, where it differs, `lr` and `weight_decay`."""
        ...

    def loss(self, batch: TrainingBatch, *, step: int) -> Mapping[str, torch.Tensor]:
        """Scalars by name; "total" is minimised, the others are written down.

        Names of means that count something end with "_terms" or "_tokens".

        `step` counts optimiser steps from 0: schedules of regularisers follow it, not the calls.
        Whatever randomness there is comes from torch's global generators, whose states
        checkpoints hold.
        """
        ...

    def encoder(self) -> Encoder:
        """An encoder that sees the current weights, for evaluation."""
        ...

    def save(self, folder: Path) -> None:
        """Write an encoder that `load(folder)` gives back equal; the folder exists and is empty."""
        ...
