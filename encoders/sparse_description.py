"""How is a model of four values written as names and numbers, and read back?

The parts of a model are dataclasses. Written, each is a mapping of its fields, and where several
kinds could stand in a place, `name` says which it is: {"name": "flops", "strength": 0.05, ...}.
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from lexmax.encoders import sparse_model
from lexmax.encoders.sparse_model import SparseModel
from lexmax.encoders.training import regularizers, supervision
from lexmax.errors import EncoderError

_NAMES: Mapping[str, type] = {
    "binary": sparse_model.Binary,
    "mlp": sparse_model.Mlp,
    "exp-mlp": sparse_model.ExpMlp,
    "mlm": sparse_model.Mlm,
    "cls-mlm": sparse_model.ClsMlm,
    "epic": sparse_model.Epic,
    "anchored": sparse_model.Anchored,
    "table": sparse_model.Table,
    "queries": sparse_model.Queries,
    "terms": sparse_model.Terms,
    "flops": regularizers.Flops,
    "l1": regularizers.L1,
    "thresholded-flops": regularizers.ThresholdedFlops,
    "top-k": regularizers.TopK,
    "contrastive": supervision.Contrastive,
    "focal": supervision.Focal,
    "one-minus-softmax": supervision.OneMinusSoftmax,
    "margin-mse": supervision.MarginMse,
    "kl": supervision.Kl,
    "pld": supervision.Pld,
    "term-recall": supervision.TermRecall,
    "states": supervision.States,
}
_OF_CLASS: Mapping[type, str] = {kind: name for name, kind in _NAMES.items()}


def name_of(part: object) -> str:
    """What a part is called, such as "margin-mse"."""
    return _OF_CLASS[type(part)]


def described(value: Any) -> Any:
    """A dataclass of the model as mappings, lists, names and numbers."""
    if is_dataclass(value):
        name = _OF_CLASS.get(type(value))
        named = {} if name is None else {"name": name}
        return named | {f.name: described(getattr(value, f.name)) for f in fields(value)}
    if issubclass(type(value), tuple):  # Not isinstance, which would make the parts' type unknown.
        return [described(part) for part in value]
    return value


def read_model(written: Mapping[str, Any], *, at: str = "model") -> SparseModel:
    """The model that `described` wrote; fields that are not written have their defaults.

    Args:
        written: The mapping.
        at: What messages call it.

    Raises:
        EncoderError: if a name is unknown, or a value is of the wrong type.
    """
    model: SparseModel = _read(SparseModel, written, at)
    return model


def read_value(kind: type, written: Any, *, at: str) -> Any:
    """One dataclass of those that a model consists of, or of the same form.

    Raises:
        EncoderError: as `read_model`.
    """
    return _read(kind, written, at)


def _read(expected: Any, written: Any, at: str) -> Any:
    origin = get_origin(expected)
    if origin in (Union, types.UnionType):
        return _read_one_of(get_args(expected), written, at)
    if origin is Literal:
        return _read_choice(get_args(expected), written, at)
    if origin is tuple:
        return _read_parts(get_args(expected)[0], written, at)
    if is_dataclass(expected):
        return _read_fields(cast("type", expected), written, at)
    return _read_plain(expected, written, at)


def _read_one_of(kinds: Sequence[Any], written: Any, at: str) -> Any:
    if type(None) in kinds:
        if written is None:
            return None
        kinds = [kind for kind in kinds if kind is not type(None)]
    if len(kinds) == 1:
        return _read(kinds[0], written, at)
    by_name = {_OF_CLASS[kind]: kind for kind in kinds}
    if isinstance(written, str):  # A name alone is that part with its defaults.
        written = {"name": written}
    if not isinstance(written, Mapping) or "name" not in written:
        raise EncoderError(f"{at} is {written!r}; expected name: one of {', '.join(by_name)}")
    given = cast("Mapping[str, Any]", written)
    name = _read_choice(tuple(by_name), given["name"], f"{at}.name")
    return _read_fields(by_name[name], given, at)


def _read_choice(choices: Sequence[Any], written: Any, at: str) -> Any:
    if written not in choices:
        raise EncoderError(f"{at} is {written!r}; {_nearest(str(written), map(str, choices))}")
    return written


def _read_parts(kind: Any, written: Any, at: str) -> tuple[Any, ...]:
    if not isinstance(written, list | tuple):
        raise EncoderError(f"{at} is {written!r}; expected a list")
    parts = cast("Sequence[Any]", written)
    return tuple(_read(kind, part, f"{at}[{i}]") for i, part in enumerate(parts))


def _read_fields(kind: type, written: Any, at: str) -> Any:
    if not isinstance(written, Mapping):
        raise EncoderError(f"{at} is {written!r}; expected keys and values")
    given = cast("Mapping[str, Any]", written)
    known = {field.name: field for field in fields(kind)}
    allowed = {*known, "name"} if kind in _OF_CLASS else set(known)
    for key in given:
        if key not in allowed:
            raise EncoderError(f"{at} has no key {key!r}; {_nearest(str(key), known)}")
    for name, field in known.items():
        if name not in given and not _has_default(field):
            raise EncoderError(f"{at} lacks {name}; expected a value")
    hints = get_type_hints(kind)
    values = {
        name: _read(hints[name], given[name], f"{at}.{name}") for name in known if name in given
    }
    return kind(**values)


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _read_plain(kind: Any, written: Any, at: str) -> Any:
    if kind is float and isinstance(written, int) and not isinstance(written, bool):
        return float(written)
    if not isinstance(written, kind) or (isinstance(written, bool) and kind is not bool):
        raise EncoderError(f"{at} is {written!r}; expected {_NOUNS[kind]}")
    return written


_NOUNS = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}


def _nearest(name: str, known: Any) -> str:
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"expected one of {', '.join(names)}"
