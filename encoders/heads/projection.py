"""What are the token vectors of these states?

A matrix is the usual answer (ColBERT, Khattab & Zaharia 2020). MaxSim lets one token a document
win, so that a matrix of low rank gets few gradients; a map of two layers with a residual gains
about two points of nDCG@10 (arXiv 2510.12327, table of variants), even with the identity as its
activation, where it is one matrix again once it is trained.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lexmax.errors import EncoderError

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "identity": lambda x: x,
        "relu": functional.relu,
        "sigmoid": torch.sigmoid,
        "silu": functional.silu,
        "gelu": functional.gelu,
    }
)
KINDS = ("ffn", "glu", "linear", "residual", "upscaled")


@dataclass(frozen=True, slots=True)
class ProjectionShape:
    """What a projection is, without its weights. W are matrices, g the activation.

    | kind | y | width between |
    |---|---|---|
    | `linear` | W x | |
    | `ffn` | W_o g(W_i x) | ratio * dim |
    | `upscaled` | W_o g(W_i x) | ratio * dim_in |
    | `residual` | W_s x + W_o g(W_i x), W_s the identity where dim is dim_in | ratio * dim_in |
    | `glu` | W_o (W_i x * g(W_g x)), elementwise product | ratio * dim |

    Attributes:
        kind: One of the above.
        dim_in: Coordinates of a state.
        dim: Coordinates of a token vector.
        ratio: Of the width between two layers; `linear` has none and leaves it at 2.
        activation: `identity`, `relu`, `sigmoid`, `silu` or `gelu`; of the gate with `glu`;
            `identity` with `linear`.
        bias: Whether each matrix but W_s adds a vector. ColBERT checkpoints have none.

    Raises:
        EncoderError: where a value is none of these.
    """

    kind: str = "linear"
    dim_in: int = 384
    dim: int = 128
    ratio: float = 2.0
    activation: str = "identity"
    bias: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EncoderError(
                f"no projection is called {self.kind!r}; expected one of {', '.join(KINDS)}"
            )
        if self.activation not in ACTIVATIONS:
            raise EncoderError(
                f"no activation is called {self.activation!r}; "
                f"expected one of {', '.join(sorted(ACTIVATIONS))}"
            )
        if self.kind == "linear" and self.activation != "identity":
            raise EncoderError(
                f"a linear projection has no activation, found {self.activation!r}; "
                "take kind ffn, upscaled or residual"
            )
        if min(self.dim_in, self.dim) < 1 or self.width < 1:
            raise EncoderError(
                f"projection from {self.dim_in} to {self.dim} with ratio {self.ratio}; "
                "expected 1 or more coordinates everywhere"
            )

    @property
    def width(self) -> int:
        """Coordinates between the layers; `dim_in` where there is one layer alone."""
        if self.kind == "linear":
            return self.dim_in
        return round(self.ratio * (self.dim if self.kind in ("ffn", "glu") else self.dim_in))


class Projection(nn.Module):
    """Maps states to token vectors of length one.

    Attributes:
        shape: What it is.
        inner, gate, outer, skip: Its layers W_i, W_g, W_o and W_s; None where the kind has none.
            A linear projection's matrix is `outer`.
    """

    def __init__(self, shape: ProjectionShape, *, seed: int = 0) -> None:
        """Weights are drawn from `seed`; other random numbers of the process are left alone."""
        super().__init__()
        self.shape = shape
        layered, gated = shape.kind != "linear", shape.kind == "glu"
        skips = shape.kind == "residual" and shape.dim != shape.dim_in
        random: Any = importlib.import_module("torch.random")  # Which is not typed.
        with random.fork_rng(devices=[]):
            random.manual_seed(seed)
            inside = (shape.dim_in, shape.width, shape.bias)
            self.inner = nn.Linear(*inside) if layered else None
            self.gate = nn.Linear(*inside) if gated else None
            self.outer = nn.Linear(shape.width, shape.dim, shape.bias)
            self.skip = nn.Linear(shape.dim_in, shape.dim, bias=False) if skips else None

    def forward(self, hidden: Tensor) -> Tensor:
        """Vectors (..., dim) of length one, of states (..., dim_in); a zero vector stays zero."""
        return functional.normalize(self.unscaled(hidden), dim=-1)

    def unscaled(self, hidden: Tensor) -> Tensor:
        """The same before lengths are made one."""
        vectors: Tensor = self.outer(self._inside(hidden))
        if self.shape.kind != "residual":
            return vectors
        skipped: Tensor = hidden if self.skip is None else self.skip(hidden)
        return skipped + vectors

    def _inside(self, hidden: Tensor) -> Tensor:
        if self.inner is None:
            return hidden
        activation = ACTIVATIONS[self.shape.activation]
        inner: Tensor = self.inner(hidden)
        return activation(inner) if self.gate is None else inner * activation(self.gate(hidden))

    def start_from(self, matrix: Tensor) -> None:
        """Make this map equal to a matrix, such as that of the principal directions.

        A residual keeps its inner weights and gets zero for its outer ones, so that training
        starts from the matrix and moves away from there.

        Args:
            matrix: (dim, dim_in); of a residual between equal coordinates, the identity.

        Raises:
            EncoderError: if the shape is another, or this kind is no matrix plus something.
        """
        target = self._target(matrix)
        with torch.no_grad():
            for parameter in self.outer.parameters():
                parameter.zero_()
            if target is not None:
                target.weight.copy_(matrix)

    def _target(self, matrix: Tensor) -> nn.Linear | None:
        """The layer that becomes the matrix; None where the identity stands already."""
        shape = self.shape
        if tuple(matrix.shape) != (shape.dim, shape.dim_in):
            raise EncoderError(
                f"the matrix to start from is {tuple(matrix.shape)}; "
                f"expected {(shape.dim, shape.dim_in)}"
            )
        if shape.kind == "linear":
            return self.outer
        identity = shape.dim == shape.dim_in and torch.equal(matrix.cpu(), torch.eye(shape.dim))
        if shape.kind != "residual" or (self.skip is None and not identity):
            raise EncoderError(
                f"a projection of kind {shape.kind} from {shape.dim_in} to {shape.dim} cannot "
                "start from this matrix; take kind linear, or residual with fewer coordinates or "
                "the identity"
            )
        return self.skip

    @property
    def collapses(self) -> bool:
        """Whether it is one matrix, with a bias if its layers have them."""
        return self.shape.activation == "identity" and self.shape.kind != "glu"

    def collapsed(self) -> Tensor:
        """The one matrix (dim, dim_in) that this is, in float32: W_o W_i + W_s.

        Raises:
            EncoderError: where an activation or a gate stands between, or a bias is added.
        """
        if not self.collapses or self.shape.bias:
            raise EncoderError(
                f"a projection of kind {self.shape.kind} with activation {self.shape.activation}"
                f"{' and bias' * self.shape.bias} is no matrix; expected the identity without bias"
            )
        return self._matrix().float()

    def for_export(self) -> "Projection":
        """A linear projection of equal results where it collapses; itself where not."""
        if not self.collapses or self.shape.kind == "linear":
            return self
        shape = ProjectionShape("linear", self.shape.dim_in, self.shape.dim, bias=self.shape.bias)
        made = Projection(shape)
        with torch.no_grad():
            made.outer.weight.copy_(self._matrix())
            if self.inner is not None and self.shape.bias:
                made.outer.bias.copy_(self.outer(self.inner.bias))
        return made.to(self.outer.weight.device)

    def _matrix(self) -> Tensor:
        # Double, so that a long product loses nothing that float32 could have kept.
        with torch.no_grad():
            matrix = self.outer.weight.double()
            if self.inner is not None:
                matrix = matrix @ self.inner.weight.double()
            if self.shape.kind == "residual":
                matrix = matrix + self._skipped(matrix)
            return matrix

    def _skipped(self, like: Tensor) -> Tensor:
        if self.skip is None:
            return torch.eye(self.shape.dim, dtype=like.dtype, device=like.device)
        return self.skip.weight.double()
