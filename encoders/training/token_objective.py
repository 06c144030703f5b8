"""What is a late-interaction model trained for?"""

from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from lexmax.encoders.contract import MultiVectorEncoder
from lexmax.encoders.training import losses
from lexmax.encoders.training.supervision import Scored, Supervision
from lexmax.encoders.training.token_maxima import PaddedTokens, token_maxima
from lexmax.errors import EncoderError


class Interaction(Protocol):
    """How tokens of a query and of a document make a score: `MaxSim` or `Xtr`."""

    @property
    def objective(self) -> Literal["maxsim", "xtr"]:
        """What the fingerprint of an encoder trained so says."""
        ...

    @property
    def mean(self) -> bool:
        """Whether a score is a mean over tokens of the query, not a sum."""
        ...

    def scores(self, queries: PaddedTokens, documents: PaddedTokens) -> Tensor:
        """Of all pairs, (n_queries, n_documents)."""
        ...


@dataclass(frozen=True, slots=True)
class MaxSim:
    """Sum over query tokens of the greatest inner product with a token of the document.

    Attributes:
        mean: Whether the sum is divided by the query's tokens, so that scores of long and short
            queries are of one size and one temperature fits both.
    """

    mean: bool = False

    @property
    def objective(self) -> Literal["maxsim", "xtr"]:
        """What the fingerprint of an encoder trained so says."""
        return "maxsim"

    def scores(self, queries: PaddedTokens, documents: PaddedTokens) -> Tensor:
        """Of all pairs, (n_queries, n_documents); 0 where a side has no tokens."""
        best = token_maxima(queries, documents).best
        counted = queries.mask[..., None] & (best > -torch.inf)
        sums = torch.where(counted, best, 0).sum(dim=1)
        return sums / queries.mask.sum(dim=1).clamp(min=1)[:, None] if self.mean else sums


@dataclass(frozen=True, slots=True)
class Distillation:
    """A teacher that scores every document of the batch.

    Attributes:
        weight: Of this loss beside those of `Supervision`.
        teacher: Another late-interaction encoder, or None for the states that the projection
            takes, at length one: what the transformer says in all its coordinates.
        loss: `kl` or `margin-mse`, over all documents of the batch or those of the groups.
        over: Which documents that is.
        temperature: Of the student's softmax, with `kl`.
        teacher_temperature: Of the teacher's.
    """

    weight: float = 1.0
    teacher: MultiVectorEncoder | None = None
    loss: Literal["kl", "margin-mse"] = "kl"
    over: Literal["batch", "groups"] = "batch"
    temperature: float = 1.0
    teacher_temperature: float = 1.0

    def of(self, scored: Scored, taught: Tensor) -> Tensor:
        """The loss, without weight.

        Args:
            scored: The student's scores.
            taught: The teacher's of the same pairs, (B, D).
        """
        # The teacher knows what else is relevant, so nothing is left out on that account.
        ours, in_batch = replace(scored, also_relevant=None), self.over == "batch"
        scores, mask = ours.negatives(in_batch=in_batch)
        targets, _ = replace(ours, scores=taught).negatives(in_batch=in_batch)
        if self.loss == "margin-mse":
            return losses.margin_mse(scores, teacher=targets, mask=mask, weights=scored.weights)
        return losses.kl(
            scores,
            teacher=targets,
            mask=mask,
            weights=scored.weights,
            temperature=self.temperature,
            teacher_temperature=self.teacher_temperature,
        )


@dataclass(frozen=True, slots=True)
class Objective:
    """What a late-interaction model is trained for.

    Attributes:
        interaction: What a score is.
        supervision: Losses over scores of the batch, and of a teacher's where the batch has them.
        distillation: A teacher that scores the whole batch.
    """

    interaction: Interaction = MaxSim()
    supervision: Supervision | None = field(default_factory=Supervision)
    distillation: Distillation | None = None

    def __post_init__(self) -> None:
        if self.supervision is None and self.distillation is None:
            raise EncoderError(
                "found neither supervision nor distillation; expected one of them at least"
            )
        if self.supervision is not None and self.supervision.term_recall:
            raise EncoderError(
                "the loss 'term-recall' teaches term weights, which token vectors have none of; "
                "take contrastive, margin-mse, kl or pld"
            )
