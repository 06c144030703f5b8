"""What does a person's matrix say, and if it says nothing that makes sense, in which line?"""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from lexmax.encoders.training.yaml_lines import Located, read_yaml
from lexmax.errors import EvaluationError, TrainingError
from lexmax.eval.experiments.matrix import Matrix

_MOST_BYTES = 1 << 20
_MOST_SHOWN = 5
_REMEDY = "see docs/experiments.md"
_EXPECTED = {
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "string_type": "a text; put it into quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "too_short": "at least one entry",
    "string_pattern_mismatch": "a name of 1 to 64 characters without / \\ { }",
}


def read_matrix(path: Path | str) -> tuple[Matrix, Located]:
    """The matrix of a YAML file, and where its values stand in it.

    Raises:
        EvaluationError: if the file cannot be read, is not YAML, has an unknown key, a key twice
            or a value of the wrong type; naming the line.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise EvaluationError(
                f"{path}: found more than a MiB; expected a matrix of a few pages; {_REMEDY}"
            )
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(
            f"{path}: cannot be read ({error}); expected a matrix as YAML; {_REMEDY}"
        ) from error
    return read_matrix_text(text, str(path))


def read_matrix_text(text: str, name: str) -> tuple[Matrix, Located]:
    """As `read_matrix`, of a text; `name` stands in messages."""
    try:
        located = read_yaml(text, name)
    except TrainingError as error:
        said = str(error).partition("; see `lexmax train")[0]
        raise EvaluationError(f"{said}; {_REMEDY}") from error
    value: Any = located.value
    if not isinstance(value, Mapping):
        raise EvaluationError(f"{name}: found {value!r:.60}; expected keys and values; {_REMEDY}")
    try:
        return Matrix.model_validate_json(json.dumps(value, default=str)), located
    except ValidationError as error:
        found = _own(error.errors(include_url=False, include_context=False))
        shown = [_message(one, located) for one in found[:_MOST_SHOWN]]
        more = [f"and {len(found) - _MOST_SHOWN} more"] if len(found) > _MOST_SHOWN else []
        raise EvaluationError("\n".join(shown + more)) from error


def _own(errors: Sequence[Any]) -> list[Any]:
    """One problem a place: of a choice between text and section, what is wrong with the section."""
    by_place: dict[tuple[str | int, ...], Any] = {}
    for error in errors:
        place = tuple(step for step in error["loc"] if not _is_choice(step))
        if place not in by_place or by_place[place]["type"] == "string_type":
            by_place[place] = {**error, "loc": place}
    inner = set(by_place)
    return [
        error
        for place, error in by_place.items()
        if error["type"] not in ("string_type", "too_short")
        or not any(len(other) > len(place) and other[: len(place)] == place for other in inner)
    ]


def _is_choice(step: str | int) -> bool:
    """Whether a step of a place is pydantic's name of one of several types."""
    return isinstance(step, str) and (step == "str" or step.endswith("Section") or "[" in step)


def _message(error: Any, located: Located) -> str:
    path = tuple(error["loc"])
    place = located.place(path)
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key; {_nearest(path)}; {_REMEDY}"
    if error["type"] == "missing":
        return f"{place}: is missing; expected a value; {_REMEDY}"
    said = str(error["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    said = _EXPECTED.get(error["type"], said)
    return f"{place} is {error['input']!r:.60}; expected {said}"


def _nearest(path: tuple[str | int, ...]) -> str:
    known = sorted(_keys(path[:-1]))
    if close := get_close_matches(str(path[-1]), known, n=1, cutoff=0.5):
        return f"did you mean {close[0]}?"
    return f"expected one of {', '.join(known)}"


def _keys(path: Sequence[str | int]) -> list[str]:
    """Keys of the section at a place."""
    annotation: Any = Matrix
    for step in path:
        section = next(_sections(annotation), None)
        fields = {} if section is None else section.model_fields
        annotation = fields[step].annotation if step in fields else annotation
    section = next(_sections(annotation), None)
    return [] if section is None else list(section.model_fields)


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a value of this type may hold, outermost first."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)
