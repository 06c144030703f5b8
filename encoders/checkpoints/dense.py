"""How does the folder of a dense model become an encoder?"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lexmax.encoders.checkpoints.files import fingerprint, read_json
from lexmax.encoders.checkpoints.layers import Normalize, read_dense, read_layer_norm
from lexmax.encoders.checkpoints.modules import (
    Module,
    model_values,
    modules_of,
    object_in,
    refuse_module,
    transformer_of,
)
from lexmax.encoders.checkpoints.token_models import document_prompt, require_plain_text
from lexmax.encoders.checkpoints.transformer import require_no_adapter
from lexmax.encoders.checkpoints.vocabulary import (
    longest_input,
    positions,
    read_pieces,
    read_prompt,
    require_known,
    require_length,
)
from lexmax.encoders.dense import BiEncoder, StatePooling
from lexmax.encoders.loaded_backbones import of_folder
from lexmax.encoders.marked_texts import MarkedTexts
from lexmax.encoders.pieces import Pieces
from lexmax.encoders.specs import written
from lexmax.errors import EncoderError

# Counted up when the same files would give other vectors than before.
_VERSION = 1
_EXPECTED = "Transformer, Pooling, Dense, LayerNorm and Normalize"
_OLD_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class _Dense:
    """A dense model on disk: its transformer, and what its states go through."""

    transformer: Path
    said: Mapping[str, Any]
    prompts: Mapping[str, Any]
    pooling: StatePooling
    layers: tuple[Module, ...] = ()
    normalize: bool = False
    dim: int | None = None


def load_dense(
    folder: Path, *, max_tokens: int | None = None, pooling: str | None = None
) -> BiEncoder:
    """The encoder of a SentenceTransformer folder, or of a plain transformer.

    Vectors are those of the library. Where the folder says that they are compared by cosine, they
    are divided by their length, so that dot products rank as cosines do.

    Args:
        folder: Holds the model; fingerprints do not depend on where it is.
        max_tokens: Tokens of a text that are read, instead of what the folder says.
        pooling: How states become one vector, instead of what the folder says: see
            `state_pooling.MODES`; "mean" for a plain transformer.

    Raises:
        EncoderError: if a file is missing or damaged, weights are pickles or NaN, the folder
            holds another kind of model, or `max_tokens` is more than the model reads.
    """
    found = _read(folder, pooling)
    config = read_json(found.transformer / "config.json")
    lower_case = bool(found.said.get("do_lower_case"))
    pieces = read_pieces(found.transformer, lower_case=lower_case)
    texts = _Texts(found, config, pieces, max_tokens)
    queries, documents = texts.side("query"), texts.side("document")
    require_no_adapter(found.transformer)
    backbone = of_folder(found.transformer)
    require_known(folder, pieces, backbone.model)
    finish, dim = _finish(found, backbone.dim * len(found.pooling.modes))
    values = {"max_tokens": max_tokens, "pooling": pooling}
    lengths = f"{queries.max_tokens}.{documents.max_tokens}"
    pooled = ".".join([*found.pooling.modes, str(found.pooling.prompt_counts)])
    return BiEncoder(
        backbone,
        found.pooling,
        finish.to(backbone.device),
        spec=written("dense", folder, values),
        fingerprint=f"dense?max_tokens={lengths}&pooling={pooled}"
        f"&files={_files(folder, found)}&version={_VERSION}",
        dim=dim,
        queries=queries,
        documents=documents,
    )


def _read(folder: Path, pooling: str | None) -> _Dense:
    if not (folder / "modules.json").is_file():
        if (folder / "artifact.metadata").is_file():
            raise _other_kind(folder, "ColBERT checkpoint")
        return _Dense(folder, {}, {}, StatePooling(("mean" if pooling is None else pooling,)))
    values = model_values(folder)
    library = values.get("model_type", "SentenceTransformer")
    if library != "SentenceTransformer":
        raise _other_kind(folder, str(library))
    modules = modules_of(folder)
    first = transformer_of(folder, modules)
    require_plain_text(first)
    similarity = values.get("similarity_fn_name")
    if similarity not in (None, "cosine", "dot"):
        raise EncoderError(
            f"{folder} compares by {similarity!r}; expected cosine or dot, which are dot products; "
            "take a model that was trained for one of these"
        )
    return _Dense(
        first.folder,
        first.values,
        object_in(values, "prompts"),
        _pooling(folder, modules, pooling),
        _layers(folder, modules),
        similarity == "cosine",
        values.get("truncate_dim"),
    )


def _other_kind(folder: Path, kind: str) -> EncoderError:
    return EncoderError(
        f"{folder} holds a {kind}; expected a SentenceTransformer or a plain transformer; "
        "`lexmax.load` tells what a folder holds"
    )


def _pooling(folder: Path, modules: list[Module], wanted: str | None) -> StatePooling:
    found = [module for module in modules if module.kind == "Pooling"]
    if len(found) != 1 or modules[1] is not found[0]:
        raise EncoderError(
            f"{folder} has the modules {', '.join(module.kind for module in modules)}; "
            "expected Pooling behind the Transformer, once"
        )
    values = found[0].values
    if wanted is not None:
        modes: tuple[str, ...] = (wanted,)
    elif "pooling_mode" in values:
        said = values["pooling_mode"]
        modes = (said,) if isinstance(said, str) else tuple(said)
    else:
        modes = tuple(mode for name, mode in _OLD_MODES.items() if values.get(name)) or ("mean",)
    return StatePooling(modes, bool(values.get("include_prompt", True)))


def _layers(folder: Path, modules: list[Module]) -> tuple[Module, ...]:
    kept: list[Module] = []
    for module in modules[2:]:
        names = {module.values.get("module_input_name"), module.values.get("module_output_name")}
        if module.kind not in ("Dense", "Dropout", "LayerNorm", "Normalize"):
            raise refuse_module(folder, module, _EXPECTED)
        if not names <= {None, "sentence_embedding"}:
            raise refuse_module(folder, module, f"{_EXPECTED}, each over sentence_embedding")
        if module.kind != "Dropout":
            kept.append(module)
    return tuple(kept)


class _Texts:
    """Queries and documents of one folder, as its tokenizer knows their tokens."""

    def __init__(
        self, found: _Dense, config: Mapping[str, Any], pieces: Pieces, max_tokens: int | None
    ) -> None:
        self._found = found
        self._pieces = pieces
        self._wanted = max_tokens
        self._positions = positions(config)
        stated = found.said.get("max_seq_length")
        self._longest = longest_input(found.transformer, config, stated)

    def side(self, name: str) -> MarkedTexts:
        prompts = self._found.prompts
        prompt = document_prompt(prompts) if name == "document" else prompts.get("query") or ""
        stated = self._found.said.get(f"{name}_length") or self._longest
        length = stated if self._wanted is None else self._wanted
        return MarkedTexts(
            self._pieces,
            require_length("max_tokens", length, self._positions),
            read_prompt(self._found.transformer, prompt),
        )


class _FirstCoordinates(nn.Module):
    """The first coordinates of each vector (Matryoshka, arXiv 2205.13147)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self._dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return x[..., : self._dim]


def _finish(found: _Dense, width: int) -> tuple[nn.Module, int]:
    """What pooled states go through, and how many coordinates come out."""
    layers: list[nn.Module] = []
    for module in found.layers:
        if module.kind == "Normalize":
            layers.append(Normalize())
        elif module.kind == "LayerNorm":
            layers.append(read_layer_norm(module, width))
        else:
            made = read_dense(module, width)
            width = made.dim
            layers.append(made)
    if found.dim is not None and found.dim < width:
        layers.append(_FirstCoordinates(found.dim))
        width = found.dim
    if found.normalize:
        layers.append(Normalize())
    return nn.Sequential(*layers), width


def _files(folder: Path, found: _Dense) -> str:
    others = [] if found.transformer == folder else [folder]
    return fingerprint(found.transformer, *others, *(module.folder for module in found.layers))
