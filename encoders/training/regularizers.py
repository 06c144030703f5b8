"""What do term weights cost?"""

from dataclasses import dataclass
from typing import TypeAlias

import torch


@dataclass(frozen=True, slots=True)
class Flops:
    """Sum over terms of (mean over texts of |w|)^2 (Paria et al. 2020; SPLADE).

    Terms that many texts have cost most, as their long posting lists do. The value depends on how
    many texts are in the batch: tune the strength again when that changes.

    Attributes:
        strength: λ, once it is reached.
        steps: T, optimiser steps until then: see `ramp`.
    """

    strength: float
    steps: int = 0

    def penalty(self, weights: torch.Tensor, *, scale: float = 1.0) -> torch.Tensor:
        """Of weights (b, t), without λ; times `scale` where the terms are a sample."""
        return _flops(weights) * scale


@dataclass(frozen=True, slots=True)
class L1:
    """Mean over texts of the sum of |w|.

    Attributes:
        strength: λ, once it is reached.
        steps: T, optimiser steps until then: see `ramp`.
    """

    strength: float
    steps: int = 0

    def penalty(self, weights: torch.Tensor, *, scale: float = 1.0) -> torch.Tensor:
        """As `Flops.penalty`."""
        return weights.abs().sum() / max(len(weights), 1) * scale


@dataclass(frozen=True, slots=True)
class ThresholdedFlops:
    """FLOPs of the texts alone that have more than `threshold` terms (arXiv 2504.14839).

    The mean is still over all texts of the batch. Over a sample of terms the number of a text's
    terms is estimated from those in the sample.

    Attributes:
        strength: λ, once it is reached.
        steps: T, optimiser steps until then: see `ramp`.
        threshold: Terms that a text may have for nothing.
    """

    strength: float
    steps: int = 0
    threshold: int = 150

    def penalty(self, weights: torch.Tensor, *, scale: float = 1.0) -> torch.Tensor:
        """As `Flops.penalty`."""
        too_many = (weights != 0).sum(dim=1, keepdim=True) * scale > self.threshold
        return _flops(weights * too_many) * scale


@dataclass(frozen=True, slots=True)
class TopK:
    """The k largest weights of a text are kept, in training as in use; nothing is penalised."""

    k: int

    def kept(self, weights: torch.Tensor) -> torch.Tensor:
        """Weights (b, n_terms) with zeros in place of all but the k largest of each row."""
        if self.k >= weights.shape[1]:
            return weights
        places = weights.topk(self.k, dim=1).indices
        return weights * torch.zeros_like(weights).scatter(1, places, 1.0)


Regularizer: TypeAlias = Flops | L1 | ThresholdedFlops | TopK


def ramp(strength: float, steps: int, *, step: int) -> float:
    """λ at an optimiser step: strength * min(1, (step + 1) / steps)^2 (SPLADE v2, section 4).

    Steps are the optimiser's, from 0: calls of the loss are more where gradients accumulate. The
    first one has a λ above zero already.
    """
    return strength * min(1.0, (step + 1) / steps) ** 2 if steps else strength


def cost(
    regularizer: Regularizer | None, weights: torch.Tensor, *, step: int, scale: float = 1.0
) -> torch.Tensor:
    """λ(step) times the penalty of weights (b, t), a scalar; 0 for `TopK` and where None."""
    if regularizer is None or isinstance(regularizer, TopK):
        return weights.new_zeros(())
    strength = ramp(regularizer.strength, regularizer.steps, step=step)
    return regularizer.penalty(weights, scale=scale) * strength


def kept(regularizer: Regularizer | None, weights: torch.Tensor) -> torch.Tensor:
    """Weights (b, n_terms) after pruning, which `TopK` alone does."""
    return regularizer.kept(weights) if isinstance(regularizer, TopK) else weights


def _flops(weights: torch.Tensor) -> torch.Tensor:
    return (weights.abs().sum(dim=0) / max(len(weights), 1)).square().sum()
