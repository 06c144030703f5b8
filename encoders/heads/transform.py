"""How does a state become what is compared with the embeddings of terms?"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from lexmax.errors import EncoderError

_gelu = torch.nn.functional.gelu

ACTIVATIONS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": _gelu,
    "gelu_new": partial(_gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(_gelu, approximate="tanh"),
    "relu": torch.relu,
    "silu": torch.nn.functional.silu,
    "swish": torch.nn.functional.silu,
    "tanh": torch.tanh,
}
"""By the names that `transformers` has for them."""


class Transform(torch.nn.Module):
    """norm(activation(dense(state))): the part of a masked language model below its decoder."""

    def __init__(self, dense: torch.nn.Module, activation: str, norm: torch.nn.Module) -> None:
        """Takes the layers as they are; weights stay shared with the model that they come from.

        Raises:
            EncoderError: if no activation has this name.
        """
        super().__init__()
        if activation not in ACTIVATIONS:
            raise EncoderError(
                f"the transform of the masked language model has activation {activation!r}; "
                f"expected one of {', '.join(ACTIVATIONS)}"
            )
        self.dense = dense
        self.norm = norm
        self.activation = activation

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(..., dim) to the same shape."""
        transformed: torch.Tensor = self.norm(ACTIVATIONS[self.activation](self.dense(hidden)))
        return transformed


def fresh_transform(dim: int, *, activation: str = "gelu", epsilon: float = 1e-12) -> Transform:
    """A transform that is nearly the identity, for a backbone whose own was thrown away."""
    dense = torch.nn.Linear(dim, dim)
    with torch.no_grad():
        dense.weight.copy_(torch.eye(dim))
        dense.bias.zero_()
    return Transform(dense, activation, torch.nn.LayerNorm(dim, eps=epsilon))


def transform_of(model: Any) -> Transform:
    """That of a `transformers` masked language model; layers are shared, not copied.

    BERT and its kin, RoBERTa and its kin (XLM-R, CamemBERT, MPNet), DistilBERT and ModernBERT.

    Raises:
        EncoderError: if the model's head has another shape.
    """
    config = model.config
    if hasattr(model, "vocab_transform"):  # DistilBERT
        return Transform(model.vocab_transform, config.activation, model.vocab_layer_norm)
    if hasattr(model, "cls") and hasattr(model.cls, "predictions"):  # BERT
        found = model.cls.predictions.transform
        return Transform(found.dense, config.hidden_act, found.LayerNorm)
    if hasattr(model, "lm_head") and hasattr(model.lm_head, "layer_norm"):  # RoBERTa
        return Transform(model.lm_head.dense, "gelu", model.lm_head.layer_norm)
    if hasattr(model, "head") and hasattr(model.head, "norm"):  # ModernBERT
        return Transform(model.head.dense, config.classifier_activation, model.head.norm)
    raise EncoderError(
        f"{type(model).__name__} has no head of a masked language model that is known here; "
        "expected one of the kind of BERT, RoBERTa, DistilBERT or ModernBERT"
    )
