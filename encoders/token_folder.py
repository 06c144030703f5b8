"""How does a late-interaction model get into a folder, and out of it?

| file | what stands in it |
|---|---|
| encoder.json | the values of the model, and which transformer it stands on |
| projection.safetensors | its projection |
| backbone.safetensors, tokenizer.json | its transformer, unless that is installed with lexmax |

A projection that is one matrix once it is trained is written as one. A model on the transformer
that is installed takes a megabyte.
"""

import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lexmax.encoders.checkpoints.detect import FORMAT, own_kind
from lexmax.encoders.checkpoints.files import check_tensors, read_json
from lexmax.encoders.heads.projection import Projection
from lexmax.encoders.sparse_description import described, read_value
from lexmax.encoders.specs import written
from lexmax.encoders.token_encoder import TokenEncoder, TokenParts, hash_of_weights
from lexmax.encoders.token_model import LateInteractionModel, TokenReading
from lexmax.encoders.trunk_folder import keep_trunk, kept_trunk
from lexmax.errors import EncoderError

_WEIGHTS = "projection.safetensors"


def save_token_folder(
    parts: TokenParts, folder: Path, *, dtype: torch.dtype = torch.float32
) -> None:
    """Write a model to a folder that exists; encoder.json comes last.

    Args:
        parts: The model.
        folder: Where to write.
        dtype: Of the weights on disk; float16 halves the folder.
    """
    safetensors: Any = importlib.import_module("safetensors.torch")
    projection = parts.projection.for_export()
    tensors = {
        name: tensor.detach().to("cpu", dtype).contiguous()
        for name, tensor in projection.state_dict().items()
    }
    safetensors.save_file(tensors, folder / _WEIGHTS)
    said = {
        "format": FORMAT,
        "version": 1,
        "kind": "multivector",
        "model": described(replace(parts.model, projection=projection.shape)),
        "transformer": keep_trunk(parts.trunk, folder, name="backbone", dtype=dtype),
    }
    (folder / "encoder.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def load_token_parts(folder: Path) -> TokenParts:
    """The modules of a saved model, to use or to train on.

    Raises:
        EncoderError: if a file is missing or damaged, or belongs to another model.
    """
    path = folder / "encoder.json"
    if own_kind(folder) != "multivector":
        raise EncoderError(
            f"{folder} holds no late-interaction model of lexmax; expected {path.name} of kind "
            "'multivector'; give the folder that training has written"
        )
    said = read_json(path)
    try:
        model: LateInteractionModel = read_value(
            LateInteractionModel, said.get("model"), at="model"
        )
    except EncoderError as error:
        raise EncoderError(f"{path}: {error}") from error
    trunk = kept_trunk(folder, said.get("transformer"))
    projection = Projection(model.projection)
    _read_weights(projection, folder / _WEIGHTS)
    return TokenParts(model, trunk, projection.eval())


def load_token_folder(
    folder: Path, *, query_length: int | None = None, document_length: int | None = None
) -> TokenEncoder:
    """The encoder of a folder that `save_token_folder` has written.

    Args:
        folder: Holds the model; fingerprints do not depend on where it is.
        query_length: Tokens of a query, instead of what the folder says.
        document_length: Tokens of a document, instead of what the folder says.

    Raises:
        EncoderError: if a file is missing or damaged, or belongs to another model, or a length
            is more than the model reads.
    """
    parts = load_token_parts(folder)
    model = parts.model
    if query_length is not None:
        model = replace(model, queries=_of_length(model.queries, query_length))
    if document_length is not None:
        model = replace(model, documents=replace(model.documents, max_tokens=document_length))
    values = {"query_length": query_length, "document_length": document_length}
    return TokenEncoder(
        replace(parts, model=model),
        spec=written("colbert", folder, values),
        fingerprint=hash_of_weights(parts.projection),
    )


def _of_length(reading: TokenReading, length: int) -> TokenReading:
    """Queries are also filled up to the new length, where they are filled up at all."""
    by = reading.expansion
    expansion = None if by is None else replace(by, length=length)
    return replace(reading, max_tokens=length, expansion=expansion)


def _read_weights(projection: Projection, path: Path) -> None:
    if not path.is_file():
        raise EncoderError(
            f"{path.parent} lacks {path.name}; expected the weights of the projection; copy the "
            "folder again, whole"
        )
    check_tensors(path)
    safetensors: Any = importlib.import_module("safetensors.torch")
    found: dict[str, torch.Tensor] = safetensors.load_file(path)
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    expected = {name: tuple(value.shape) for name, value in projection.state_dict().items()}
    if shapes != expected:
        raise EncoderError(
            f"{path} holds {shapes}; expected {expected}, which encoder.json describes; copy the "
            "folder again, whole"
        )
    projection.load_state_dict({name: tensor.float() for name, tensor in found.items()})
