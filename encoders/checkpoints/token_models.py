"""What does the folder of a late-interaction model say about texts, tokens and layers?

Three libraries write such folders: sentence-transformers (MultiVectorEncoder), PyLate up to its
version 3, and Stanford's ColBERT. Where the folders of the last two leave something out, their own
defaults hold.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from lexmax.encoders.checkpoints.files import read_json
from lexmax.encoders.checkpoints.modules import (
    Module,
    model_values,
    modules_of,
    object_in,
    refuse_module,
    transformer_of,
)
from lexmax.errors import EncoderError

PUNCTUATION = tuple(string.punctuation)

_EXPECTED = "Transformer, Dense, MultiVectorMask and Normalize"
_PYLATE = (
    "query_prefix",
    "document_prefix",
    "do_query_expansion",
    "attend_to_expansion_tokens",
    "skiplist_words",
)

# Values of a Transformer module that would change which tokens a text has.
_ELSEWHERE = ("processing_kwargs", "tokenizer_name_or_path")


@dataclass(frozen=True, slots=True)
class ExpansionValues:
    """How short queries are filled up.

    Attributes:
        length: Tokens of a query once it is filled up.
        exact: Whether longer queries are cut to that length ("fixed"), or kept ("min").
        attend: Whether other tokens see the new ones.
        token: What fills up; None for the tokenizer's [MASK], or else its end of a text.
    """

    length: int = 32
    exact: bool = True
    attend: bool = False
    token: str | None = None


@dataclass(frozen=True, slots=True)
class SideValues:
    """How the texts of one side are read.

    Attributes:
        prompt: Stands before every text.
        marker: A token set in behind the first one; None for none.
        length: Tokens of a text; None for what the tokenizer says.
        skips: Whether the words of the skip list are left out on this side.
    """

    prompt: str = ""
    marker: str | None = None
    length: int | None = None
    skips: bool = False


Normalizing: TypeAlias = Literal["normalize"]


@dataclass(frozen=True, slots=True)
class TokenModel:
    """A late-interaction model on disk.

    Attributes:
        transformer: Folder with config, weights and tokenizer.
        queries: How queries are read.
        documents: How documents are read.
        expansion: How queries are filled up; None where they are not.
        expansion_scored: Whether tokens that filled up have vectors.
        layers: What states go through: Dense modules and "normalize"; None for the matrix that
            stands among Stanford's weights, and "normalize".
        skip_words: Tokens without vectors, on the sides that skip.
        kept_ids: Ids of the only document tokens with vectors; None for all.
        lower_case: Whether texts are lower-cased before the tokenizer has them.
        stated_length: Tokens of a text by the Transformer module; None where it does not say.
    """

    transformer: Path
    queries: SideValues
    documents: SideValues
    expansion: ExpansionValues | None = None
    expansion_scored: bool = True
    layers: tuple[Module | Normalizing, ...] | None = None
    skip_words: tuple[str, ...] = ()
    kept_ids: tuple[int, ...] | None = None
    lower_case: bool = False
    stated_length: int | None = None


def read_token_model(folder: Path) -> TokenModel:
    """What the folder says, of whichever library it is.

    Raises:
        EncoderError: if a file is missing or damaged, or it holds another kind of model.
    """
    if not (folder / "modules.json").is_file():
        return _stanford(folder)
    values = model_values(folder)
    library = values.get("model_type")
    legacy = any(name in values for name in _PYLATE)
    modules = modules_of(folder)
    pylate = library == "ColBERT" or any(module.type.startswith("pylate.") for module in modules)
    if library not in ("MultiVectorEncoder", "ColBERT") and not pylate and not legacy:
        raise EncoderError(
            f"{folder} holds a {library or 'model'} of sentence-transformers, with "
            f"{', '.join(module.kind for module in modules)}; expected a MultiVectorEncoder, a "
            "folder of PyLate, or a ColBERT checkpoint; `lexmax.load` tells what a folder holds"
        )
    if pylate or legacy:
        return _pylate(folder, modules, values)
    return _native(folder, modules, values)


def _native(folder: Path, modules: list[Module], values: Mapping[str, Any]) -> TokenModel:
    transformer = _transformer(folder, modules)
    said = transformer.values
    mask = next((module for module in modules if module.kind == "MultiVectorMask"), None)
    masks: Mapping[str, Any] = {} if mask is None else mask.values
    tasks = masks.get("skiplist_tasks") or ["document"]
    prompts = object_in(values, "prompts")
    expansion = _expansion(folder, said.get("query_expansion"))
    kept = masks.get("keep_only_token_ids")
    return TokenModel(
        transformer=transformer.folder,
        queries=SideValues(
            prompts.get("query") or "", None, said.get("query_length"), "query" in tasks
        ),
        documents=SideValues(
            document_prompt(prompts), None, said.get("document_length"), "document" in tasks
        ),
        expansion=expansion,
        # The mask is what counts them; without one the attention does.
        expansion_scored=expansion is not None and (mask is not None or expansion.attend),
        layers=_layers(folder, modules),
        skip_words=tuple(masks.get("skiplist_words") or ()),
        kept_ids=tuple(kept) if kept else None,
        lower_case=bool(said.get("do_lower_case")),
        stated_length=said.get("max_seq_length"),
    )


def _pylate(folder: Path, modules: list[Module], values: Mapping[str, Any]) -> TokenModel:
    transformer = _transformer(folder, modules)
    prompts = object_in(values, "prompts")
    query_length = _or(values.get("query_length"), 32)
    expands = values.get("do_query_expansion") is not False
    words = values.get("skiplist_words")
    return TokenModel(
        transformer=transformer.folder,
        queries=SideValues(
            prompts.get("query") or "", _or(values.get("query_prefix"), "[Q] "), query_length
        ),
        documents=SideValues(
            document_prompt(prompts),
            _or(values.get("document_prefix"), "[D] "),
            _or(values.get("document_length"), 180),
            skips=True,
        ),
        expansion=ExpansionValues(
            query_length, attend=bool(values.get("attend_to_expansion_tokens"))
        )
        if expands
        else None,
        layers=(*_dense(folder, modules), "normalize"),
        skip_words=PUNCTUATION if words is None else tuple(words),
        lower_case=bool(transformer.values.get("do_lower_case")),
    )


def _stanford(folder: Path) -> TokenModel:
    config = read_json(folder / "config.json")
    path = folder / "artifact.metadata"
    if not path.is_file() and "HF_ColBERT" not in (config.get("architectures") or []):
        raise EncoderError(
            f"{folder} holds a model of architectures {config.get('architectures')!r} without a "
            "projection; expected a MultiVectorEncoder of sentence-transformers, a folder of "
            "PyLate, or a ColBERT checkpoint; train a projection, or load it as what it is"
        )
    said = read_json(path) if path.is_file() else {}
    if said.get("similarity", "cosine") != "cosine":
        raise EncoderError(
            f"{path}: similarity {said['similarity']!r}; expected cosine, which is what MaxSim "
            "over vectors of length one computes; take a checkpoint that was trained with it"
        )
    return TokenModel(
        transformer=folder,
        queries=SideValues(marker=said.get("query_token_id") or "[unused0]"),
        documents=SideValues(
            marker=said.get("doc_token_id") or "[unused1]",
            length=said.get("doc_maxlen") or 220,
            skips=bool(said.get("mask_punctuation", True)),
        ),
        expansion=ExpansionValues(
            said.get("query_maxlen") or 32, attend=bool(said.get("attend_to_mask_tokens"))
        ),
        skip_words=PUNCTUATION,
    )


def document_prompt(prompts: Mapping[str, Any]) -> str:
    """What stands before every document: the first prompt of one of the names that are in use."""
    names = ("document", "passage", "corpus")
    return next((str(prompts[name]) for name in names if prompts.get(name)), "")


def _transformer(folder: Path, modules: list[Module]) -> Module:
    first = transformer_of(folder, modules)
    require_plain_text(first)
    return first


def require_plain_text(transformer: Module) -> None:
    """A Transformer module reads texts by its folder's tokenizer alone and gives their states.

    Raises:
        EncoderError: if it does something else.
    """
    values = transformer.values
    for name in _ELSEWHERE:
        if values.get(name):
            raise EncoderError(
                f"{transformer.folder}: {name} is {values[name]!r}; expected none, because texts "
                "are read by the folder's own tokenizer; save the model without it"
            )
    task = values.get("transformer_task", "feature-extraction")
    ways = values.get("modality_config") or {"text": None}
    if task != "feature-extraction" or "text" not in ways or "message" in ways:
        raise EncoderError(
            f"{transformer.folder}: the transformer does {task} of {', '.join(sorted(ways))}; "
            "expected feature-extraction of text; chat templates and images are not read here"
        )


def _expansion(folder: Path, said: Any) -> ExpansionValues | None:
    if said is None:
        return None
    values = object_in({"": said}, "")
    known = {"strategy", "attend", "token", "length"}
    if not known >= values.keys() or values.get("strategy") not in ("fixed", "min"):
        raise EncoderError(
            f"{folder}: query_expansion is {said!r}; expected length and strategy, fixed or min, "
            "and attend and token at most"
        )
    return ExpansionValues(
        values.get("length") or 0,
        values["strategy"] == "fixed",
        bool(values.get("attend")),
        values.get("token"),
    )


def _layers(folder: Path, modules: list[Module]) -> tuple[Module | Normalizing, ...]:
    kinds: list[Module | Normalizing] = []
    for module in modules[1:]:
        if module.kind == "Normalize":  # Of another name it is not over tokens, and does nothing.
            if module.values.get("module_input_name") == "token_embeddings":
                kinds.append("normalize")
        elif module.kind == "Dense":
            kinds.append(_of_tokens(folder, module))
        elif module.kind.endswith("TokenPooling"):
            raise refuse_module(folder, module, f"{_EXPECTED}; pool by the spec: ?pool=ward")
        elif module.kind not in ("MultiVectorMask", "Dropout"):
            raise refuse_module(folder, module, _EXPECTED)
    return tuple(kinds)


def _dense(folder: Path, modules: list[Module]) -> tuple[Module, ...]:
    layers = _layers(folder, modules)
    return tuple(layer for layer in layers if layer != "normalize")


def _of_tokens(folder: Path, module: Module) -> Module:
    names = {module.values.get("module_input_name"), module.values.get("module_output_name")}
    if not names <= {None, "token_embeddings"}:
        raise refuse_module(folder, module, f"{_EXPECTED}, each over token_embeddings")
    return module


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
