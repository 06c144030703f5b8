"""What do the small layers behind a transformer compute?"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lexmax.encoders.checkpoints.files import check_weights
from lexmax.encoders.checkpoints.modules import Module
from lexmax.errors import EncoderError

_ACTIVATIONS = frozenset(
    {
        "ELU",
        "GELU",
        "Hardtanh",
        "Identity",
        "LeakyReLU",
        "Mish",
        "ReLU",
        "ReLU6",
        "SELU",
        "SiLU",
        "Sigmoid",
        "Softplus",
        "Softsign",
        "Tanh",
    }
)


class Dense(nn.Module):
    """y = g(W x + b), plus x itself or W_s x where there is a residual.

    The layer of that name of sentence-transformers and PyLate.
    """

    def __init__(
        self, weights: Mapping[str, Tensor], activation: nn.Module, *, residual: bool
    ) -> None:
        """`weights` are "linear.weight", and "linear.bias" and "residual.weight" where used."""
        super().__init__()
        self.weight = _fixed(weights["linear.weight"])
        self.bias = _fixed(weights["linear.bias"]) if "linear.bias" in weights else None
        self.residual = _fixed(weights["residual.weight"]) if "residual.weight" in weights else None
        self.activation = activation
        self.has_residual = residual

    @property
    def dim(self) -> int:
        """Coordinates that come out."""
        return int(self.weight.shape[0])

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim_in) to (..., dim)."""
        y: Tensor = self.activation(nn.functional.linear(x, self.weight, self.bias))
        if not self.has_residual:
            return y
        return y + (x if self.residual is None else nn.functional.linear(x, self.residual))


class Normalize(nn.Module):
    """Every vector divided by its Euclidean length; zeros stay zeros."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to (..., dim)."""
        return nn.functional.normalize(x, dim=-1)


def activation(path: str, *, source: Path) -> nn.Module:
    """The activation of torch.nn that a config names, as in "torch.nn.modules.linear.Identity".

    Raises:
        EncoderError: if it is none of torch.nn's, which would be foreign code.
    """
    name = path.rpartition(".")[2]
    if not path.startswith("torch.nn.") or name not in _ACTIVATIONS:
        raise EncoderError(
            f"{source}: activation {path!r}; expected one of torch.nn: "
            f"{', '.join(sorted(_ACTIVATIONS))}; no foreign code is run"
        )
    made: nn.Module = getattr(nn, name)()
    return made


def read_dense(module: Module, dim_in: int) -> Dense:
    """A Dense module's layer, float32.

    Raises:
        EncoderError: if its weights are missing, damaged, pickles, or of other shapes.
    """
    (path,) = check_weights(module.folder)
    tensors: Any = importlib.import_module("safetensors.torch")
    weights: dict[str, Tensor] = {
        name: tensor.float() for name, tensor in tensors.load_file(path).items()
    }
    residual = bool(module.values.get("use_residual", False))
    _require_shapes(path, weights, dim_in, residual=residual)
    named = module.values.get("activation_function", "torch.nn.modules.activation.Tanh")
    return Dense(weights, activation(str(named), source=module.folder), residual=residual)


def read_layer_norm(module: Module, dim: int) -> nn.LayerNorm:
    """A LayerNorm module's layer, float32.

    Raises:
        EncoderError: if its weights are missing, damaged, pickles, or of other shapes.
    """
    (path,) = check_weights(module.folder)
    tensors: Any = importlib.import_module("safetensors.torch")
    weights: dict[str, Tensor] = tensors.load_file(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if shapes != {"norm.weight": (dim,), "norm.bias": (dim,)}:
        raise EncoderError(
            f"{path} holds {shapes}; expected norm.weight and norm.bias of ({dim},); "
            "copy or download the model again"
        )
    layer = nn.LayerNorm(dim)
    layer.weight = _fixed(weights["norm.weight"].float())
    layer.bias = _fixed(weights["norm.bias"].float())
    return layer


def _require_shapes(
    path: Path, weights: Mapping[str, Tensor], dim_in: int, *, residual: bool
) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    dim = shapes.get("linear.weight", (0,))[0]
    expected = {"linear.weight": (dim, dim_in), "linear.bias": (dim,)}
    if residual and dim != dim_in:
        expected["residual.weight"] = (dim, dim_in)
    needed = expected.keys() - {"linear.bias"}
    if dim == 0 or not needed <= shapes.keys() or not shapes.items() <= expected.items():
        raise EncoderError(
            f"{path} holds {shapes}; expected linear.weight of (coordinates, {dim_in}), a "
            "linear.bias at most, and residual.weight where use_residual says so; "
            "copy or download the model again"
        )


def _fixed(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)


def linear(weight: Tensor) -> Dense:
    """The layer y = W x, for a matrix (dim, dim_in)."""
    return Dense({"linear.weight": weight.to(torch.float32)}, nn.Identity(), residual=False)
