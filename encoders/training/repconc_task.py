"""How are encoders and codes trained together?

RepCONC (arXiv 2110.05789): documents of a batch are coded with balanced codes, queries are to find
their positive among what those stand for, and vectors are drawn to their code. Afterwards the
documents are coded again by the final encoder, each by its nearest centroids, and JPQ (`jpq`) goes
on from there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lexmax.encoders.compressed import CompressedEncoder, CompressedParts
from lexmax.encoders.compressed_folder import save_compressed_folder
from lexmax.encoders.dense_sides import DenseSide, PooledSide
from lexmax.encoders.token_encoder import hash_of_weights
from lexmax.encoders.training import losses
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.coded_corpus import CodedCorpus
from lexmax.encoders.training.compressed_groups import compressed_groups
from lexmax.encoders.training.own_trunk import own_trunk
from lexmax.encoders.training.repconc import Balance, squared_error, straight_through
from lexmax.encoders.training.trained_state import keep_trained_only
from lexmax.encoders.trunk import Trunk
from lexmax.errors import EncoderError


@dataclass(frozen=True, slots=True)
class Repconc:
    """How RepCONC trains.

    Attributes:
        balance: How strictly centroids are used alike.
        mse_weight: λ of the squared distance between a vector and what its code stands for; more
            where a code has few bytes.
        temperature: What scores are divided by.
        centroid_lr: Times the learning rate for centroids; 25 in the paper's code.
    """

    balance: Balance = field(default_factory=Balance)
    mse_weight: float = 1e-4
    temperature: float = 1.0
    centroid_lr: float = 25.0

    def __post_init__(self) -> None:
        if self.mse_weight < 0 or not self.temperature > 0 or not self.centroid_lr > 0:
            raise EncoderError(
                f"mse_weight is {self.mse_weight}, temperature {self.temperature} and centroid_lr "
                f"{self.centroid_lr}; expected 0 or more, and above 0"
            )


class RepconcTask:
    """Trains both sides and the centroids: a `lexmax.encoders.training.task.Task`.

    Attributes:
        parts: The model.
        module: All that has state.
    """

    def __init__(self, parts: CompressedParts, how: Repconc | None = None) -> None:
        """Starts from a quantiser that was fitted to the documents (`coded_corpus.warm_start`).

        A transformer that is trained is copied first; one that both sides share stays shared.

        Raises:
            EncoderError: if both sides have one transformer and train different layers of it.
        """
        _require_one_choice(parts)
        self.parts = _with_own_trunks(parts)
        self._how = how or Repconc()
        for side in (self.parts.queries, self.parts.documents):
            side.freeze()
        self.module = _Trained(self.parts)

    def parameter_groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Transformers and heads with and without decay, and centroids, which do not decay."""
        return compressed_groups(
            self.module, lr=lr, weight_decay=weight_decay, centroid_lr=lr * self._how.centroid_lr
        )

    def loss(self, batch: TrainingBatch, *, step: int) -> Mapping[str, Tensor]:
        """The contrastive loss over quantised documents, the squared error, and "total".

        Other queries' documents and all hard negatives stand against the positive, but for those
        of an equal query.
        """
        quantizer = self.parts.quantizer
        device = quantizer.rotation.device
        batch = batch.to(device)
        queries = self.parts.queries.vectors(batch.queries).to(device)
        documents = self.parts.documents.vectors(batch.documents).to(device)
        with torch.autocast(device.type, enabled=False):
            continuous = quantizer.rotated(documents)
            codes = self._how.balance.codes(quantizer.distances(continuous.detach()).detach())
            quantised = quantizer.decoded(codes)
            learned = straight_through(continuous, quantised)
            scores = quantizer.rotated(queries) @ learned.T / self._how.temperature
            contrastive = self._contrastive(batch, scores)
            error = squared_error(continuous, quantised)
        total = contrastive + self._how.mse_weight * error
        return {"total": total, "contrastive": contrastive, "squared_error": error}

    def _contrastive(self, batch: TrainingBatch, scores: Tensor) -> Tensor:
        relevant = losses.relevant_to_equal_queries(
            batch.queries, batch.groups, n_documents=len(batch.documents)
        )
        ranked, mask = losses.in_batch(scores, batch.groups, also_relevant=relevant)
        return losses.contrastive(ranked, mask=mask, weights=batch.weights)

    def coded(self, texts: Sequence[str]) -> CodedCorpus:
        """Codes of documents by the weights as they are now, nearest centroids, for `JpqTask`."""
        return CodedCorpus.of(texts, self.parts)

    def encoder(self) -> CompressedEncoder:
        """An encoder that sees the weights as they are whenever it encodes."""
        named = hash_of_weights(self.module)
        return CompressedEncoder(self.parts, spec="in-training", fingerprint=f"in-training&{named}")

    def save(self, folder: Path) -> None:
        """Write a folder that `load_compressed_folder` gives an equal encoder from."""
        save_compressed_folder(self.parts, folder)


def _require_one_choice(parts: CompressedParts) -> None:
    queries, documents = parts.queries, parts.documents
    if isinstance(queries, PooledSide) and isinstance(documents, PooledSide):
        one = queries.trunk.backbone.model is documents.trunk.backbone.model
        if one and queries.layers != documents.layers:
            raise EncoderError(
                f"queries train {queries.layers} layers and documents {documents.layers} of one "
                "transformer; expected one number, or a transformer for each"
            )


def _with_own_trunks(parts: CompressedParts) -> CompressedParts:
    owned: dict[int, Trunk] = {}

    def own(side: DenseSide) -> DenseSide:
        if not isinstance(side, PooledSide) or side.layers == 0:
            return side
        known = id(side.trunk.backbone.model)
        if known not in owned:
            owned[known] = own_trunk(side.trunk)
        return replace(side, trunk=owned[known])

    return replace(parts, queries=own(parts.queries), documents=own(parts.documents))


class _Trained(nn.Module):
    def __init__(self, parts: CompressedParts) -> None:
        super().__init__()
        self.queries = parts.queries.module
        self.documents = parts.documents.module
        self.quantizer = parts.quantizer
        keep_trained_only(self)
