"""How does the folder of a reranker become a scorer of pairs?"""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn

from lexmax.encoders.checkpoints.files import fingerprint, read_json
from lexmax.encoders.checkpoints.layers import activation
from lexmax.encoders.checkpoints.modules import (
    Module,
    model_values,
    modules_of,
    object_in,
    transformer_of,
)
from lexmax.encoders.checkpoints.transformer import load_model, load_tokenizer
from lexmax.encoders.checkpoints.vocabulary import (
    first_special_id,
    longest_input,
    positions,
    read_pieces,
    require_known,
    require_length,
)
from lexmax.encoders.logit_model import LogitModel
from lexmax.encoders.pair_texts import PairTemplate, PairTexts
from lexmax.encoders.pieces import Pieces
from lexmax.encoders.reranker import CrossEncoder
from lexmax.encoders.reranker_prompts import INSTRUCTION, YesNoPrompt, chat_prompt, qwen_prompt
from lexmax.encoders.reranker_yes_no import PromptedTexts, YesNo
from lexmax.encoders.specs import written
from lexmax.errors import EncoderError

# Counted up when the same files would give other scores than before.
_VERSION = 1


def load_cross_encoder(
    folder: Path, *, max_tokens: int | None = None, label: str | None = None
) -> CrossEncoder:
    """The scorer of a folder of sentence-transformers' CrossEncoder, or of a plain classifier.

    Args:
        folder: Holds the model; fingerprints do not depend on where it is.
        max_tokens: Tokens of a pair that are read, instead of what the folder says.
        label: Which output is the score, by name or number; needed where there are several.

    Raises:
        EncoderError: if a file is missing or damaged, weights are pickles or NaN, the folder
            holds another kind of model, or a parameter does not fit it.
    """
    values = model_values(folder)
    root, said = _classifier(folder)
    config = read_json(root / "config.json")
    pieces = read_pieces(root, lower_case=bool(said.get("do_lower_case")))
    length = longest_input(root, config, said.get("max_seq_length"))
    length = require_length(
        "max_tokens", length if max_tokens is None else max_tokens, positions(config)
    )
    texts = PairTexts(pieces, _template(root), length, _query_prompt(values))
    model = load_model(root, head="AutoModelForSequenceClassification")
    require_known(folder, pieces, model)
    place = _label(folder, model.config, label)
    named, function = _activation(folder, values, config, int(model.config.num_labels))
    given = {"max_tokens": max_tokens, "label": label}
    return CrossEncoder(
        LogitModel(model, pad_id=_pad_id(root, pieces, config)),
        texts,
        function,
        spec=written("cross-encoder", folder, given),
        fingerprint=f"cross-encoder?max_tokens={length}&label={place}&activation={named}"
        f"&files={_files(folder, root)}&version={_VERSION}",
        label=place,
        takes_types=_takes_types(model),
    )


def load_yes_no(
    folder: Path, *, max_tokens: int | None = None, instruction: str | None = None
) -> YesNo:
    """The scorer of a causal language model that answers yes or no.

    A plain model is asked in the words of Qwen3-Reranker; one that sentence-transformers saved
    with LogitScore is asked by its chat template, and its tokens of yes and no are taken.

    Args:
        folder: Holds the model; fingerprints do not depend on where it is.
        max_tokens: Tokens of a prompt, instead of what the folder says; documents are cut.
        instruction: What is asked of documents; for plain models only.

    Raises:
        EncoderError: if a file is missing or damaged, weights are pickles or NaN, the folder
            holds another kind of model, or a parameter does not fit it.
    """
    values = model_values(folder)
    listed = modules_of(folder) if (folder / "modules.json").is_file() else []
    first = transformer_of(folder, listed) if listed else None
    root = folder if first is None else first.folder
    said: Mapping[str, Any] = {} if first is None else first.values
    config = read_json(root / "config.json")
    pieces = read_pieces(root)
    function: Callable[[torch.Tensor], torch.Tensor] = torch.sigmoid
    if listed:
        prompt, yes, no = _by_logit_score(folder, listed, instruction)
        function = _activation(folder, values, config, 1)[1]
        begin: tuple[int, ...] = ()
    else:
        prompt = qwen_prompt(instruction or INSTRUCTION)
        yes, no = (_answer(root, pieces, word) for word in ("yes", "no"))
        begin = tuple(map(int, pieces.before))
    length = longest_input(root, config, said.get("max_seq_length"))
    length = require_length(
        "max_tokens", length if max_tokens is None else max_tokens, positions(config)
    )
    texts = PromptedTexts(
        pieces, prompt, _special_ids(root, prompt.head, begin), _special_ids(root, prompt.tail),
        length,
    )  # fmt: skip
    given = {"max_tokens": max_tokens, "instruction": instruction}
    model = load_model(root, head="AutoModelForCausalLM")
    require_known(folder, pieces, model)
    return YesNo(
        LogitModel(model, pad_id=_pad_id(root, pieces, config)),
        texts,
        yes=yes,
        no=no,
        spec=written("yes-no", folder, given),
        fingerprint=f"{written('yes-no', None, {**given, 'max_tokens': length})}&answers={yes}.{no}"
        f"&files={_files(folder, root)}&version={_VERSION}",
        activation=function,
    )


def _classifier(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """Where the transformer is, and what the library says of it."""
    if not (folder / "modules.json").is_file():
        return folder, {}
    modules = modules_of(folder)
    first = transformer_of(folder, modules)
    task = first.values.get("transformer_task", "sequence-classification")
    if len(modules) > 1 or task != "sequence-classification":
        raise EncoderError(
            f"{folder} has the modules {', '.join(module.kind for module in modules)}, for {task}; "
            "expected one Transformer for sequence-classification; `lexmax.load` tells what a "
            "folder holds"
        )
    return first.folder, first.values


def _template(folder: Path) -> PairTemplate:
    tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    try:
        return PairTemplate.of(tokenizer)
    except EncoderError as error:
        raise EncoderError(f"{folder}: {error}") from error


def _query_prompt(values: Mapping[str, Any]) -> str:
    name, prompts = values.get("default_prompt_name"), object_in(values, "prompts")
    return "" if name is None else str(prompts.get(name) or "")


def _label(folder: Path, config: Any, wanted: str | None) -> int:
    names = {int(place): str(name) for place, name in config.id2label.items()}
    if wanted is None and len(names) == 1:
        return 0
    matching = [place for place, name in names.items() if wanted in (name, str(place))]
    if len(matching) == 1:
        return matching[0]
    known = ", ".join(f"{place} ({name})" for place, name in sorted(names.items()))
    raise EncoderError(
        f"{folder} has {len(names)} labels and label is {wanted!r}; expected one of {known}; "
        f"say which one is the score, as in cross-encoder:PATH?label={min(names)}"
    )


def _activation(
    folder: Path, values: Mapping[str, Any], config: Mapping[str, Any], n_labels: int
) -> tuple[str, nn.Module]:
    """The one that the library takes, by its newest name or an older one."""
    default = f"torch.nn.{'Sigmoid' if n_labels == 1 else 'Identity'}"
    named = str(
        values.get("activation_fn")
        or object_in(config, "sentence_transformers").get("activation_fn")
        or config.get("sbert_ce_default_activation_function")
        or default
    )
    return named.rpartition(".")[2], activation(named, source=folder)


def _takes_types(model: Any) -> bool:
    types = getattr(model.config, "type_vocab_size", 0) or 0
    return types > 1 and "token_type_ids" in inspect.signature(model.forward).parameters


def _pad_id(folder: Path, pieces: Pieces, config: Mapping[str, Any]) -> int:
    ids = {name: piece_id for piece_id, name in pieces.names.items()}
    found = first_special_id(folder, ids, "pad_token", "eos_token")
    return int(config.get("pad_token_id") or 0) if found is None else found


def _by_logit_score(
    folder: Path, modules: list[Module], instruction: str | None
) -> tuple[YesNoPrompt, int, int | None]:
    first = transformer_of(folder, modules)
    kinds = [module.kind for module in modules]
    if kinds != ["Transformer", "LogitScore"] or "message" not in first.values.get(
        "modality_config", {}
    ):
        raise EncoderError(
            f"{folder} has the modules {', '.join(kinds)}; expected Transformer with a chat "
            "template, and LogitScore; `lexmax.load` tells what a folder holds"
        )
    if instruction is not None:
        raise EncoderError(
            f"{folder} is asked by its own chat template; expected no instruction; leave it out"
        )
    said = modules[1].values
    if not isinstance(said.get("true_token_id"), int):
        raise EncoderError(f"{modules[1].folder}: LogitScore without true_token_id; save it again")
    tokenizer = load_tokenizer(first.folder)
    prompt = chat_prompt(tokenizer, _special_names(first.folder))
    return prompt, int(said["true_token_id"]), said.get("false_token_id")


def _special_names(folder: Path) -> list[str]:
    added: list[dict[str, Any]] = read_json(folder / "tokenizer.json").get("added_tokens") or []
    return [str(token["content"]) for token in added if token.get("special")]


def _answer(folder: Path, pieces: Pieces, word: str) -> int:
    found = pieces.first(word, len(word))
    if len(found) == 1:
        return int(found[0])
    raise EncoderError(
        f"{folder}: the tokenizer writes {word!r} with {len(found)} tokens; expected one, whose "
        "logit is the answer; take a model whose vocabulary has the word"
    )


def _special_ids(folder: Path, text: str, begin: tuple[int, ...] = ()) -> NDArray[np.int64]:
    """Ids of words of a prompt in which special tokens are special, behind `begin`."""
    tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return np.array([*begin, *tokenizer.encode(text, add_special_tokens=False).ids], np.int64)


def _files(folder: Path, root: Path) -> str:
    return fingerprint(root) if root == folder else fingerprint(root, folder)
