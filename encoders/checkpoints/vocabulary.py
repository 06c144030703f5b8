"""Which special tokens does a folder's tokenizer have, and how long may a text be?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from tokenizers import Tokenizer

from lexmax.encoders.checkpoints.files import read_json
from lexmax.encoders.marked_texts import NO_PROMPT, Prompt
from lexmax.encoders.pieces import Pieces
from lexmax.errors import EncoderError

# Their first position is behind that of padding: https://github.com/huggingface/transformers
# roberta/modeling_roberta.py, create_position_ids_from_input_ids.
_POSITIONS_FROM_TWO = frozenset(
    {"camembert", "longformer", "mpnet", "roberta", "xlm-roberta", "xlm-roberta-xl"}
)
_NO_LIMIT = 1 << 20
_WITHOUT_LIMIT = 512


def read_pieces(folder: Path, *, lower_case: bool = False) -> Pieces:
    """The tokenizer of a folder.

    Raises:
        EncoderError: if tokenizer.json is missing or damaged.
    """
    path = folder / "tokenizer.json"
    try:
        return Pieces(path, lower_case=lower_case)
    except BaseException as error:
        # The tokenizers library panics, past all exceptions, where its parts do not fit together.
        if type(error).__name__ != "PanicException":
            raise
        raise EncoderError(
            f"{path} is damaged ({error}); expected a tokenizer; copy or download it again"
        ) from error


def special_token(folder: Path, role: str) -> str | None:
    """The token of a role, such as "mask_token"; None where the tokenizer has none.

    Raises:
        EncoderError: if a file of the tokenizer is damaged.
    """
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        path = folder / name
        found = read_json(path).get(role) if path.is_file() else None
        if isinstance(found, dict):
            found = cast("dict[str, Any]", found).get("content")
        if isinstance(found, str):
            return found
    return None


def first_special_id(folder: Path, ids: Mapping[str, int], *roles: str) -> int | None:
    """The id of the first of these roles that the tokenizer has a token for."""
    tokens = (special_token(folder, role) for role in roles)
    return next((ids[token] for token in tokens if token is not None and token in ids), None)


def read_prompt(folder: Path, prompt: str) -> Prompt:
    """A prompt, cut behind the last special token that it writes.

    Raises:
        EncoderError: if tokenizer.json is missing or damaged.
    """
    if not prompt:
        return NO_PROMPT
    added: list[dict[str, Any]] = read_json(folder / "tokenizer.json").get("added_tokens") or []
    end, strips = 0, False
    for token in (token for token in added if token.get("special")):
        stop = prompt.rfind(token["content"]) + len(token["content"])
        if token["content"] in prompt and stop > end:
            end, strips = stop, bool(token.get("rstrip"))
    tail = prompt[end:].lstrip() if strips else prompt[end:]
    if end == 0:
        return Prompt((), tail)
    tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return Prompt(tuple(tokenizer.encode(prompt[:end], add_special_tokens=False).ids), tail)


def longest_input(folder: Path, config: Mapping[str, Any], stated: Any = None) -> int:
    """Tokens that a text may have, markers counted.

    What sentence-transformers states (`max_seq_length`), or else the tokenizer's limit or the
    positions that the model knows, whichever is less; 512 where nobody sets a limit.

    Raises:
        EncoderError: if a file of the tokenizer is damaged.
    """
    if isinstance(stated, int) and stated > 0:
        return stated
    path = folder / "tokenizer_config.json"
    limits = [read_json(path).get("model_max_length") if path.is_file() else None]
    limits.append(positions(config))
    known = [int(limit) for limit in limits if isinstance(limit, int | float) and limit > 0]
    least = min(known, default=_NO_LIMIT)
    return least if least < _NO_LIMIT else _WITHOUT_LIMIT


def positions(config: Mapping[str, Any]) -> int | None:
    """Positions that a model has, by its config.json; None where they are not counted."""
    found = config.get("max_position_embeddings")
    if not isinstance(found, int) or found <= 0:
        return None
    return found - 2 if str(config.get("model_type")) in _POSITIONS_FROM_TWO else found


def require_known(folder: Path, pieces: Pieces, model: Any) -> None:
    """A model has an embedding for every token that its tokenizer may give.

    Raises:
        EncoderError: if it has not.
    """
    n_tokens = len(model.get_input_embeddings().weight)
    highest = max([*pieces.names, *map(int, pieces.before), *map(int, pieces.after)])
    if highest >= n_tokens:
        raise EncoderError(
            f"{folder}: tokenizer.json has a token {highest}, the model knows {n_tokens:,} of "
            "them; expected the tokenizer of this model; copy or download the model again"
        )


def require_length(what: str, length: Any, longest: int | None) -> int:
    """`length`, once it is known to be a number of tokens that the model can read.

    Raises:
        EncoderError: if it is not.
    """
    whole = isinstance(length, int) and not isinstance(length, bool)
    if not whole or length < 1 or (longest is not None and length > longest):
        limit = "a whole number above 0" if longest is None else f"1 to {longest}"
        raise EncoderError(f"{what} is {length!r}; expected {limit}, tokens that the model reads")
    return int(length)
