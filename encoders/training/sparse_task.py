"""How is a learned sparse model trained?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray

from lexmax.encoders.backbone import PaddedRows
from lexmax.encoders.sparse_description import name_of
from lexmax.encoders.sparse_encoding import (
    Expand,
    document_encoding,
    query_encoding,
    trained_pruning,
)
from lexmax.encoders.sparse_folder import save_sparse_folder
from lexmax.encoders.sparse_loading import expansions
from lexmax.encoders.sparse_parts import SparseParts, content_of
from lexmax.encoders.sparse_sides import AnchoredSide, Side, StateSide, TermSide, TokenSide
from lexmax.encoders.splade import Side as TextSide
from lexmax.encoders.splade import Splade
from lexmax.encoders.training import losses
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.regularizers import TopK, cost, kept
from lexmax.encoders.training.sparse_module import SparseModule
from lexmax.encoders.training.states import StateSource, TextStates
from lexmax.encoders.training.supervision import Scored
from lexmax.encoders.training.term_recall import distinct, term_recall_labels
from lexmax.encoders.trunk import Trunk
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch


@dataclass(frozen=True, slots=True)
class Effort:
    """What is trained, and what is computed for it; the losses are the same.

    Attributes:
        layers: Last layers of the transformers that are trained; None for all, 0 for none.
        head_lr: Learning rate of what is no transformer; None for that of the optimiser.
        sampled_terms: Terms of which the documents' penalty is estimated, where queries ask for
            their own tokens only; None to compute the weights of all terms.
        cache: Folder for the states of transformers of which nothing is trained, or None.
    """

    layers: int | None = None
    head_lr: float | None = None
    sampled_terms: int | None = None
    cache: Path | None = None


_ALL = Effort()


class SparseTask:
    """Trains a learned sparse model: a `lexmax.encoders.training.task.Task`.

    Where queries ask for nothing but their own tokens, a document's weights for all other terms
    meet no query. Scores are then exact from the weights of the batch's query terms alone, a
    thousand columns of the decoder instead of thirty thousand, and the penalty is estimated from
    terms drawn at random.

    Attributes:
        parts: The model.
        module: All that has state.
    """

    def __init__(self, parts: SparseParts, effort: Effort = _ALL) -> None:
        """Freezes what is not to be trained.

        Raises:
            EncoderError: if the parts, or what is to be trained, do not go together.
        """
        if effort.sampled_terms is not None:
            _check_sampling(parts, effort.sampled_terms)
        self.parts = parts if effort.layers == 0 else _with_own_weights(parts)
        self.module = SparseModule(self.parts, layers=effort.layers)
        self._effort = effort
        self._expand = expansions(parts.model)
        limits = parts.limits
        self._documents = self._reader(
            parts.documents, parts.document, limits.document, self._expand.document
        )
        self._queries = self._reader(parts.queries, parts.query, limits.query, self._expand.query)
        self._teacher = parts.model.supervision.state_teacher
        self._query_states = self._states(parts.documents, limits.query, self._expand.query)
        _check_teacher(parts, effort)

    def _reader(
        self, trunk: Trunk, side: Side, limit: int, expand: Expand | None
    ) -> Callable[[Sequence[str]], TextStates]:
        if not isinstance(side, TokenSide):
            return self._states(trunk, limit, expand)
        rows = _rows(trunk, limit, expand)
        return lambda texts: content_of(_tokens_alone(rows(texts), trunk), trunk.special_ids)

    def _states(
        self, trunk: Trunk, limit: int, expand: Expand | None
    ) -> Callable[[Sequence[str]], TextStates]:
        trainable = self._effort.layers != 0
        cache = None if trainable else self._effort.cache
        source = StateSource(
            trunk.backbone, _rows(trunk, limit, expand), trainable=trainable, cache=cache
        )
        return lambda texts: content_of(source.states(texts), trunk.special_ids)

    def parameter_groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Of transformers and heads, with and without decay, by relative learning rate.

        Biases, norms, tables and single numbers do not decay.
        """
        trunks = (self.parts.documents, self.parts.queries)
        backbones = {id(one) for trunk in trunks for one in trunk.backbone.model.parameters()}
        rates = _relative_rates(self.parts.document)
        groups: dict[tuple[bool, bool, float], list[torch.nn.Parameter]] = {}
        for parameter in self.module.parameters():
            if parameter.requires_grad:
                rate = rates.get(id(parameter), 1.0)
                which = (id(parameter) in backbones, parameter.ndim > 1, rate)
                groups.setdefault(which, []).append(parameter)
        head_lr = lr if self._effort.head_lr is None else self._effort.head_lr
        return [
            {
                "params": groups[of_backbone, decays, rate],
                "lr": (lr if of_backbone else head_lr) * rate,
                "weight_decay": weight_decay if decays else 0.0,
            }
            for of_backbone, decays, rate in sorted(groups)
        ]

    def loss(self, batch: TrainingBatch, *, step: int) -> Mapping[str, torch.Tensor]:
        """Each loss and penalty by name, as they stand in "total", and mean numbers of terms.

        Raises:
            EncoderError: if a loss needs a teacher and the batch has none.
        """
        batch = batch.to(self.module.follow_device())
        queries, documents = self._queries(batch.queries), self._documents(batch.documents)
        weights = self._weights(queries, documents)
        parts = self._losses(batch, weights, self._taught(batch, documents))
        if share := self.parts.model.supervision.term_recall:
            parts["term-recall"] = share * self._term_recall(batch, queries, documents)
        parts |= self._penalties(weights, step)
        total = torch.stack(list(parts.values())).sum()
        return {"total": total, **parts, **_counts(weights)}

    def _weights(self, queries: TextStates, documents: TextStates) -> "_Weights":
        if self._effort.sampled_terms is not None:
            return self._sampled_weights(queries, documents, self._effort.sampled_terms)
        regularization = self.parts.model.regularization
        query = kept(regularization.query, self.parts.query(queries))
        document = kept(regularization.document, self.parts.document(documents))
        return _Weights(query, document, document, 1.0)

    def _sampled_weights(
        self, queries: TextStates, documents: TextStates, sampled: int
    ) -> "_Weights":
        n_terms = self.parts.documents.n_terms
        asked = distinct(queries.ids[queries.content])
        drawn = torch.randperm(n_terms)[:sampled].to(asked.device)
        both = self.parts.document(documents, torch.cat([asked, drawn]))
        return _Weights(
            kept(self.parts.model.regularization.query, self.parts.query(queries, asked)),
            both[:, : len(asked)],
            both[:, len(asked) :],
            n_terms / len(drawn),
        )

    def _taught(self, batch: TrainingBatch, documents: TextStates) -> torch.Tensor | None:
        if self._teacher is None or not isinstance(self.parts.document, AnchoredSide):
            return None
        idf = self.parts.document.head.idf
        return self._teacher.scores(self._query_states(batch.queries), documents, idf=idf)

    def _losses(
        self, batch: TrainingBatch, weights: "_Weights", of_states: torch.Tensor | None
    ) -> dict[str, torch.Tensor]:
        objectives = self.parts.model.supervision.by_scores
        # Sums over terms in half precision would be off by more than documents differ.
        with torch.autocast(weights.query.device.type, enabled=False):
            scored = Scored(
                weights.query.float() @ weights.document.float().T,
                batch.groups,
                batch.weights,
                batch.teacher,
                losses.relevant_to_equal_queries(
                    batch.queries, batch.groups, n_documents=len(batch.documents)
                ),
                of_states,
            )
            parts: dict[str, torch.Tensor] = {}
            for objective in objectives:
                name = name_of(objective)
                loss = objective.weight * objective.loss(scored)
                parts[name] = parts[name] + loss if name in parts else loss
        return parts

    def _penalties(self, weights: "_Weights", step: int) -> dict[str, torch.Tensor]:
        """Of all documents of the batch together, once; and of its queries."""
        regularization = self.parts.model.regularization
        document = weights.penalised.float()
        return {
            "query_penalty": cost(regularization.query, weights.query.float(), step=step),
            "document_penalty": cost(
                regularization.document, document, step=step, scale=weights.scale
            ),
        }

    def _term_recall(
        self, batch: TrainingBatch, queries: TextStates, documents: TextStates
    ) -> torch.Tensor:
        side, n_terms = self.parts.document, self.parts.documents.n_terms
        if not isinstance(side, StateSide):
            raise EncoderError("term recall teaches weights of tokens, and this side has none")
        labels = term_recall_labels(
            queries, documents, batch.positives, batch.weights, n_terms=n_terms
        )
        predicted = side.token_weights(documents)[labels.rows].float()
        content = documents.content[labels.rows]
        return losses.term_mse(
            predicted, labels=labels.labels, mask=content, weights=labels.weights
        )

    def encoder(self) -> Splade:
        """An encoder that sees the weights as they are whenever it encodes."""
        parts, pruning = self.parts, trained_pruning(self.parts)
        documents = document_encoding(parts, pruning, expand=self._expand.document)
        queries = query_encoding(parts, pruning, expand=self._expand.query)
        return Splade(
            "in-training",
            f"in-training&weights={_hash_of(self.module)}",
            _InUse(self.module, documents),
            _InUse(self.module, queries),
            parts.documents.pieces.names,
        )

    def save(self, folder: Path) -> None:
        """Write a folder that `load_sparse_folder` gives an equal encoder from."""
        save_sparse_folder(self.parts, folder)


@dataclass(frozen=True, slots=True)
class _Weights:
    """Of a batch, over the terms that its losses need.

    Attributes:
        query: (B, t).
        document: (D, t), of the same terms.
        penalised: Document weights for the regulariser, (D, s).
        scale: What the penalty of those is multiplied by.
    """

    query: torch.Tensor
    document: torch.Tensor
    penalised: torch.Tensor
    scale: float


class _InUse:
    """A side of an encoder, with the modules as they are in use while it runs: no dropout."""

    def __init__(self, module: SparseModule, side: TextSide) -> None:
        self._module = module
        self._side = side

    def encode(self, texts: Sequence[str]) -> SparseBatch:
        self._module.follow_device()
        training = self._module.training
        self._module.eval()
        try:
            return self._side.encode(texts)
        finally:
            self._module.train(training)


def _check_sampling(parts: SparseParts, sampled: int) -> None:
    if sampled < 1:
        raise EncoderError(f"sampled_terms is {sampled}; expected 1 or more")
    of_all_terms = TermSide | AnchoredSide
    if isinstance(parts.query, TermSide) or not isinstance(parts.document, of_all_terms):
        raise EncoderError(
            "sampled_terms needs queries that ask for their own tokens only (binary, mlp, table) "
            "and documents with weights for all terms (mlm, cls-mlm, epic, anchored); leave it out"
        )
    if isinstance(parts.model.regularization.document, TopK):
        raise EncoderError(
            "sampled_terms with top-k documents, whose k largest weights are known only from all; "
            "leave one of them out"
        )


def _check_teacher(parts: SparseParts, effort: Effort) -> None:
    if parts.model.supervision.state_teacher is None:
        return
    if effort.layers != 0 or not isinstance(parts.document, AnchoredSide):
        raise EncoderError(
            "the loss 'states' learns from a frozen transformer's states; expected layers: 0 and "
            "documents that are anchored"
        )


def _relative_rates(side: Side) -> Mapping[int, float]:
    """Learning rates of parameters by their `id`, where a head says that they differ."""
    if not isinstance(side, AnchoredSide):
        return {}
    named = dict(side.head.named_parameters())
    return {id(named[name]): rate for name, rate in side.head.rates.items()}


def _rows(
    trunk: Trunk, limit: int, expand: Expand | None
) -> Callable[[Sequence[str]], list[NDArray[np.int64]]]:
    def rows(texts: Sequence[str]) -> list[NDArray[np.int64]]:
        expanded = texts if expand is None else expand(texts)
        return [trunk.pieces.marked(text, limit) for text in expanded]

    return rows


def _with_own_weights(parts: SparseParts) -> SparseParts:
    """The same over transformers that are no longer those that are installed."""
    documents = replace(parts.documents, shipped=None)
    queries = replace(parts.queries, shipped=None) if parts.query_trunk_is_own else documents
    return replace(parts, documents=documents, queries=queries)


def _tokens_alone(rows: Sequence[NDArray[np.int64]], trunk: Trunk) -> TextStates:
    """Texts that no transformer has seen: states of no coordinates."""
    given = PaddedRows.of(rows, pad_id=trunk.backbone.pad_id).to(trunk.backbone.device)
    nothing = torch.zeros((*given.ids.shape, 0), device=given.ids.device)
    return TextStates(given.ids, given.mask, given.mask, nothing)


def _counts(weights: _Weights) -> dict[str, torch.Tensor]:
    """Mean numbers of terms of a query and of a document; estimated where terms are a sample."""
    with torch.no_grad():
        per_document = (weights.penalised > 0).float().sum(dim=1).mean() * weights.scale
        return {
            "query_terms": (weights.query > 0).float().sum(dim=1).mean(),
            "document_terms": per_document,
        }


def _hash_of(module: torch.nn.Module) -> str:
    digest = xxhash.xxh3_128()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
