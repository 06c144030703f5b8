"""How does a compressed dense encoder get into a folder, and out of it?

| file | what stands in it |
|---|---|
| encoder.json | how texts are read, the heads, the size of codes, and which transformers |
| vectors.safetensors | heads, rotation and centroids |
| queries.safetensors, documents.safetensors, tokenizer.json | transformers that are not installed |

A side over vectors that come from elsewhere is written without what computes them: whoever loads
the folder gives that again.
"""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lexmax.encoders.checkpoints.detect import FORMAT, own_kind
from lexmax.encoders.checkpoints.files import check_tensors, read_json
from lexmax.encoders.compressed import CompressedEncoder, CompressedParts
from lexmax.encoders.dense_sides import DenseSide, Given, GivenSide, PooledSide
from lexmax.encoders.heads.projection import Projection, ProjectionShape
from lexmax.encoders.sparse_description import described, read_value
from lexmax.encoders.specs import written
from lexmax.encoders.token_encoder import hash_of_weights
from lexmax.encoders.training.product_quantization import ProductQuantizer
from lexmax.encoders.trunk import Trunk
from lexmax.encoders.trunk_folder import keep_trunk, kept_trunk
from lexmax.errors import EncoderError

_WEIGHTS = "vectors.safetensors"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class _Said:
    """What encoder.json says of a side.

    Attributes:
        given: Whether its vectors come from elsewhere.
        dim_in: Coordinates of what the head takes, or of vectors that are given.
        unit: Whether vectors have length one.
        max_tokens: Tokens of a text, where it is read by a transformer.
        head: Its shape; None for none.
    """

    given: bool
    dim_in: int
    unit: bool
    max_tokens: int = 0
    head: ProjectionShape | None = None


@dataclass(frozen=True, slots=True)
class _Model:
    queries: _Said
    documents: _Said
    subspaces: int
    n_centroids: int


def save_compressed_folder(
    parts: CompressedParts, folder: Path, *, dtype: torch.dtype = torch.float32
) -> None:
    """Write an encoder to a folder that exists; encoder.json comes last.

    Args:
        parts: The encoder.
        folder: Where to write.
        dtype: Of transformers on disk; heads and centroids stay float32.

    Raises:
        EncoderError: if a side is of a kind that has no file format.
    """
    safetensors: Any = importlib.import_module("safetensors.torch")
    subspaces, n_centroids, _ = parts.quantizer.centroids.shape
    sides = {"queries": parts.queries, "documents": parts.documents}
    model = _Model(_said(parts.queries), _said(parts.documents), subspaces, n_centroids)
    tensors = {
        name: tensor.detach().to("cpu", torch.float32).clone().contiguous()
        for name, tensor in _weights(parts).state_dict().items()
    }
    safetensors.save_file(tensors, folder / _WEIGHTS)
    said = {
        "format": FORMAT,
        "version": 1,
        "kind": "dense",
        "model": described(model),
        "transformers": {
            name: _kept(side, folder, name, dtype)
            for name, side in sides.items()
            if isinstance(side, PooledSide)
        },
    }
    (folder / "encoder.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def _said(side: DenseSide) -> _Said:
    if isinstance(side, PooledSide):
        shape = side.head.shape
        return _Said(
            given=False,
            dim_in=shape.dim_in,
            unit=side.unit,
            max_tokens=side.max_tokens,
            head=shape,
        )
    if isinstance(side, GivenSide):
        head = None if side.head is None else side.head.shape
        return _Said(given=True, dim_in=side.dim_in, unit=side.unit, head=head)
    raise EncoderError(
        f"a side of type {type(side).__name__} cannot be written; expected PooledSide or GivenSide"
    )


def _kept(side: PooledSide, folder: Path, name: str, dtype: torch.dtype) -> Mapping[str, Any]:
    return keep_trunk(side.trunk, folder, name=name, dtype=dtype)


def _weights(parts: CompressedParts) -> nn.ModuleDict:
    heads = {
        name: side.head
        for name, side in (("queries", parts.queries), ("documents", parts.documents))
        if isinstance(side, PooledSide | GivenSide) and side.head is not None
    }
    return nn.ModuleDict({**heads, "quantizer": parts.quantizer})


def load_compressed_parts(
    folder: Path, *, queries: Given | None = None, documents: Given | None = None
) -> CompressedParts:
    """The modules of a saved encoder, to use or to train on.

    Args:
        folder: Holds it.
        queries: Computes vectors of queries, where those come from elsewhere.
        documents: Computes vectors of documents, where those come from elsewhere.

    Raises:
        EncoderError: if a file is missing or damaged, belongs to another model, or vectors that
            come from elsewhere are not given.
    """
    path = folder / "encoder.json"
    if own_kind(folder) != "dense":
        raise EncoderError(
            f"{folder} holds no dense encoder of lexmax; expected {path.name} of kind 'dense'; "
            "give the folder that training has written"
        )
    said = read_json(path)
    try:
        model: _Model = read_value(_Model, said.get("model"), at="model")
    except EncoderError as error:
        raise EncoderError(f"{path}: {error}") from error
    opened = _Trunks(folder, said.get("transformers"))
    parts = CompressedParts(
        _side(model.queries, "queries", opened, queries),
        _side(model.documents, "documents", opened, documents),
        ProductQuantizer(
            _dim(model.documents), subspaces=model.subspaces, n_centroids=model.n_centroids
        ),
    )
    _read_weights(_weights(parts), folder / _WEIGHTS)
    parts.module.eval()
    return parts


class _Trunks:
    """Transformers of a folder, one that is installed opened once."""

    def __init__(self, folder: Path, said: Any) -> None:
        self.folder = folder
        self._said: Any = said if isinstance(said, dict) else {}
        self._opened: dict[str, Trunk] = {}

    def get(self, name: str) -> Trunk:
        said: Any = self._said.get(name)
        known = json.dumps(said, sort_keys=True)
        if known not in self._opened:
            self._opened[known] = kept_trunk(self.folder, said)
        return self._opened[known]


def _side(said: _Said, name: str, trunks: _Trunks, given: Given | None) -> DenseSide:
    head = None if said.head is None else Projection(said.head)
    if not said.given:
        if head is None:
            raise EncoderError(f"{trunks.folder}: {name} have no head; copy the folder again")
        return PooledSide(trunks.get(name), head, max_tokens=said.max_tokens, unit=said.unit)
    if given is None:
        raise EncoderError(
            f"{trunks.folder}: vectors of {name} come from elsewhere; expected what computes "
            f"them; call load_compressed_parts with {name}=..."
        )
    return GivenSide(given, said.dim_in, head=head, unit=said.unit)


def _dim(said: _Said) -> int:
    return said.dim_in if said.head is None else said.head.dim


def _read_weights(module: nn.Module, path: Path) -> None:
    if not path.is_file():
        raise EncoderError(
            f"{path.parent} lacks {path.name}; expected heads and centroids; copy the folder "
            "again, whole"
        )
    check_tensors(path)
    safetensors: Any = importlib.import_module("safetensors.torch")
    found: dict[str, torch.Tensor] = safetensors.load_file(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    if shapes != expected:
        raise EncoderError(
            f"{path} holds {shapes}; expected {expected}, which encoder.json describes; copy the "
            "folder again, whole"
        )
    module.load_state_dict(found)


def load_compressed_folder(
    folder: Path, *, max_tokens: int | None = None, pooling: str | None = None
) -> CompressedEncoder:
    """The encoder of a folder whose sides are read by transformers.

    Args:
        folder: Holds it.
        max_tokens: None, because codes were trained for the length that the folder says.
        pooling: None, as `max_tokens`.

    Raises:
        EncoderError: as `load_compressed_parts`, or if a parameter is given.
    """
    if max_tokens is not None or pooling is not None:
        raise EncoderError(
            f"{folder} holds an encoder that was trained with its codes; found "
            f"{'max_tokens' if max_tokens is not None else 'pooling'}; expected no parameters; "
            "leave them out"
        )
    parts = load_compressed_parts(folder)
    named = hash_of_weights(_weights(parts))
    trunks = [
        side.trunk.backbone.fingerprint
        for side in (parts.queries, parts.documents)
        if isinstance(side, PooledSide)
    ]
    lengths = ".".join(str(_said(side).max_tokens) for side in (parts.queries, parts.documents))
    return CompressedEncoder(
        parts,
        spec=written("dense", folder),
        fingerprint=f"compressed?max_tokens={lengths}&weights={named}"
        f"&backbones={'.'.join(trunks)}&version={_VERSION}",
    )
