"""Which systems does a matrix stand for, once every combination of its grids has a name?"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias, cast

from lexmax.creating import IndexChoice
from lexmax.encoders.training.yaml_lines import Located
from lexmax.errors import EvaluationError, LexmaxError
from lexmax.eval.experiments.index_plan import index_plan
from lexmax.eval.experiments.matrix import (
    CalibrationSection,
    GridValue,
    IndexSection,
    Matrix,
    SystemSection,
)
from lexmax.stages import Pipeline, from_mapping, given_pipeline

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_MOST_SYSTEMS = 500
_Place: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class System:
    """An index and a pipeline over it.

    Attributes:
        name: in tables and files.
        index: what the collection keeps that it searches.
        pipeline: what is asked.
        parameters: the values of its grid.
        of: its name before the grid.
        calibrate: how its relevance filter learns; None where it has none.
        collections: those that it is for; None for all.
    """

    name: str
    index: IndexChoice
    pipeline: Pipeline
    parameters: Mapping[str, GridValue] = field(default_factory=dict[str, GridValue])
    of: str = ""
    calibrate: CalibrationSection | None = None
    collections: tuple[str, ...] | None = None


def systems_of(matrix: Matrix, located: Located, *, folder: Path) -> list[System]:
    """The systems of a matrix, in its order; pipeline files are looked for in `folder`.

    Raises:
        EvaluationError: naming the line, if an index or a pipeline is none, a placeholder has no
            values or values no placeholder, or there are more than 500 systems.
    """
    found = [
        system
        for name, section in matrix.systems.items()
        for system in _expanded(name, section, matrix, located, folder)
    ]
    if len(found) > _MOST_SYSTEMS:
        raise EvaluationError(
            f"{located.place(('systems',))}: the grids give {len(found):,} systems; expected at "
            f"most {_MOST_SYSTEMS}; name fewer values"
        )
    return found


def _expanded(
    name: str, section: SystemSection, matrix: Matrix, located: Located, folder: Path
) -> Iterator[System]:
    place: _Place = ("systems", name)
    written = section.model_dump(mode="json", exclude_unset=True)
    used = set(_PLACEHOLDER.findall(repr([written["index"], written["pipeline"]])))
    if used != set(section.grid):
        odd = sorted(used ^ set(section.grid))[0]
        problem = "has no values in the grid" if odd in used else "stands nowhere in braces"
        raise EvaluationError(
            f"{located.place(place)}: {odd} {problem}; expected {{{odd}}} in the index or the "
            f"pipeline, and a list `grid: {{{odd}: [...]}}`; add what is missing"
        )
    for values in product(*section.grid.values()):
        parameters = dict(zip(section.grid, values, strict=True))
        suffix = " ".join(f"{key}={value}" for key, value in parameters.items())
        full = " ".join(part for part in (name, suffix) if part)
        try:
            yield System(
                full,
                _index(_filled(written["index"], parameters), matrix),
                _pipeline(_filled(written["pipeline"], parameters), full, folder),
                parameters,
                name,
                _calibration(section, _filled(written["pipeline"], parameters)),
                section.collections,
            )
        except LexmaxError as error:
            raise EvaluationError(f"{located.place(place)}: {error}") from error


def _filled(value: Any, parameters: Mapping[str, GridValue]) -> Any:
    """The value with every placeholder filled; one that stands alone keeps the value's type."""
    if isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        return {key: _filled(inner, parameters) for key, inner in found.items()}
    if isinstance(value, list):
        entries: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return [_filled(inner, parameters) for inner in entries]
    if not isinstance(value, str):
        return value
    if (alone := _PLACEHOLDER.fullmatch(value)) is not None:
        return parameters[alone[1]]
    return _PLACEHOLDER.sub(lambda match: str(parameters[match[1]]), value)


def _index(value: Any, matrix: Matrix) -> IndexChoice:
    asked = {"like": value} if isinstance(value, str) else value
    return index_plan(_like(IndexSection.model_validate(asked), matrix, ()))


def _like(section: IndexSection, matrix: Matrix, seen: tuple[str, ...]) -> dict[str, Any]:
    """The keys that are given, over those of the index that it is like."""
    given = section.model_dump(exclude_unset=True)
    name = given.pop("like", None)
    if name is None:
        return given
    if name in seen:
        raise EvaluationError(
            f"the index {name!r} is like itself ({' > '.join([*seen, name])}); expected an end; "
            "leave `like` out of one of them"
        )
    if name not in matrix.indexes:
        raise EvaluationError(
            f"there is no index {name!r}; expected one of {', '.join(matrix.indexes) or 'none'}; "
            "name it under `indexes`"
        )
    return {**_like(matrix.indexes[name], matrix, (*seen, name)), **given}


def _pipeline(value: Any, name: str, folder: Path) -> Pipeline:
    if isinstance(value, str):
        path = folder / value
        found = given_pipeline(str(path) if path.is_file() else value)
    else:
        found = from_mapping(value)
    return found.model_copy(update={"name": name[:64]})


def _calibration(section: SystemSection, pipeline: Any) -> CalibrationSection | None:
    has_filter = isinstance(pipeline, dict) and cast("dict[str, Any]", pipeline).get("relevance")
    if section.calibrate is not None and not isinstance(pipeline, dict):
        raise EvaluationError(
            "calibrate is given, but the pipeline is a name; expected stages with `relevance`, "
            "such as {preset: hybrid, relevance: {}}; write it so"
        )
    return section.calibrate or (CalibrationSection() if has_filter else None)
