"""How does a logit become the weight of a term?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from lexmax.errors import EncoderError

Activation = Literal["relu", "softplus", "identity"]
Norm = Literal["log1p", "identity"]

_ACTIVATIONS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": torch.relu,
    "softplus": torch.nn.functional.softplus,
    "identity": torch.Tensor.clone,
}


@dataclass(frozen=True, slots=True)
class Weighting:
    """norm(activation(logit)), elementwise and never decreasing (Nguyen et al. 2023, 3.1).

    Attributes:
        activation: "relu", "softplus" or "identity"; the last leaves negative weights, which
            every index drops.
        norm: "log1p" (SPLADE) or "identity".
        log1p_twice: A second log1p, as the inference-free models of OpenSearch have it
            (arXiv 2504.14839).

    Raises:
        EncoderError: if a name is unknown, or log1p would meet numbers below -1.
    """

    activation: Activation = "relu"
    norm: Norm = "log1p"
    log1p_twice: bool = False

    def __post_init__(self) -> None:
        if self.activation not in _ACTIVATIONS or self.norm not in ("log1p", "identity"):
            raise EncoderError(
                f"weighting by activation {self.activation!r} and norm {self.norm!r}; expected "
                'one of "relu", "softplus", "identity" and one of "log1p", "identity"'
            )
        if self.activation == "identity" and (self.norm == "log1p" or self.log1p_twice):
            raise EncoderError(
                "log1p of activation 'identity' has no value below -1; "
                "take norm 'identity', or activation 'relu' or 'softplus'"
            )

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """Weights of the same shape; -inf gives 0, except with activation "identity"."""
        weights = _ACTIVATIONS[self.activation](logits)
        if self.norm == "log1p":
            weights = torch.log1p(weights)
        return torch.log1p(weights) if self.log1p_twice else weights


SPLADE = Weighting("relu", "log1p")
"""log1p(relu(logit))."""

PLAIN = Weighting("relu", "identity")
"""relu(logit), as uniCOIL has it."""

SOFTPLUS = Weighting("softplus", "log1p")
"""log1p(softplus(logit)), as EPIC has it: no weight is zero."""
