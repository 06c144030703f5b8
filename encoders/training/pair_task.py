"""How is a cross-encoder trained?

Every query of a batch is read with its positive and each of its own negatives. In-batch negatives
would need a pass for every pair of the batch, so there are none.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lexmax.encoders.backbone import PaddedRows
from lexmax.encoders.batches import plan_batches
from lexmax.encoders.contract import PairScorer
from lexmax.encoders.logit_model import LogitModel
from lexmax.encoders.pair_model import PairModel, Score, save_cross_encoder, score_of
from lexmax.encoders.pair_texts import PairRow, PairTexts
from lexmax.encoders.reranker import CrossEncoder
from lexmax.encoders.sparse_description import name_of
from lexmax.encoders.token_encoder import hash_of_weights
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.pair_objective import Direction, PairLogits, PairObjective
from lexmax.encoders.training.sparse_module import freeze
from lexmax.encoders.training.supervision import Scored, Supervision
from lexmax.encoders.training.trained_state import keep_trained_only
from lexmax.errors import TrainingError

# Padding counted; all of a batch is in memory anyway, for its gradient.
_FORWARD_TOKENS = 8_192


@dataclass(frozen=True, slots=True)
class PairEffort:
    """What is trained, and how fast.

    Attributes:
        layers: Last layers of the transformer that are trained; 0 for none, None for all.
        head_lr: Learning rate of the head; None for that of the optimiser.
    """

    layers: int | None = None
    head_lr: float | None = None


@dataclass(frozen=True, slots=True)
class PairLosses:
    """What a cross-encoder learns from; the losses are added.

    Attributes:
        objective: Weight and direction; None for the others alone.
        supervision: Losses over scores, such as those of a teacher's; or None.
        direction: What the score is without an objective.

    Raises:
        TrainingError: if there is neither.
    """

    objective: PairObjective | None = field(default_factory=PairObjective)
    supervision: Supervision | None = None
    direction: Direction = "sft"

    def __post_init__(self) -> None:
        if self.objective is None and self.supervision is None:
            raise TrainingError(
                "there is nothing to learn from: no weight and direction, and no losses; expected "
                "one of them; name it in task"
            )

    @property
    def moves(self) -> Direction:
        """Which way scores are moved."""
        return self.direction if self.objective is None else self.objective.direction

    @property
    def score(self) -> Score:
        """What the trained model ranks by."""
        return "yes-no" if self.moves == "sft" else "yes"


class PairTask:
    """Trains a cross-encoder: a `lexmax.encoders.training.task.Task`.

    Attributes:
        parts: The model.
        module: All that has state.
    """

    def __init__(
        self,
        parts: PairModel,
        learned: PairLosses | None = None,
        effort: PairEffort | None = None,
    ) -> None:
        """Freezes what is not to be trained.

        Raises:
            EncoderError: if the transformer has fewer layers than are to be trained.
        """
        self.parts = parts
        self._learned = learned or PairLosses()
        self._effort = effort or PairEffort()
        self.module = _Trained(parts, layers=self._effort.layers)

    def parameter_groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Transformer and head, each with and without decay; vectors do not decay."""
        of_base = self.module.of_base()
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for parameter in self.module.parameters():
            if parameter.requires_grad:
                which = (id(parameter) not in of_base, parameter.ndim > 1)
                groups.setdefault(which, []).append(parameter)
        head_lr = lr if self._effort.head_lr is None else self._effort.head_lr
        return [
            {
                "params": parameters,
                "lr": head_lr if of_head else lr,
                "weight_decay": weight_decay if decays else 0.0,
            }
            for (of_head, decays), parameters in sorted(groups.items(), key=lambda g: g[0])
        ]

    def loss(self, batch: TrainingBatch, *, step: int) -> Mapping[str, Tensor]:
        """Each loss by name, and "total".

        Raises:
            TrainingError: if there are no negatives.
            EncoderError: if a loss needs a teacher and the batch has none.
        """
        if batch.groups.shape[1] < 2:
            raise TrainingError(
                "a cross-encoder learns from a query's own negatives, and this batch has none; "
                "expected negatives.per_query of 1 or more; set it, and negatives.mine where the "
                "files hold no negatives"
            )
        batch = batch.to(self.module.device)
        outputs = self._outputs(batch)
        # Shares of many texts in half precision would be off by more than texts differ.
        with torch.autocast(outputs.device.type, enabled=False):
            return self._losses(batch, _logits(outputs.float()))

    def _outputs(self, batch: TrainingBatch) -> Tensor:
        """Of every query with its own documents, (B, 1 + N, rows)."""
        pairs: list[PairRow] = []
        for query, group in zip(batch.queries, batch.groups.cpu().numpy(), strict=True):
            pairs += read_pairs(
                self.parts.texts, query, [batch.documents[int(row)] for row in group]
            )
        lengths = np.array([len(pair.ids) for pair in pairs], dtype=np.int64)
        batches = plan_batches(lengths, max_tokens=_FORWARD_TOKENS)
        found = torch.cat([self._forward([pairs[int(i)] for i in rows]) for rows in batches])
        order = torch.as_tensor(np.argsort(np.concatenate(batches)), device=found.device)
        return found[order].reshape(*batch.groups.shape, -1)

    def _forward(self, pairs: Sequence[PairRow]) -> Tensor:
        device, pad_id = self.module.device, self.parts.trunk.backbone.pad_id
        given = PaddedRows.of([pair.ids for pair in pairs], pad_id=pad_id).to(device)
        inputs = {"input_ids": given.ids, "attention_mask": given.attention}
        if self.parts.takes_types:
            types = PaddedRows.of([pair.types for pair in pairs], pad_id=0)
            inputs["token_type_ids"] = types.ids.to(device)
        logits: Tensor = self.module.model(**inputs).logits
        return logits

    def _losses(self, batch: TrainingBatch, logits: PairLogits) -> dict[str, Tensor]:
        learned, parts = self._learned, dict[str, Tensor]()
        if learned.objective is not None:
            name = f"{learned.objective.weighting}-{learned.objective.direction}"
            parts[name] = learned.objective.loss(
                logits, weights=batch.weights, text_weights=batch.text_weights
            )
        scores = logits.scores(learned.moves)
        own = torch.arange(scores.shape[1], device=scores.device).expand_as(scores)
        scored = Scored(scores, own, batch.weights, batch.teacher)
        for one in () if learned.supervision is None else learned.supervision.by_scores:
            loss = one.weight * one.loss(scored)
            named = name_of(one)
            parts[named] = parts[named] + loss if named in parts else loss
        return {"total": torch.stack(list(parts.values())).sum(), **parts}

    def encoder(self) -> PairScorer:
        """A scorer that sees the weights as they are whenever it scores."""
        merged = _Merged(self.module, self._learned.score)
        return _InUse(
            CrossEncoder(
                LogitModel(merged, pad_id=self.parts.trunk.backbone.pad_id),
                self.parts.texts,
                nn.Identity(),
                spec="in-training",
                fingerprint=f"in-training&weights={hash_of_weights(self.module)}",
                takes_types=self.parts.takes_types,
            ),
            self.module,
        )

    def save(self, folder: Path) -> None:
        """Write a folder that `cross-encoder:PATH` gives an equal scorer from."""
        save_cross_encoder(self.parts, folder, score=self._learned.score)


def read_pairs(texts: PairTexts, query: str, documents: Sequence[str]) -> list[PairRow]:
    """A row for each document, also where it has no words; in use such texts are not read."""
    rows = texts.rows(query, documents)
    return [_bare(texts, query) if row is None else row for row in rows]


def _bare(texts: PairTexts, query: str) -> PairRow:
    known, room = texts.template, texts.max_tokens - texts.template.n_markers
    nothing: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    first = texts.pieces.first(texts.prompt + query, room)
    parts = (known.before, first, known.between, nothing, known.after)
    return PairRow(np.concatenate(parts), np.repeat(known.types, [len(part) for part in parts]))


def _logits(outputs: Tensor) -> PairLogits:
    """Of outputs (B, 1 + N, rows): yes is the last, no the first of two."""
    yes = outputs[..., -1]
    return PairLogits(yes, outputs[..., 0] if outputs.shape[-1] == 2 else torch.zeros_like(yes))


class _Trained(nn.Module):
    """Transformer and head."""

    def __init__(self, parts: PairModel, *, layers: int | None) -> None:
        super().__init__()
        backbone = _around(parts)
        freeze(replace(parts.trunk, backbone=backbone), layers=layers)
        for name, parameter in parts.base.named_parameters():
            if "pooler" in name:  # What lies between the states and the head is of the head.
                parameter.requires_grad_(True)
        self.layers = layers
        self.model: nn.Module = parts.model
        self._held = (parts.base,)  # In a tuple, which torch does not look into.
        keep_trained_only(self)

    def train(self, mode: bool = True) -> "_Trained":
        """As in torch; a frozen transformer stays as it is in use, without dropout."""
        super().train(mode)
        if self.layers == 0:
            self._held[0].eval()
        return self

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    def of_base(self) -> set[int]:
        """Ids of the transformer's parameters, the pooler's left out."""
        named = self._held[0].named_parameters()
        return {id(parameter) for name, parameter in named if "pooler" not in name}


def _around(parts: PairModel) -> Any:
    """A backbone over the classifier's own transformer."""
    backbone = copy.copy(parts.trunk.backbone)
    backbone.model = parts.base
    return backbone


class _Merged(nn.Module):
    """The model with the score as its only output."""

    def __init__(self, module: _Trained, score: Score) -> None:
        super().__init__()
        self._module = (module,)
        self._score: Score = score

    def forward(self, **inputs: Tensor) -> Any:
        logits = self._module[0].model(**inputs).logits
        return SimpleNamespace(logits=score_of(logits, self._score)[:, None])


class _InUse:
    """A scorer of a model in training: no dropout while it scores."""

    def __init__(self, scorer: CrossEncoder, module: nn.Module) -> None:
        self._scorer = scorer
        self._module = module
        self.spec = scorer.spec
        self.fingerprint = scorer.fingerprint

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        training = self._module.training
        self._module.eval()
        try:
            return self._scorer.score(query, texts)
        finally:
            self._module.train(training)
