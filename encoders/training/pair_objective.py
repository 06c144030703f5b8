"""In which direction does a pair of texts move a reranker, and how far?

Fine-tuning as a classifier (SFT) and contrastive learning (CL) of rerankers differ in two things
only (arXiv 2510.14824): the gradient of a text's loss is a weight times a direction. With the
logits of yes and no, y and n, of a positive + and its negatives i:

    weight      sft           1 - p(label), p(yes) = e^y / (e^y + e^n)
                contrastive   1 - q+ and q_i, q = softmax of y / temperature over the group
                constant      1
                masked        as sft, but 0 where p(label) is `right_at` or more
    direction   sft           of y - n
                contrastive   of y

Each of the four weights goes with each of the two directions. Weights of sft, constant and masked
are divided by the number of texts, as means over texts are; those of contrastive by the
temperature. So sft with sft is the gradient of `losses.yes_no`, and contrastive with contrastive
that of `losses.contrastive`.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from lexmax.encoders.training import losses

Weighting: TypeAlias = Literal["sft", "contrastive", "constant", "masked"]
Direction: TypeAlias = Literal["sft", "contrastive"]


@dataclass(frozen=True, slots=True)
class PairLogits:
    """What a model says of groups of texts.

    Attributes:
        yes: (B, 1 + N), the positive in column 0.
        no: The same of no; zeros for a model with one output.
    """

    yes: Tensor
    no: Tensor

    def scores(self, direction: Direction) -> Tensor:
        """What the direction moves, and what a model so trained ranks by, (B, 1 + N)."""
        return self.yes - self.no if direction == "sft" else self.yes


@dataclass(frozen=True, slots=True)
class PairObjective:
    """A weight and a direction.

    Attributes:
        weighting: Which weight.
        direction: Which direction.
        temperature: Of the contrastive weight.
        right_at: Of the masked weight: a text whose label has this probability counts no more.
    """

    weighting: Weighting = "sft"
    direction: Direction = "sft"
    temperature: float = 1.0
    right_at: float = 0.9

    def loss(
        self,
        logits: PairLogits,
        *,
        weights: Tensor | None = None,
        text_weights: Tensor | None = None,
    ) -> Tensor:
        """A scalar whose gradient is weight times direction, and whose value is the weight's loss.

        Args:
            logits: Of the groups.
            weights: How much each sample counts, (B,).
            text_weights: How much each text counts, (B, 1 + N), in the place of `weights` where
                the weight is of one text at a time, and so any but contrastive.
        """
        alone = self.weighting != "contrastive"
        by_text = text_weights if alone and text_weights is not None else None
        counted = self._counted(logits.yes, weights, by_text)
        away = torch.ones_like(logits.yes)
        away[:, 0] = -1  # A loss falls when the positive's score rises.
        moved = logits.scores(self.direction) * away * self.weight(logits) * counted
        moving = moved.sum() / max(len(logits.yes), 1)
        return moving + (self._value(logits, weights, by_text) - moving).detach()

    @torch.no_grad()
    def weight(self, logits: PairLogits) -> Tensor:
        """W of each text, (B, 1 + N), without gradient."""
        if self.weighting == "contrastive":
            shares = torch.softmax(logits.yes / self.temperature, dim=1)
            shares[:, 0] = 1 - shares[:, 0]
            return shares / self.temperature
        n_texts = logits.yes.shape[1]
        if self.weighting == "constant":
            return torch.full_like(logits.yes, 1 / n_texts)
        wrong = torch.sigmoid(logits.yes - logits.no)
        wrong[:, 0] = 1 - wrong[:, 0]
        if self.weighting == "masked":
            wrong = wrong.masked_fill(1 - wrong >= self.right_at, 0.0)
        return wrong / n_texts

    def _counted(self, yes: Tensor, weights: Tensor | None, by_text: Tensor | None) -> Tensor:
        if by_text is not None:
            return by_text.to(yes.dtype)
        ones = torch.ones_like(yes[:, :1])
        return ones if weights is None else weights.to(yes.dtype)[:, None]

    def _value(self, logits: PairLogits, weights: Tensor | None, by_text: Tensor | None) -> Tensor:
        """What is written down: the loss whose gradient has this weight, or that of sft."""
        if self.weighting == "contrastive":
            return losses.contrastive(logits.yes, weights=weights, temperature=self.temperature)
        margins = logits.yes - logits.no
        if by_text is None:
            return losses.yes_no(margins, weights=weights)
        return losses.yes_no(margins, text_weights=by_text)
