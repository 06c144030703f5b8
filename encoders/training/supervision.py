"""What tells an encoder in training which document is the better one?"""

from dataclasses import dataclass, field
from typing import TypeAlias

import torch

from lexmax.encoders.training import losses
from lexmax.encoders.training.state_teacher import StateTeacher
from lexmax.errors import EncoderError


@dataclass(frozen=True, slots=True)
class Scored:
    """A batch after scoring.

    Attributes:
        scores: Of every query with every document, (B, D).
        groups: Rows of the documents of each query, the positive in column 0, int64 (B, 1 + N).
        weights: How much each sample counts, (B,).
        teacher: A teacher's scores of the groups, (B, 1 + N), or None.
        also_relevant: Documents that are no negatives of a query, bool (B, D), or None.
        of_states: What a `StateTeacher` says of every pair, (B, D), or None.
    """

    scores: torch.Tensor
    groups: torch.Tensor
    weights: torch.Tensor
    teacher: torch.Tensor | None = None
    also_relevant: torch.Tensor | None = None
    of_states: torch.Tensor | None = None

    @property
    def of_groups(self) -> torch.Tensor:
        """Scores of each query's own documents, (B, 1 + N)."""
        return self.scores.gather(1, self.groups)

    def negatives(self, *, in_batch: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Scores and mask: of the whole batch, or of the groups alone."""
        if in_batch:
            return losses.in_batch(self.scores, self.groups, also_relevant=self.also_relevant)
        return self.of_groups, None

    def taught(self, loss: str) -> torch.Tensor:
        """The teacher's scores.

        Raises:
            EncoderError: if the batch has none.
        """
        if self.teacher is None:
            raise EncoderError(
                f"the loss {loss!r} learns from a teacher's scores, and this batch has none; "
                "expected scores in the training file; add them, or train with 'contrastive'"
            )
        return self.teacher


@dataclass(frozen=True, slots=True)
class Contrastive:
    """`losses.contrastive`; with `in_batch` all documents of the batch are negatives."""

    weight: float = 1.0
    temperature: float = 1.0
    in_batch: bool = True

    def loss(self, scored: Scored) -> torch.Tensor:
        """A scalar, without `weight`."""
        scores, mask = scored.negatives(in_batch=self.in_batch)
        return losses.contrastive(
            scores, mask=mask, weights=scored.weights, temperature=self.temperature
        )


@dataclass(frozen=True, slots=True)
class Focal:
    """`losses.focal`; with `in_batch` all documents of the batch are negatives."""

    weight: float = 1.0
    temperature: float = 1.0
    gamma: float = 0.5
    in_batch: bool = True

    def loss(self, scored: Scored) -> torch.Tensor:
        """A scalar, without `weight`."""
        scores, mask = scored.negatives(in_batch=self.in_batch)
        return losses.focal(
            scores,
            mask=mask,
            weights=scored.weights,
            temperature=self.temperature,
            gamma=self.gamma,
        )


@dataclass(frozen=True, slots=True)
class OneMinusSoftmax:
    """`losses.one_minus_softmax` over each query's own negatives."""

    weight: float = 1.0
    in_batch: bool = False

    def loss(self, scored: Scored) -> torch.Tensor:
        """A scalar, without `weight`."""
        scores, mask = scored.negatives(in_batch=self.in_batch)
        return losses.one_minus_softmax(scores, mask=mask, weights=scored.weights)


@dataclass(frozen=True, slots=True)
class MarginMse:
    """`losses.margin_mse` against the teacher's scores times `teacher_scale`."""

    weight: float = 1.0
    teacher_scale: float = 1.0

    def loss(self, scored: Scored) -> torch.Tensor:
        """A scalar, without `weight`."""
        teacher = scored.taught("margin-mse") * self.teacher_scale
        return losses.margin_mse(scored.of_groups, teacher=teacher, weights=scored.weights)


@dataclass(frozen=True, slots=True)
class Kl:
    """`losses.kl` against the teacher's scores."""

    weight: float = 1.0
    temperature: float = 1.0
    teacher_temperature: float = 1.0

    def loss(self, scored: Scored) -> torch.Tensor:
        """A scalar, without `weight`."""
        return losses.kl(
            scored.of_groups,
            teacher=scored.taught("kl"),
            weights=scored.weights,
            temperature=self.temperature,
            teacher_temperature=self.teacher_temperature,
        )


@dataclass(frozen=True, slots=True)
class Pld:
    """`losses.pld` against the teacher's scores; `top` 0 counts all draws."""

    weight: float = 1.0
    temperature: float = 1.0
    top: int = 0

    def loss(self, scored: Scored) -> torch.Tensor:
        """A scalar, without `weight`."""
        return losses.pld(
            scored.of_groups,
            teacher=scored.taught("pld"),
            weights=scored.weights,
            temperature=self.temperature,
            top=self.top or None,
        )


@dataclass(frozen=True, slots=True)
class States:
    """`losses.kl` over all documents of the batch, against the frozen transformer's own states.

    Attributes:
        weight: Of this loss.
        temperature: The teacher's scores are divided by it.
        maxsim, pooled, lexical: Weights of what the teacher adds: see `StateTeacher`.
    """

    weight: float = 1.0
    temperature: float = 0.05
    maxsim: float = 1.0
    pooled: float = 0.5
    lexical: float = 0.3

    @property
    def teacher(self) -> StateTeacher:
        """What scores the batch."""
        return StateTeacher(self.maxsim, self.pooled, self.lexical)

    def loss(self, scored: Scored) -> torch.Tensor:
        """A scalar, without `weight`.

        Raises:
            EncoderError: if no states were scored.
        """
        if scored.of_states is None:
            raise EncoderError("the loss 'states' has no states; expected a sparse task's batch")
        return losses.kl(
            scored.scores,
            teacher=scored.of_states,
            weights=scored.weights,
            teacher_temperature=self.temperature,
        )


@dataclass(frozen=True, slots=True)
class TermRecall:
    """`losses.term_mse` against the share of relevant queries that have a token (DeepCT)."""

    weight: float = 1.0


ByScores: TypeAlias = Contrastive | Focal | OneMinusSoftmax | MarginMse | Kl | Pld | States
Objective: TypeAlias = ByScores | TermRecall


@dataclass(frozen=True, slots=True)
class Supervision:
    """Losses that are added, each times its weight.

    Raises:
        EncoderError: if there is none.
    """

    objectives: tuple[Objective, ...] = field(default=(Contrastive(),))

    def __post_init__(self) -> None:
        if not self.objectives:
            raise EncoderError("supervision has no losses; expected at least one; name it")

    @property
    def by_scores(self) -> tuple[ByScores, ...]:
        """Those that compare scores of documents."""
        return tuple(one for one in self.objectives if not isinstance(one, TermRecall))

    @property
    def state_teacher(self) -> StateTeacher | None:
        """The teacher of `States`, if it is among them."""
        found = (one.teacher for one in self.objectives if isinstance(one, States))
        return next(found, None)

    @property
    def term_recall(self) -> float:
        """The weight of `TermRecall`; 0 where it is not among them."""
        return sum(one.weight for one in self.objectives if isinstance(one, TermRecall))
