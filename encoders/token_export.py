"""How does a late-interaction model become a folder of sentence-transformers?

A MultiVectorEncoder (sentence-transformers 6) is a list of modules: transformer, layers, length
one, and which tokens count. What cannot be said in those is refused: gates and residuals around
two layers (unless they are one matrix), pooling, and different skip lists on the two sides. The
objective is not written either, so scores of what was exported are not imputed.
"""

import importlib
import json
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from lexmax.encoders.heads.projection import Projection
from lexmax.encoders.token_encoder import TokenParts
from lexmax.encoders.token_model import LateInteractionModel, TokenReading
from lexmax.encoders.trunk import Trunk
from lexmax.errors import EncoderError

_ACTIVATIONS: Mapping[str, str] = MappingProxyType(
    {"identity": "Identity", "relu": "ReLU", "sigmoid": "Sigmoid", "silu": "SiLU", "gelu": "GELU"}
)
_TOKENS = "token_embeddings"


def export_sentence_transformers(parts: TokenParts, folder: Path) -> None:
    """Write a folder that `sentence_transformers.MultiVectorEncoder` loads.

    Args:
        parts: The model.
        folder: Where to write; made where it is not there.

    Raises:
        EncoderError: if sentence-transformers has no modules for such a model.
    """
    library: Any = importlib.import_module("sentence_transformers")
    modules: Any = importlib.import_module("sentence_transformers.multi_vector_encoder.modules")
    shared: Any = importlib.import_module("sentence_transformers.base.modules")
    model, trunk = parts.model, parts.trunk
    prompts = {
        "query": _prompt(model.queries, trunk),
        "document": _prompt(model.documents, trunk),
    }
    words, tasks = _skipped(model, trunk)
    layers = _layers(parts.projection)
    with tempfile.TemporaryDirectory() as temporary, _quietly():
        _write_transformer(parts, Path(temporary))
        transformer = shared.Transformer(
            temporary,
            query_length=model.queries.max_tokens,
            document_length=model.documents.max_tokens,
            query_expansion=_expansion(model, trunk),
        )
        mask = modules.MultiVectorMask(skiplist_words=words, skiplist_tasks=tasks)
        unit = shared.Normalize(module_input_name=_TOKENS)
        made = library.MultiVectorEncoder(
            modules=[transformer, *layers, unit, mask], prompts=prompts, device="cpu"
        )
        made.save(str(folder), create_model_card=False)


@contextmanager
def _quietly() -> Generator[None, None, None]:
    """No progress bars and reports of transformers; its settings stay."""
    logging: Any = importlib.import_module("transformers.utils.logging")
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _layers(projection: Projection) -> list[Any]:
    exported = projection.for_export()
    shape = exported.shape
    if shape.kind in ("glu", "residual"):
        raise EncoderError(
            f"sentence-transformers has no module for a projection of kind {shape.kind} with "
            f"activation {shape.activation}; expected one that is a matrix, or layers one behind "
            "the other; keep the folder of lexmax, which any kind can be loaded from"
        )
    if exported.inner is None:
        return [_dense(exported.outer, "identity", bias=shape.bias)]
    return [
        _dense(exported.inner, shape.activation, bias=shape.bias),
        _dense(exported.outer, "identity", bias=shape.bias),
    ]


def _dense(layer: torch.nn.Linear, activation: str, *, bias: bool) -> Any:
    modules: Any = importlib.import_module("sentence_transformers.base.modules.dense")
    return modules.Dense(
        layer.in_features,
        layer.out_features,
        bias=bias,
        activation_function=getattr(torch.nn, _ACTIVATIONS[activation])(),
        init_weight=layer.weight.detach().float().cpu().clone(),
        init_bias=layer.bias.detach().float().cpu().clone() if bias else None,
        module_input_name=_TOKENS,
    )


def _skipped(model: LateInteractionModel, trunk: Trunk) -> tuple[list[str], list[str]]:
    """Words of the skip list, and the sides that it is for."""
    for reading in (model.queries, model.documents):
        if reading.pooling is not None:
            raise EncoderError(
                f"the model pools tokens ({reading.pooling.spec}), and the pooling of "
                "sentence-transformers is another; expected none; export the model without and "
                "pool where it is used"
            )
    of_sides = {"query": model.queries.skipped, "document": model.documents.skipped}
    lists: set[frozenset[int]] = {frozenset(skipped) for skipped in of_sides.values() if skipped}
    if len(lists) > 1:
        raise EncoderError(
            "queries and documents leave out different tokens; expected one skip list, for one "
            "side or both; keep the folder of lexmax"
        )
    tokens = next(iter(lists)) if lists else frozenset[int]()
    words = [trunk.pieces.names[token] for token in sorted(tokens)]
    return words, [side for side, skipped in of_sides.items() if skipped]


def _prompt(reading: TokenReading, trunk: Trunk) -> str:
    """Marker and prompt as text; their special tokens are made known to the tokenizer."""
    names = trunk.pieces.names
    return "".join(names[token] for token in _own_tokens(reading)) + reading.prompt.text


def _own_tokens(reading: TokenReading) -> Sequence[int]:
    marker = () if reading.marker is None else (reading.marker,)
    return (*marker, *reading.prompt.ids)


def _expansion(model: LateInteractionModel, trunk: Trunk) -> dict[str, Any] | None:
    by = model.queries.expansion
    if model.documents.expansion is not None or (by is not None and not by.scored):
        raise EncoderError(
            "sentence-transformers fills up queries only, and counts what it fills up with; "
            "keep the folder of lexmax"
        )
    if by is None:
        return None
    exact = by.length == model.queries.max_tokens
    return {
        "strategy": "fixed" if exact else "min",
        "attend": by.attended,
        "token": trunk.pieces.names[by.token],
        "length": by.length,
    }


def _write_transformer(parts: TokenParts, folder: Path) -> None:
    trunk, model = parts.trunk, parts.model
    transformer: Any = trunk.backbone.model
    transformer.save_pretrained(folder)
    path = folder / "tokenizer.json"
    path.write_bytes(trunk.tokenizer)
    names = trunk.pieces.names
    unknown = json.loads(trunk.tokenizer)["model"].get("unk_token")
    named = {
        "cls_token": names[int(trunk.pieces.before[0])] if len(trunk.pieces.before) else None,
        "sep_token": names[int(trunk.pieces.after[-1])] if len(trunk.pieces.after) else None,
        "pad_token": names[trunk.backbone.pad_id],
        "unk_token": unknown,
        "mask_token": _mask(model, trunk),
    }
    own = {names[token] for side in (model.queries, model.documents) for token in _own_tokens(side)}
    transformers: Any = importlib.import_module("transformers")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(path),
        model_max_length=trunk.longest,
        model_input_names=["input_ids", "attention_mask"],
        additional_special_tokens=sorted(own),
        **{name: value for name, value in named.items() if value is not None},
    )
    tokenizer.save_pretrained(folder)


def _mask(model: LateInteractionModel, trunk: Trunk) -> str | None:
    if model.queries.expansion is not None:
        return trunk.pieces.names[model.queries.expansion.token]
    known = set(trunk.pieces.names.values())
    return next((name for name in ("[MASK]", "<mask>") if name in known), None)
