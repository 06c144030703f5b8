"""A task that costs nothing: words are hashed to rows of one matrix, a text is their mean."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray
from safetensors.torch import save_file

from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.config import Section
from lexmax.encoders.training.tasks import TaskKind

ROWS, DIM = 256, 8


class BagOfWords(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rows = torch.nn.EmbeddingBag(ROWS, DIM, mode="mean")
        self.dropout = torch.nn.Dropout(0.1)

    def forward(self, texts: Sequence[str]) -> torch.Tensor:
        words = [
            [xxhash.xxh32_intdigest(w.encode()) % ROWS for w in text.split()] for text in texts
        ]
        starts = np.cumsum([0, *(len(row) for row in words[:-1])])
        device = self.rows.weight.device
        flat = torch.tensor([word for row in words for word in row], device=device)
        return self.dropout(self.rows(flat, torch.tensor(starts, device=device)))


class ToyEncoder:
    spec, fingerprint, dim = "toy", "toy", DIM

    def __init__(self, module: BagOfWords) -> None:
        self._module = module

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with torch.no_grad():
            return self._module(texts).float().cpu().numpy()

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.encode_documents(texts)


class ToyTask:
    def __init__(self, nan_at: int = -1) -> None:
        self.module = BagOfWords()
        self.nan_at = nan_at
        self.steps: list[int] = []

    def parameter_groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        return [{"params": list(self.module.parameters()), "lr": lr}]

    def loss(self, batch: TrainingBatch, *, step: int) -> Mapping[str, torch.Tensor]:
        self.steps.append(step)
        scores = self.module(batch.queries) @ self.module(batch.documents).T
        right = batch.groups[:, 0]
        total = torch.nn.functional.cross_entropy(scores, right)
        size = scores.square().mean()
        if step == self.nan_at:
            total = total * torch.nan
        return {"total": total + 0.01 * size, "contrastive": total, "size": size}

    def encoder(self) -> Any:
        return ToyEncoder(self.module)

    def save(self, folder: Path) -> None:
        save_file(self.module.state_dict(), folder / "model.safetensors")


class ToyValues(Section):
    nan_at: int = -1


KIND = TaskKind(
    ToyValues,
    lambda values, place: ToyTask(values.nan_at),
    presets={"late-nan": {"nan_at": 7}},
)
