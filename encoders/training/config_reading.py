"""Is this a configuration, and if not, where does it go wrong?"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from lexmax.encoders.training.config import TrainingConfig
from lexmax.encoders.training.yaml_lines import Located, dotted, read_yaml
from lexmax.encoders.training.yaml_lines import Path as KeyPath
from lexmax.errors import TrainingError

M = TypeVar("M", bound=BaseModel)
_MOST_SHOWN = 5
_FULL = "`lexmax train --print-config` prints all keys"


def read_config(path: Path, overrides: Sequence[str] = ()) -> tuple[TrainingConfig, Located]:
    """The configuration of a YAML file, and where its values stand in it.

    Args:
        path: The file.
        overrides: Such as "optimiser.lr=1e-4"; the value is YAML.

    Raises:
        TrainingError: if the file cannot be read, is not YAML, has an unknown key, a key twice or
            a value of the wrong type.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(
            f"{path}: cannot be read ({error}); expected a configuration as YAML; "
            "`lexmax train --print-config` prints one to begin with"
        ) from error
    located = read_yaml(text, str(path))
    for override in overrides:
        located = _overridden(located, override)
    return checked(TrainingConfig, located), located


def checked(model: type[M], located: Located, at: KeyPath = ()) -> M:
    """The part at `at` as this section.

    Raises:
        TrainingError: if a key is unknown, missing, or has a value of the wrong type; naming
            the key, its place and the nearest known key.
    """
    value = located.value
    for key in at:
        value = value[key]
    if not isinstance(value, Mapping):
        raise TrainingError(
            f"{located.place(at)} is {_shown(value)}; expected keys and values; {_FULL}"
        )
    try:
        # As JSON, in which a strict section takes an array for a list and for a tuple.
        return model.model_validate_json(json.dumps(value, default=str))
    except ValidationError as error:
        wrong = _own(error.errors(include_url=False))
        shown = [_message(one, model, located, at) for one in wrong[:_MOST_SHOWN]]
        more = [f"and {len(wrong) - _MOST_SHOWN} more"] if len(wrong) > _MOST_SHOWN else []
        raise TrainingError("\n".join(shown + more)) from error


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause that helps someone who mistyped a name: what was meant, or all there are."""
    names = sorted(known)
    if close := get_close_matches(name, names, n=1, cutoff=0.5):
        return f"did you mean {close[0]}?"
    return f"expected one of {', '.join(names)}"


def _overridden(located: Located, override: str) -> Located:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise TrainingError(
            f"--set {override}: expected key=value, such as --set optimiser.lr=1e-4"
        )
    path = tuple(key.strip().split("."))
    value = read_yaml(text, f"--set {key}").value if text.strip() else None
    # Indexes of lists are numbers where the file's values have their lines.
    numbered = tuple(int(part) if part.isdecimal() else part for part in path)
    return located.replaced(numbered, value, place=f"--set {override}")


_EXPECTED = {
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "string_type": "a text; put it into quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "too_short": "at least one entry",
}


def _own(errors: Iterable[Any]) -> list[Any]:
    """Without what is wrong with a list only because an entry of it is."""
    found = list(errors)
    inside = {error["loc"][:n] for error in found for n in range(len(error["loc"]))}
    return [error for error in found if error["type"] != "too_short" or error["loc"] not in inside]


def _message(error: Any, model: type[BaseModel], located: Located, at: KeyPath) -> str:
    path: KeyPath = tuple(error["loc"])
    place = located.place((*at, *path))
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key; {_where_instead(model, path, at)}; {_FULL}"
    if error["type"] == "missing":
        return f"{place}: is missing; expected a value; {_FULL}"
    said = str(error["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    said = _EXPECTED.get(error["type"], said)
    return f"{place} is {_shown(error['input'])}; expected {said}"


def _shown(value: object) -> str:
    return "empty" if value is None else f"{value!r:.60}"


def _where_instead(model: type[BaseModel], path: KeyPath, at: KeyPath) -> str:
    """The nearest key of the same section; else the same key in another section."""
    name = str(path[-1])
    known = _keys(model, path[:-1])
    if not get_close_matches(name, known, n=1, cutoff=0.5):
        elsewhere = [dotted((*at, *found)) for found in _all_paths(model, ()) if found[-1] == name]
        if elsewhere:
            return f"did you mean {elsewhere[0]}?"
    return nearest(name, known)


def _keys(model: type[BaseModel], path: KeyPath) -> list[str]:
    section: type[BaseModel] | None = model
    for key in path:
        if section is not None and isinstance(key, str) and key in section.model_fields:
            section = section_of(section.model_fields[key].annotation)
    return list(section.model_fields) if section is not None else []


def _all_paths(model: type[BaseModel], above: KeyPath) -> Iterator[KeyPath]:
    for name, field in model.model_fields.items():
        yield (*above, name)
        below = section_of(field.annotation)
        if below is not None and get_origin(field.annotation) is not tuple:
            yield from _all_paths(below, (*above, name))


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section inside `Section`, `Section | None` or `tuple[Section, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, UnionType):
        found = (section_of(part) for part in get_args(annotation))
        return next((section for section in found if section is not None), None)
    return None
