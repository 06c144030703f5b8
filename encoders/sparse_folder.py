"""How does a learned sparse model get into a folder, and out of it?

| file | what stands in it |
|---|---|
| encoder.json | the four values of the model, limits, pruning, what the transformers are |
| tokenizer.json | the tokenizer of both sides |
| heads.safetensors | parameters of both sides that are no transformer's; tables, made whole |
| document.safetensors | the documents' transformer, where it is not one that is installed |
| query.safetensors | the queries' own transformer, where they have one |

A decoder that is the input embeddings, and a head that both sides share, are written once.
"""

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from lexmax.encoders.checkpoints.files import check_tensors, read_json
from lexmax.encoders.sparse_description import described, read_model, read_value
from lexmax.encoders.sparse_encoding import (
    Pruning,
    TableEncoding,
    query_encoding,
    trained_pruning,
)
from lexmax.encoders.sparse_model import SparseModel
from lexmax.encoders.sparse_parts import Limits, SparseParts, build
from lexmax.encoders.trunk_folder import keep_trunk, kept_trunk
from lexmax.errors import EncoderError

FORMAT, VERSION = "lexmax-encoder", 1
TABLE = "query.table"
"""Under this name heads.safetensors holds the weights of all terms, where queries look them up."""


@dataclass(frozen=True, slots=True)
class SavedSparse:
    """What encoder.json says of a sparse model.

    Attributes:
        folder: Where it stands.
        model: The four values.
        limits: How much of a text is read.
        pruning: Which terms are kept, unless whoever loads it says otherwise.
        document_transformer: How to build it.
        query_transformer: How to build it; None where queries need none or share the documents'.
    """

    folder: Path
    model: SparseModel
    limits: Limits
    pruning: Pruning
    document_transformer: Mapping[str, Any]
    query_transformer: Mapping[str, Any] | None


def save_sparse_folder(
    parts: SparseParts,
    folder: Path,
    *,
    pruning: Pruning | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a model to a folder that exists.

    Args:
        parts: The model.
        folder: Where to write; encoder.json is written last.
        pruning: Which terms are kept by default; None for what the model was trained with.
        dtype: Of the weights on disk; float16 halves the folder.
    """
    safetensors: Any = importlib.import_module("safetensors.torch")
    (folder / "tokenizer.json").write_bytes(parts.documents.tokenizer)
    # Vectors of one number a term are small, and rounding them would show in every weight.
    heads = {
        name: value.to(dtype) if value.ndim > 1 else value
        for name, value in _head_tensors(parts).items()
    }
    safetensors.save_file(heads, folder / "heads.safetensors")
    own = parts.query_trunk_is_own
    written = {
        "format": FORMAT,
        "version": VERSION,
        "kind": "sparse",
        "model": described(parts.model),
        "limits": described(parts.limits),
        "pruning": described(pruning or trained_pruning(parts)),
        "document_transformer": keep_trunk(parts.documents, folder, name="document", dtype=dtype),
        "query_transformer": (
            keep_trunk(parts.queries, folder, name="query", dtype=dtype) if own else None
        ),
    }
    (folder / "encoder.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")


def _own_parameters(parts: SparseParts) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """Parameters of the sides by name, without those of transformers and without doubles."""
    seen = {id(parts.documents.embeddings), id(parts.queries.embeddings)}
    for prefix, side in (("document", parts.document), ("query", parts.query)):
        for name, parameter in side.named_parameters():
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield f"{prefix}.{name}", parameter


def _head_tensors(parts: SparseParts) -> Mapping[str, torch.Tensor]:
    tensors = {
        name: parameter.detach().cpu().contiguous() for name, parameter in _own_parameters(parts)
    }
    looked_up = query_encoding(parts, Pruning())
    if isinstance(looked_up, TableEncoding):
        tensors[TABLE] = torch.as_tensor(looked_up.table().weights)
    return tensors


def read_saved(folder: Path) -> SavedSparse:
    """What encoder.json of a folder says.

    Raises:
        EncoderError: if it is missing, damaged, or of another format, version or kind.
    """
    path = folder / "encoder.json"
    said = read_json(path)
    found = (said.get("format"), said.get("version"), said.get("kind"))
    if found != (FORMAT, VERSION, "sparse"):
        raise EncoderError(
            f"{path}: format, version and kind {found}; expected {(FORMAT, VERSION, 'sparse')}; "
            "load it with the program that saved it"
        )
    try:
        return SavedSparse(
            folder,
            read_model(said["model"]),
            read_value(Limits, said["limits"], at="limits"),
            read_value(Pruning, said["pruning"], at="pruning"),
            _mapping(said["document_transformer"], "document_transformer"),
            _mapping(said["query_transformer"] or {}, "query_transformer") or None,
        )
    except KeyError as error:
        raise EncoderError(f"{path} lacks {error}; expected it; copy the folder again") from error
    except EncoderError as error:
        raise EncoderError(f"{path}: {error}") from error


def _mapping(written: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(written, dict):
        raise EncoderError(f"{name} is {written!r}; expected how to build it")
    return cast("dict[str, Any]", written)


def load_parts(saved: SavedSparse) -> SparseParts:
    """The modules of a saved model, to use or to train on.

    Raises:
        EncoderError: if a file is missing or damaged, or belongs to another model.
    """
    documents = kept_trunk(saved.folder, saved.document_transformer)
    queries = None
    if saved.query_transformer is not None:
        queries = kept_trunk(saved.folder, saved.query_transformer)
    zeros = torch.zeros(documents.n_terms)  # The table is read below.
    parts = build(saved.model, documents, queries=queries, limits=saved.limits, idf=zeros)
    _read_heads(parts, saved.folder / "heads.safetensors")
    for side in (parts.document, parts.query):
        side.eval()
    return parts


def read_heads(path: Path) -> Mapping[str, torch.Tensor]:
    """The tensors of a heads.safetensors, by name, float32.

    Raises:
        EncoderError: if it is missing, damaged, or holds NaN.
    """
    safetensors: Any = importlib.import_module("safetensors.torch")
    check_tensors(path)
    return {name: tensor.float() for name, tensor in safetensors.load_file(path).items()}


def _read_heads(parts: SparseParts, path: Path) -> None:
    tensors = read_heads(path)
    with torch.no_grad():
        for name, parameter in _own_parameters(parts):
            found = tensors.get(name)
            if found is None or found.shape != parameter.shape:
                raise EncoderError(
                    f"{path}: {name} is {_shape(found)}; expected {tuple(parameter.shape)}; "
                    "copy the folder again, whole"
                )
            parameter.copy_(found)


def _shape(found: torch.Tensor | None) -> str:
    return "missing" if found is None else str(tuple(found.shape))
