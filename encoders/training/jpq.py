"""How are queries and centroids trained against documents that are coded already?

JPQ (arXiv 2108.00644): codes of documents are frozen, so an index never has to be built anew. Each
step encodes its queries, searches the codes with the centroids as they are now, takes what ranks
highest as negatives, and moves the query side and the centroids by a pairwise loss that weighs a
pair by what swapping the two would change (LambdaRank).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lexmax.encoders.compressed import CompressedEncoder, CompressedParts
from lexmax.encoders.compressed_folder import save_compressed_folder
from lexmax.encoders.token_encoder import hash_of_weights
from lexmax.encoders.training import losses
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.coded_corpus import CodedCorpus
from lexmax.encoders.training.compressed_groups import compressed_groups
from lexmax.encoders.training.trained_state import keep_trained_only
from lexmax.errors import EncoderError


@dataclass(frozen=True, slots=True)
class Jpq:
    """How JPQ trains.

    Attributes:
        depth: Documents that each query is answered with, which become its negatives.
        temperature: What scores are divided by. Vectors of length one have scores below 1, over
            which a pairwise loss is all but flat: .05 makes differences of them count.
        loss: `lambda` of the paper; `contrastive` is what RepCONC's second stage takes.
        cut: Ranks beyond it have no gain, with `lambda`; None for no cut.
        centroid_lr: Times the learning rate for centroids. The paper has 1 for 16 and 24
            subspaces, 4 for 32 and 20 from 48 on, where the encoder's is 5e-6.
        relevant: Further documents known as relevant to a query, by texts: no negatives.

    Raises:
        EncoderError: if a number is not above 0.
    """

    depth: int = 200
    temperature: float = 1.0
    loss: Literal["lambda", "contrastive"] = "lambda"
    cut: int | None = None
    centroid_lr: float = 20.0
    relevant: Mapping[str, Sequence[str]] | None = None

    def __post_init__(self) -> None:
        if self.depth < 1 or not self.temperature > 0 or not self.centroid_lr > 0:
            raise EncoderError(
                f"depth is {self.depth}, temperature {self.temperature} and centroid_lr "
                f"{self.centroid_lr}; expected all above 0"
            )


class JpqTask:
    """Trains the query side and the centroids: a `lexmax.encoders.training.task.Task`.

    Attributes:
        parts: The model; its query side has weights of its own.
        module: All that has state, codes included.
    """

    def __init__(self, parts: CompressedParts, corpus: CodedCorpus, how: Jpq | None = None) -> None:
        """Takes weights of its own for queries, because those of documents must not change.

        Args:
            parts: The model that the corpus was coded with.
            corpus: The documents that are searched; holds all that batches name.
            how: How to train.
        """
        self.parts = replace(parts, queries=parts.queries.apart())
        self.parts.queries.freeze()
        self._corpus = corpus
        self._how = how or Jpq()
        self.module = _Trained(self.parts, corpus.codes)

    def parameter_groups(self, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Transformer and head with and without decay, and centroids, which do not decay."""
        return compressed_groups(
            self.module, lr=lr, weight_decay=weight_decay, centroid_lr=lr * self._how.centroid_lr
        )

    def loss(self, batch: TrainingBatch, *, step: int) -> Mapping[str, Tensor]:
        """The loss as "total", and as "found" the share of positives among the best `depth`.

        Hard negatives of the batch are not looked at: the index has better ones.

        Raises:
            TrainingError: if a positive is none of the corpus.
        """
        codes, quantizer = self.module.codes, self.parts.quantizer
        batch = batch.to(codes.device)
        queries = self.parts.queries.vectors(batch.queries).to(codes.device)
        positives = self._corpus.rows_of([batch.documents[int(row)] for row in batch.positives])
        positives = positives.to(codes.device)[:, None]
        with torch.autocast(codes.device.type, enabled=False):
            _, found = quantizer.search(queries.detach(), codes, self._how.depth)
            same = found == positives
            mask = ~(same | self._known(batch.queries, found))
            rows = torch.cat([positives, found], dim=1)
            scores = quantizer.scores(queries, codes[rows]) / self._how.temperature
            mask = torch.cat([torch.ones_like(mask[:, :1]), mask], dim=1)
            total = self._loss(scores, mask, batch.weights)
        share = same.any(dim=1).float().sum() / max(len(batch), 1)
        return {"total": total, "found": share}

    def _loss(self, scores: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
        if self._how.loss == "contrastive":
            return losses.contrastive(scores, mask=mask, weights=weights)
        return losses.lambda_pairwise(scores, mask=mask, weights=weights, cut=self._how.cut)

    def _known(self, queries: Sequence[str], found: Tensor) -> Tensor:
        """Which of the documents found are relevant besides the positive, bool like `found`."""
        known = torch.zeros_like(found, dtype=torch.bool)
        for i, query in enumerate(queries if self._how.relevant else ()):
            texts = (self._how.relevant or {}).get(query, ())
            rows = [self._corpus.rows[text] for text in texts if text in self._corpus.rows]
            known[i] = torch.isin(found[i], torch.tensor(rows, device=found.device))
        return known

    def encoder(self) -> CompressedEncoder:
        """An encoder that sees the weights as they are whenever it encodes."""
        named = hash_of_weights(self.module)
        return CompressedEncoder(self.parts, spec="in-training", fingerprint=f"in-training&{named}")

    def save(self, folder: Path) -> None:
        """Write a folder that `load_compressed_folder` gives an equal encoder from."""
        save_compressed_folder(self.parts, folder)


class _Trained(nn.Module):
    codes: Tensor

    def __init__(self, parts: CompressedParts, codes: Tensor) -> None:
        super().__init__()
        self.queries = parts.queries.module
        self.quantizer = parts.quantizer
        self.register_buffer("codes", codes)
        keep_trained_only(self)
