"""Which transformer reads pairs, and what is its head?

A cross-encoder is a transformer with a classifying head (Nogueira & Cho, arXiv 1901.04085). In
training it may have two outputs, no and yes; a folder always has one, the score, which is what two
of them come to: a difference of rows, or the row of yes alone.
"""

import copy
import importlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from tokenizers import Tokenizer
from torch import nn

from lexmax.encoders.pair_texts import PairTemplate, PairTexts
from lexmax.encoders.trunk import Trunk
from lexmax.errors import EncoderError

Score: TypeAlias = Literal["yes", "yes-no"]
"""What is the score of two outputs: the logit of yes, or how far it is above that of no."""

NO, YES = 0, 1
"""Rows of a head with two outputs; the only row of one with one is of yes."""

_IDENTITY = "torch.nn.modules.linear.Identity"


@dataclass(frozen=True, slots=True)
class PairModel:
    """A transformer with a head, and how pairs become its tokens.

    Attributes:
        model: Of the transformers library, for sequence classification; gives (b, rows) logits.
        trunk: What it was made of; tokenizer and special tokens are its.
        texts: Token ids of pairs.
        takes_types: Whether it knows segments.
    """

    model: Any
    trunk: Trunk
    texts: PairTexts
    takes_types: bool

    @property
    def head(self) -> nn.Linear:
        """The layer that gives the outputs."""
        name = _head_name(self.model)
        found: nn.Linear = self.model.get_submodule(name)
        return found

    @property
    def rows(self) -> int:
        """Outputs: 1, or 2 for no and yes."""
        return int(self.head.out_features)

    @property
    def base(self) -> nn.Module:
        """The transformer without the head."""
        base: nn.Module = self.model.base_model
        return base


def pair_model(
    trunk: Trunk, *, rows: int, max_tokens: int, start: nn.Module | None = None
) -> PairModel:
    """A head over a copy of a transformer's weights.

    Args:
        trunk: The transformer.
        rows: Outputs, 1 or 2.
        max_tokens: Tokens of a pair that are read, markers counted.
        start: A classifier over the same transformer with one output, whose head is taken; its
            score is then that of yes against a no of zeros. None for a head from torch's generator.

    Raises:
        EncoderError: if the library has no such head for it, it does not read pairs, or it has
            fewer positions.
    """
    if max_tokens > trunk.longest:
        raise EncoderError(
            f"max_tokens is {max_tokens}; expected at most {trunk.longest}, the positions of the "
            "transformer"
        )
    model = _new_classifier(trunk, rows)
    if start is None:
        state = trunk.backbone.model.state_dict()
        missing = model.base_model.load_state_dict(state, strict=False).missing_keys
        missing = [name for name in missing if "pooler" not in name]
    else:
        missing = model.load_state_dict(_widened(start, rows), strict=False).missing_keys
    if missing:
        raise EncoderError(
            f"the classifier lacks weights of {', '.join(missing[:3])}; expected those of the "
            "transformer; take another transformer"
        )
    model.float()
    texts = PairTexts(trunk.pieces, _template(trunk), max_tokens)
    return PairModel(model, trunk, texts, _takes_types(model))


def _new_classifier(trunk: Trunk, rows: int) -> Any:
    config = copy.deepcopy(trunk.backbone.model.config)
    config.num_labels = rows
    transformers: Any = importlib.import_module("transformers")
    try:
        return transformers.AutoModelForSequenceClassification.from_config(config)
    except ValueError as error:
        raise EncoderError(
            f"a transformer of type {config.model_type!r} has no head for classifying in the "
            "transformers library; expected BERT or one of its kind; take another transformer"
        ) from error


def _widened(start: Any, rows: int) -> dict[str, torch.Tensor]:
    """The state of a classifier with one output, as of one with so many."""
    state: dict[str, torch.Tensor] = dict(start.state_dict())
    name = _head_name(start)
    if rows == 2:
        for key in (f"{name}.weight", f"{name}.bias"):
            if key in state:
                state[key] = torch.cat([torch.zeros_like(state[key]), state[key]])
    return state


def score_of(logits: torch.Tensor, score: Score) -> torch.Tensor:
    """Scores (b,) of logits (b, rows)."""
    yes = logits[:, -1]
    return yes - logits[:, NO] if logits.shape[1] == 2 and score == "yes-no" else yes


def save_cross_encoder(parts: PairModel, folder: Path, *, score: Score) -> None:
    """Write a folder that sentence-transformers' CrossEncoder and `cross-encoder:PATH` load.

    It has one output, the score, which no function goes over: probabilities near 1 would tie.

    Args:
        parts: The model.
        folder: Exists.
        score: What the output is, of a head with two.
    """
    model, name = parts.model, _head_name(parts.model)
    state = {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
    for kind in ("weight", "bias"):
        key = f"{name}.{kind}"
        if key in state:
            merged = score_of(state[key].reshape(1, parts.rows, -1).squeeze(0).T, score)
            state[key] = merged.reshape(1, -1) if kind == "weight" else merged.reshape(1)
    safetensors: Any = importlib.import_module("safetensors.torch")
    tensors = {key: value.contiguous() for key, value in state.items()}
    safetensors.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = copy.deepcopy(model.config)
    config.num_labels = 1
    config.architectures = [type(model).__name__]
    config.sentence_transformers = {"activation_fn": _IDENTITY}
    config.save_pretrained(folder)
    _save_tokenizer(parts, folder)


def _save_tokenizer(parts: PairModel, folder: Path) -> None:
    trunk, names = parts.trunk, parts.trunk.pieces.names
    path = folder / "tokenizer.json"
    path.write_bytes(trunk.tokenizer)
    written: Mapping[str, Any] = json.loads(trunk.tokenizer)
    before, after = trunk.pieces.before, trunk.pieces.after
    named = {
        "cls_token": names[int(before[0])] if len(before) else None,
        "sep_token": names[int(after[-1])] if len(after) else None,
        "pad_token": names[trunk.backbone.pad_id],
        "unk_token": written["model"].get("unk_token"),
    }
    types = ["token_type_ids"] if parts.takes_types else []
    transformers: Any = importlib.import_module("transformers")
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(path),
        model_max_length=parts.texts.max_tokens,
        model_input_names=["input_ids", *types, "attention_mask"],
        **{role: token for role, token in named.items() if token is not None},
    )
    tokenizer.save_pretrained(folder)


def _template(trunk: Trunk) -> PairTemplate:
    tokenizer: Any = Tokenizer.from_str(trunk.tokenizer.decode())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return PairTemplate.of(tokenizer)


def _takes_types(model: Any) -> bool:
    types = getattr(model.config, "type_vocab_size", 0) or 0
    return types > 1 and "token_type_ids" in inspect.signature(model.forward).parameters


def _head_name(model: Any) -> str:
    rows = model.config.num_labels
    named = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == rows
    ]
    if not named:
        raise EncoderError(
            f"{type(model).__name__} has no last layer of {rows} outputs; expected a head for "
            "classifying; take another transformer"
        )
    return str(named[-1])
