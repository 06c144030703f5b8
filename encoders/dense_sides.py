"""What vector does a text of this side have, in training and afterwards?

A side is a transformer whose states are pooled and turned by a head (`PooledSide`), or vectors
that come from elsewhere, such as the fixed dimensional encodings of an index, and are turned by a
head or not at all (`GivenSide`). Both give vectors with gradients where gradients are on.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lexmax.encoders.heads.projection import Projection
from lexmax.encoders.marked_texts import MarkedTexts
from lexmax.encoders.state_pooling import pooled
from lexmax.encoders.training.own_trunk import own_trunk
from lexmax.encoders.training.sparse_module import freeze
from lexmax.encoders.training.states import StateSource
from lexmax.encoders.trunk import Trunk
from lexmax.errors import EncoderError, ShapeError

Given: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]
"""Vectors of texts, float32 (n_texts, dim), the same for a text each time."""


class DenseSide(Protocol):
    """Queries or documents of a dense encoder."""

    @property
    def dim(self) -> int:
        """Coordinates of a vector."""
        ...

    @property
    def module(self) -> nn.Module:
        """All that has weights; those that are not trained ask for no gradient."""
        ...

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """One vector a text, float32 (n_texts, dim), on the device of the weights."""
        ...

    def apart(self) -> "DenseSide":
        """The same with weights of its own wherever they are trained."""
        ...

    def freeze(self) -> None:
        """Leave gradients to what is trained."""
        ...


@dataclass(frozen=True, slots=True)
class PooledSide:
    """The mean of a transformer's states, markers counted, and a head.

    Attributes:
        trunk: The transformer.
        head: From the mean to the vector.
        max_tokens: Tokens of a text that are read, markers counted.
        unit: Whether vectors have length one.
        layers: Last layers of the transformer that are trained; 0 for none, None for all.
        cache: Folder for the states of a transformer of which nothing is trained, or None.
        trains_head: Whether the head is trained.

    Raises:
        EncoderError: if the parts do not fit together.
    """

    trunk: Trunk
    head: Projection
    max_tokens: int = 256
    unit: bool = True
    layers: int | None = 0
    cache: Path | None = None
    trains_head: bool = True

    def __post_init__(self) -> None:
        if self.head.shape.dim_in != self.trunk.backbone.dim:
            raise EncoderError(
                f"the head takes {self.head.shape.dim_in} coordinates; expected "
                f"{self.trunk.backbone.dim}, those of the transformer's states"
            )
        if self.max_tokens > self.trunk.longest:
            raise EncoderError(
                f"texts have {self.max_tokens} tokens at most; expected {self.trunk.longest} or "
                "fewer, which the transformer reads"
            )
        MarkedTexts(self.trunk.pieces, self.max_tokens)

    @property
    def dim(self) -> int:
        """Coordinates of a vector."""
        return self.head.shape.dim

    @property
    def module(self) -> nn.Module:
        """Transformer and head."""
        return _Pooled(self.trunk.backbone.model, self.head, frozen=self.layers == 0)

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """One vector a text, float32 (n_texts, dim); zeros for a text without tokens."""
        backbone = self.trunk.backbone
        backbone.device = next(self.head.parameters()).device
        rows = MarkedTexts(self.trunk.pieces, self.max_tokens)
        trainable = self.layers != 0 and torch.is_grad_enabled()
        source = StateSource(backbone, rows.rows, trainable=trainable, cache=self.cache)
        states = source.states(texts)
        means = pooled(states.hidden, states.mask, ("mean",))
        filled = states.mask.any(dim=1, keepdim=True)
        return _finished(self.head, means, unit=self.unit) * filled

    def apart(self) -> "PooledSide":
        """The same with a head of its own, and a transformer of its own if that is trained."""
        trunk = self.trunk if self.layers == 0 else own_trunk(self.trunk)
        return replace(self, trunk=trunk, head=copy.deepcopy(self.head))

    def freeze(self) -> None:
        """Leave gradients to the last layers and the head, as far as they are trained."""
        freeze(self.trunk, layers=self.layers)
        self.head.requires_grad_(self.trains_head)


class _Pooled(nn.Module):
    """Transformer and head; a frozen transformer is never in the mode of training."""

    def __init__(self, backbone: nn.Module, head: nn.Module, *, frozen: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.frozen = frozen

    def train(self, mode: bool = True) -> "_Pooled":
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self


@dataclass(frozen=True, slots=True)
class GivenSide:
    """Vectors that are computed elsewhere.

    Attributes:
        given: Computes them.
        dim_in: Their coordinates.
        head: What they go through; None to take them as they are. Of kind `linear` it is a
            matrix, of kind `residual` the identity and a matrix of low rank.
        unit: Whether vectors are made to have length one.
    """

    given: Given
    dim_in: int
    head: Projection | None = None
    unit: bool = False

    def __post_init__(self) -> None:
        if self.head is not None and self.head.shape.dim_in != self.dim_in:
            raise EncoderError(
                f"the head takes {self.head.shape.dim_in} coordinates; expected {self.dim_in}, "
                "those of the vectors that are given"
            )

    @property
    def dim(self) -> int:
        """Coordinates of a vector."""
        return self.dim_in if self.head is None else self.head.shape.dim

    @property
    def module(self) -> nn.Module:
        """The head, or nothing."""
        return nn.ModuleDict({} if self.head is None else {"head": self.head})

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """One vector a text, float32 (n_texts, dim).

        Raises:
            ShapeError: if other vectors are given than were promised.
        """
        found = self.given(texts)
        if found.shape != (len(texts), self.dim_in):
            raise ShapeError(
                f"{len(texts)} texts were given vectors of shape {found.shape}; "
                f"expected {(len(texts), self.dim_in)}"
            )
        vectors = torch.as_tensor(np.ascontiguousarray(found, np.float32))
        if self.head is None:
            return functional.normalize(vectors, dim=1) if self.unit else vectors
        on_device = vectors.to(next(self.head.parameters()).device)
        return _finished(self.head, on_device, unit=self.unit)

    def apart(self) -> "GivenSide":
        """The same with a head of its own."""
        return replace(self, head=copy.deepcopy(self.head))

    def freeze(self) -> None:
        """A head is trained."""


def _finished(head: Projection, vectors: Tensor, *, unit: bool) -> Tensor:
    found: Tensor = head(vectors) if unit else head.unscaled(vectors)
    return found.float()
