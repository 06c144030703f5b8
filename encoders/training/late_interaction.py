"""How is a model of late interaction trained?

ColBERT (Khattab & Zaharia 2020): the score of a document is MaxSim, and its positive is to beat the
other documents of the batch and its hard negatives. ColBERTv2 (arXiv 2112.01488) learns from a
teacher's scores besides. Here a teacher may also be the states of the transformer itself, before
the projection: a projection to few coordinates learns to rank as all of them do.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lexmax.encoders.colbert import TokenSide
from lexmax.encoders.contract import MultiVectorEncoder
from lexmax.encoders.pooling import Pooling
from lexmax.encoders.sparse_description import name_of
from lexmax.encoders.token_encoder import TokenEncoder, TokenParts, hash_of_weights
from lexmax.encoders.token_folder import save_token_folder
from lexmax.encoders.token_model import TokenReading
from lexmax.encoders.training import losses
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.crisp import pooled
from lexmax.encoders.training.own_trunk import own_trunk
from lexmax.encoders.training.sparse_module import freeze
from lexmax.encoders.training.states import StateSource
from lexmax.encoders.training.supervision import Scored
from lexmax.encoders.training.token_maxima import PaddedTokens, padded, side_by_side
from lexmax.encoders.training.token_objective import Distillation, MaxSim, Objective
from lexmax.encoders.training.trained_state import keep_trained_only
from lexmax.errors import EncoderError
from lexmax.types import TokenBatch


@dataclass(frozen=True, slots=True)
class TokenEffort:
    """What is trained besides the projection, and how fast.

    Attributes:
        layers: Last layers of the transformer that are trained; 0 for none, None for all.
        head_lr: Learning rate of the projection; None for that of the optimiser.
        cache: Folder for the states of a transformer of which nothing is trained, or None.
    """

    layers: int | None = 0
    head_lr: float | None = None
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class _Side:
    """Token vectors of texts of one side, and the states that they come from, text after text."""

    vectors: PaddedTokens
    states: Tensor
    counts: Tensor


class LateInteractionTask:
    """Trains a late-interaction model: a `lexmax.encoders.training.task.Task`.

    Attributes:
        parts: The model; its objective is that of the training.
        module: All that has state.
    """

    def __init__(
        self,
        parts: TokenParts,
        objective: Objective | None = None,
        effort: TokenEffort | None = None,
    ) -> None:
        """Freezes what is not to be trained; a transformer that is trained is copied first.

        Raises:
            EncoderError: if the parts, or what is to be trained, do not go together.
        """
        self._objective = objective or Objective()
        self._effort = effort or TokenEffort()
        named = self._objective.interaction.objective
        trunk = parts.trunk if self._effort.layers == 0 else own_trunk(parts.trunk)
        self.parts = replace(parts, model=replace(parts.model, objective=named), trunk=trunk)
        self.module = _Trained(self.parts, layers=self._effort.layers)
        self._source = StateSource(
            trunk.backbone,
            _not_asked,
            trainable=self._effort.layers != 0,
            cache=self._effort.cache,
        )
        model, pieces = parts.model, parts.trunk.pieces
        self._queries = model.queries.side(pieces)
        self._documents = model.documents.side(pieces)

    def parameter_groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Transformer and projection, each with and without decay; vectors do not decay."""
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in self.module.named_parameters():
            if parameter.requires_grad:
                which = (name.startswith("projection."), parameter.ndim > 1)
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
        """Each loss by name, "total", and how many vectors a text has.

        Raises:
            EncoderError: if a loss needs a teacher and the batch has none.
        """
        batch = batch.to(self.module.follow_device())
        queries = self._tokens(batch.queries, self._queries)
        documents = self._tokens(batch.documents, self._documents)
        # In half precision, documents would tie that float32 tells apart.
        with torch.autocast(batch.groups.device.type, enabled=False):
            return self._losses(batch, queries, documents)

    def _losses(self, batch: TrainingBatch, queries: _Side, documents: _Side) -> dict[str, Tensor]:
        model, objective = self.parts.model, self._objective
        kept = _pooled(queries.vectors, model.queries), _pooled(documents.vectors, model.documents)
        relevant = losses.relevant_to_equal_queries(
            batch.queries, batch.groups, n_documents=len(batch.documents)
        )
        scores = objective.interaction.scores(*kept)
        scored = Scored(scores, batch.groups, batch.weights, batch.teacher, relevant)
        parts: dict[str, Tensor] = {}
        for one in () if objective.supervision is None else objective.supervision.by_scores:
            name = name_of(one)
            loss = one.weight * one.loss(scored)
            parts[name] = parts[name] + loss if name in parts else loss
        if objective.distillation is not None:
            taught = self._taught(objective.distillation, batch, queries, documents)
            loss = objective.distillation.of(scored, taught)
            parts["distillation"] = objective.distillation.weight * loss
        total = torch.stack(list(parts.values())).sum()
        return {"total": total, **parts, **_counts(*kept)}

    def _tokens(self, texts: Sequence[str], side: TokenSide) -> _Side:
        rows = side.rows(texts)
        states = self._source.states_of(rows.ids, attended=rows.attended)
        scored = np.zeros(states.ids.shape, np.bool_)
        for i, row in enumerate(rows.scored):
            scored[i, : len(row)] = row
        chosen = torch.as_tensor(scored).to(states.hidden.device)
        # Only what is kept goes through the projection, and stands without gaps behind it.
        flat = states.hidden[chosen]
        counts = chosen.sum(dim=1)
        vectors: Tensor = self.parts.projection(flat)
        return _Side(side_by_side(vectors.float(), counts), flat, counts)

    @torch.no_grad()
    def _taught(
        self, by: Distillation, batch: TrainingBatch, queries: _Side, documents: _Side
    ) -> Tensor:
        scoring = MaxSim(mean=self._objective.interaction.mean)
        if by.teacher is None:
            return scoring.scores(_unit(queries), _unit(documents))
        device = queries.states.device
        return scoring.scores(
            padded(by.teacher.encode_queries(batch.queries), device),
            padded(by.teacher.encode_documents(batch.documents), device),
        )

    def encoder(self) -> MultiVectorEncoder:
        """An encoder that sees the weights as they are whenever it encodes."""
        self.module.follow_device()
        named = hash_of_weights(self.module)
        return _InUse(TokenEncoder(self.parts, spec="in-training", fingerprint=named), self.module)

    def save(self, folder: Path) -> None:
        """Write a folder that `load_token_folder` gives an equal encoder from."""
        save_token_folder(self.parts, folder)


class _Trained(nn.Module):
    """Transformer and projection."""

    def __init__(self, parts: TokenParts, *, layers: int | None) -> None:
        super().__init__()
        freeze(parts.trunk, layers=layers)
        self.layers = layers
        self.backbone: nn.Module = parts.trunk.backbone.model
        self.projection = parts.projection
        self._held = (parts.trunk,)  # In a tuple, which torch does not look into.
        keep_trained_only(self)

    def train(self, mode: bool = True) -> "_Trained":
        """As in torch; a frozen transformer stays as it is in use, without dropout."""
        super().train(mode)
        if self.layers == 0:
            self.backbone.eval()
        return self

    def follow_device(self) -> torch.device:
        """The device of the weights, of which the backbone is told as well."""
        (trunk,) = self._held
        trunk.backbone.device = next(self.projection.parameters()).device
        return trunk.backbone.device


class _InUse:
    """An encoder of a model in training: no dropout while it encodes."""

    def __init__(self, encoder: TokenEncoder, module: nn.Module) -> None:
        self._encoder = encoder
        self._module = module
        self.spec = encoder.spec
        self.fingerprint = encoder.fingerprint
        self.dim = encoder.dim

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        with _evaluating(self._module):
            return self._encoder.encode_documents(texts)

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        with _evaluating(self._module):
            return self._encoder.encode_queries(texts)


@contextmanager
def _evaluating(module: nn.Module) -> Generator[None, None, None]:
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


def _unit(side: _Side) -> PaddedTokens:
    return side_by_side(functional.normalize(side.states.float(), dim=-1), side.counts)


def _pooled(tokens: PaddedTokens, reading: TokenReading) -> PaddedTokens:
    pooling: Pooling | None = reading.pooling
    return tokens if pooling is None else pooled(tokens, pooling)


def _counts(queries: PaddedTokens, documents: PaddedTokens) -> dict[str, Tensor]:
    return {
        "query_tokens": queries.mask.float().sum() / max(len(queries), 1),
        "document_tokens": documents.mask.float().sum() / max(len(documents), 1),
    }


def _not_asked(texts: Sequence[str]) -> list[Any]:
    raise EncoderError("this source is given token ids only; expected rows, not texts")
