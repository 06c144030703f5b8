"""How does the folder of a late-interaction model become an encoder?"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import xxhash
from torch import nn

from lexmax.encoders.checkpoints.files import fingerprint, read_json, weight_files
from lexmax.encoders.checkpoints.layers import Dense, Normalize, linear, read_dense
from lexmax.encoders.checkpoints.token_models import (
    ExpansionValues,
    SideValues,
    TokenModel,
    read_token_model,
)
from lexmax.encoders.checkpoints.transformer import require_no_adapter
from lexmax.encoders.checkpoints.vocabulary import (
    first_special_id,
    longest_input,
    positions,
    read_pieces,
    read_prompt,
    require_known,
    require_length,
)
from lexmax.encoders.colbert import ColBert, Expansion, TokenSide
from lexmax.encoders.loaded_backbones import of_folder
from lexmax.encoders.marked_texts import NO_PROMPT, MarkedTexts, Prompt
from lexmax.encoders.pieces import Pieces
from lexmax.encoders.specs import written
from lexmax.errors import EncoderError

# Counted up when the same files would give other vectors than before.
_VERSION = 1


def load_late_interaction(
    folder: Path, *, query_length: int | None = None, document_length: int | None = None
) -> ColBert:
    """The encoder of a folder of sentence-transformers, PyLate or Stanford's ColBERT.

    Args:
        folder: Holds the model; fingerprints do not depend on where it is.
        query_length: Tokens of a query, instead of what the folder says; also how far queries
            are filled up where they are.
        document_length: Tokens of a document, instead of what the folder says.

    Raises:
        EncoderError: if a file is missing or damaged, weights are pickles or NaN, the folder
            holds another kind of model, or a length is more than the model reads.
    """
    said = _overridden(read_token_model(folder), query_length, document_length)
    config = read_json(said.transformer / "config.json")
    pieces = read_pieces(said.transformer, lower_case=said.lower_case)
    sides = _Sides(said, config, pieces)
    queries, documents = sides.queries(), sides.documents()
    require_no_adapter(said.transformer)
    backbone = of_folder(said.transformer)
    require_known(folder, pieces, backbone.model)
    layers = _layers(folder, said, backbone.dim)
    dims = [layer.dim for layer in layers if isinstance(layer, Dense)]
    values = {"query_length": query_length, "document_length": document_length}
    return ColBert(
        backbone,
        nn.Sequential(*layers).to(backbone.device),
        spec=written("colbert", folder, values),
        fingerprint=f"{written('colbert', None, _effective(queries, documents))}"
        f"&files={_files(folder, said)}&version={_VERSION}",
        dim=dims[-1] if dims else backbone.dim,
        queries=queries,
        documents=documents,
    )


def _overridden(
    said: TokenModel, query_length: int | None, document_length: int | None
) -> TokenModel:
    queries, expansion = said.queries, said.expansion
    if query_length is not None:
        queries = replace(queries, length=query_length)
        if expansion is not None and (expansion.exact or query_length < expansion.length):
            expansion = replace(expansion, length=query_length)
    documents = said.documents
    if document_length is not None:
        documents = replace(documents, length=document_length)
    return replace(said, queries=queries, documents=documents, expansion=expansion)


class _Sides:
    """Queries and documents of one folder, as its tokenizer knows their tokens."""

    def __init__(self, said: TokenModel, config: Mapping[str, Any], pieces: Pieces) -> None:
        self._said = said
        self._pieces = pieces
        self._ids = {name: piece_id for piece_id, name in pieces.names.items()}
        self._longest = longest_input(said.transformer, config, said.stated_length)
        self._positions = positions(config)

    def documents(self) -> TokenSide:
        said = self._said.documents
        length = said.length or self._longest
        kept = self._said.kept_ids
        return TokenSide(
            self._texts(said, require_length("document_length", length, self._positions)),
            skipped=self._skipped(said),
            kept=None if kept is None else frozenset(kept),
        )

    def queries(self) -> TokenSide:
        said, by = self._said.queries, self._said.expansion
        length = said.length or self._longest
        if by is not None:
            length = by.length if by.exact else max(length, by.length)
        texts = self._texts(said, require_length("query_length", length, self._positions))
        return TokenSide(texts, self._expansion(by), self._skipped(said))

    def _texts(self, said: SideValues, length: int) -> MarkedTexts:
        folder = self._said.transformer
        marker = None if not said.marker else self._marker(said.marker)
        if marker is None and said.marker:
            # As sentence-transformers has it: a marker that is no token is text.
            prompt = Prompt((), said.marker + said.prompt)
        else:
            prompt = read_prompt(folder, said.prompt) if said.prompt else NO_PROMPT
        return MarkedTexts(self._pieces, length, prompt, marker)

    def _marker(self, name: str) -> int | None:
        names = (name, name.strip())
        return next((self._ids[known] for known in names if known in self._ids), None)

    def _skipped(self, said: SideValues) -> frozenset[int]:
        words = self._said.skip_words if said.skips else ()
        return frozenset(self._ids[word] for word in words if word in self._ids)

    def _expansion(self, by: ExpansionValues | None) -> Expansion | None:
        if by is None:
            return None
        folder = self._said.transformer
        token = (
            first_special_id(folder, self._ids, "mask_token", "eos_token")
            if by.token is None
            else self._ids.get(by.token)
        )
        if token is None:
            raise EncoderError(
                f"{folder}: queries are filled up with {by.token or 'the mask'}, which the "
                "tokenizer does not know; expected a token of its own; save the tokenizer that "
                "the model was trained with"
            )
        return Expansion(token, by.length, by.attend, self._said.expansion_scored)


def _layers(folder: Path, said: TokenModel, width: int) -> list[nn.Module]:
    if said.layers is None:
        return [_stanfords(folder, width), Normalize()]
    layers: list[nn.Module] = []
    for layer in said.layers:
        if layer == "normalize":
            layers.append(Normalize())
        else:
            made = read_dense(layer, width)
            width = made.dim
            layers.append(made)
    return layers


def _stanfords(folder: Path, width: int) -> Dense:
    """The matrix `linear.weight`, which ColBERT keeps among the transformer's weights."""
    safetensors: Any = importlib.import_module("safetensors")
    for path in weight_files(folder):
        with safetensors.safe_open(path, framework="pt") as file:
            if "linear.weight" in file.keys():  # noqa: SIM118 - the file is no mapping.
                weight = file.get_tensor("linear.weight")
                if weight.ndim == 2 and weight.shape[1] == width:
                    return linear(weight)
    raise EncoderError(
        f"{folder}: no linear.weight of (coordinates, {width}) among the weights; "
        "expected ColBERT's projection; copy or download the checkpoint again"
    )


def _files(folder: Path, said: TokenModel) -> str:
    modules = [layer.folder for layer in said.layers or () if layer != "normalize"]
    others = [] if said.transformer == folder else [folder]
    return fingerprint(said.transformer, *others, *modules)


def _effective(queries: TokenSide, documents: TokenSide) -> Mapping[str, Any]:
    """What vectors depend on besides weights and tokenizer, as parameters of a spec."""
    by = queries.expansion
    return {
        "query_length": queries.texts.max_tokens,
        "document_length": documents.texts.max_tokens,
        "expand": None if by is None else f"{by.length}.{by.token}.{by.attended}.{by.scored}",
        "markers": _joined([queries.texts.marker, documents.texts.marker]),
        "skipped": _hash([*sorted(queries.skipped), -1, *sorted(documents.skipped)]),
    }


def _joined(values: Sequence[int | None]) -> str:
    return ".".join("" if value is None else str(value) for value in values)


def _hash(ids: Sequence[int]) -> str:
    return xxhash.xxh3_64_hexdigest(repr(list(ids)).encode())
