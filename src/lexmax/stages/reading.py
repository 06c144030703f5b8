"""What does a person's YAML or JSON say? A pipeline, or what is wrong with it and where."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from lexmax.errors import PipelineError
from lexmax.stages.pipeline import Pipeline
from lexmax.stages.presets import PRESETS, preset

_SUFFIXES = (".yaml", ".yml", ".json")
_MOST_BYTES = 1 << 20
_SHOWN = 3


def named(pipeline: "str | Pipeline | Mapping[str, Any]") -> Pipeline:
    """A preset by its name (`preset`), what a mapping says, or the pipeline itself.

    Raises:
        PipelineError: if there is no such preset, or the mapping is no pipeline.
        QueryError: if a preset is named with an engine that there is not.
    """
    if isinstance(pipeline, Pipeline):
        return pipeline
    return preset(pipeline) if isinstance(pipeline, str) else from_mapping(dict(pipeline))


def from_mapping(value: object, *, source: str = "the pipeline") -> Pipeline:
    """The pipeline that a mapping describes.

    A mapping with `preset` begins with that preset, and the other keys replace what it has.

    Raises:
        PipelineError: naming the key, what was found there and what was expected.
    """
    if not isinstance(value, dict):
        raise PipelineError(
            f"{source}: found a {type(value).__name__}; expected a mapping with `retrieve` or "
            "`preset`"
        )
    asked = dict(cast("dict[str, Any]", value))
    if (name := asked.pop("preset", None)) is not None:
        if not isinstance(name, str) or name not in PRESETS:
            raise PipelineError(
                f"{source}: preset is {name!r}; expected one of {', '.join(PRESETS)}"
            )
        asked = {"name": f"{name}*"} | _given(PRESETS[name]) | asked
    try:
        return Pipeline.model_validate(asked)
    except ValidationError as error:
        raise PipelineError(f"{source}: {_explained(error)}") from error


def read_pipeline(path: Path) -> Pipeline:
    """The pipeline in a YAML or JSON file; its name is the file's unless it says another.

    Raises:
        PipelineError: if it cannot be read or is no pipeline.
    """
    import yaml

    try:
        if path.stat().st_size > _MOST_BYTES:
            raise PipelineError(f"{path}: found more than a MiB; expected a pipeline of a page")
        value: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise PipelineError(
            f"{path}: cannot be read as YAML or JSON: {error}; correct the file"
        ) from error
    if isinstance(value, dict):
        value = {"name": path.stem[:64]} | cast("dict[str, Any]", value)
    return from_mapping(value, source=str(path))


def given_pipeline(text: str) -> Pipeline:
    """What a person says on a command line: a file if it is called so, else a preset.

    Raises:
        PipelineError: if there is no such preset, or the file holds no pipeline.
        QueryError: if a preset is named with an engine that there is not.
    """
    return read_pipeline(Path(text)) if text.endswith(_SUFFIXES) else preset(text)


def _given(pipeline: Pipeline) -> dict[str, Any]:
    given = pipeline.model_dump(mode="json", exclude={"name"})
    return {name: value for name, value in given.items() if value is not None}


def _explained(error: ValidationError) -> str:
    """Where the first problems are and what they are, in one line."""
    found = error.errors(include_url=False, include_context=False)
    # What is wrong inside a list makes pydantic miss an entry of the list: one problem, not two.
    problems = [one for one in found if not any(_is_inside(other, one) for other in found)]
    shown = [f"{_place(one['loc'])}: {_said(one)}" for one in problems[:_SHOWN]]
    more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
    return "; ".join(shown) + more


def _is_inside(problem: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    place, around = problem["loc"], other["loc"]
    return len(place) > len(around) and place[: len(around)] == around


def _place(location: Sequence[int | str]) -> str:
    return ".".join(str(step) for step in location) or "the whole"


def _said(problem: Mapping[str, Any]) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return "unknown key; expected one that the documentation of pipelines names"
    found = repr(problem.get("input"))
    return f"{message} (found {found[:60]})" if len(found) < 200 else message
