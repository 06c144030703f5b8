"""Which figures are published, and does an evaluation give them again?

A YAML file names each: the command that builds what is searched, the one that evaluates it, and
what that gives. `lexmax evaluate ... --expect FILE#NAME` compares; docs/reproductions.md is made of
the file.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lexmax.errors import EvaluationError
from lexmax.eval.outcomes import Evaluation

_FORM = "`reproductions`, by name, each with title, folder, evaluate and expected"


class Reproduction(BaseModel):
    """One published table of figures.

    Attributes:
        title: What it says, for people.
        folder: Of the dataset, below the folder of datasets.
        needs: Files below that folder without which it cannot run.
        minutes: That building and evaluating took where the figures were found, roughly.
        build: Command that makes what is searched; None where runs are read.
        evaluate: Command that measures and compares.
        expected: Figures by pipeline, or run, and measure.
        tolerance: By which a figure may differ.
        quoted: Where the figures stand, or what they are beside.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    title: str
    folder: str
    needs: list[str] = Field(default_factory=list[str])
    minutes: float
    build: str | None = None
    evaluate: str
    expected: dict[str, dict[str, float]]
    tolerance: float = Field(default=0.0005, ge=0, allow_inf_nan=False)
    quoted: str = ""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    reproductions: dict[str, Reproduction]


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure beside the one that was expected; None where there is none."""

    system: str
    measure: str
    expected: float
    found: float | None
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether they differ by no more than the tolerance, and what is shown rounds away."""
        return self.found is not None and abs(self.found - self.expected) <= self.tolerance + 1e-9


def read_reproductions(path: Path | str) -> dict[str, Reproduction]:
    """All of a file, by name.

    Raises:
        EvaluationError: if it cannot be read, or says something else, or says it otherwise.
    """
    try:
        written = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return _File.model_validate(written).reproductions
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise EvaluationError(
            f"{path}: cannot be read ({error}); expected YAML with {_FORM}; mend it"
        ) from error
    except ValidationError as error:
        first: Any = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise EvaluationError(
            f"{path}: {place}: {first['msg']}; expected {_FORM}; mend it"
        ) from error


def named_reproduction(text: str) -> Reproduction:
    """The one that `FILE#NAME` means.

    Raises:
        EvaluationError: if the text is of another form, or the file has no such name.
    """
    path, mark, name = text.rpartition("#")
    if not mark:
        raise EvaluationError(
            f"found {text!r}; expected FILE#NAME, such as docs/reproductions.yaml#scifact"
        )
    every = read_reproductions(path)
    if name not in every:
        raise EvaluationError(
            f"{path}: has no reproduction {name!r}; expected one of {', '.join(every)}"
        )
    return every[name]


def compared(figures: Mapping[str, Mapping[str, Any]], asked: Reproduction) -> list[Compared]:
    """Every expected figure beside what was found."""
    return [
        Compared(system, measure, value, figures.get(system, {}).get(measure), asked.tolerance)
        for system, by_measure in asked.expected.items()
        for measure, value in by_measure.items()
    ]


def figures_of(evaluation: Evaluation) -> dict[str, Mapping[str, float]]:
    """Means by pipeline and measure."""
    return {name: outcome.measures for name, outcome in evaluation.pipelines.items()}


def verdict(lines: Sequence[Compared]) -> Iterator[str]:
    """The comparison for people: a line a figure, and the last for all of them."""
    for one in lines:
        found = "none" if one.found is None else f"{one.found:.4f}"
        said = "as expected" if one.agrees else f"differs by more than {one.tolerance:g}"
        yield f"{one.system} {one.measure}: expected {one.expected:.4f}, found {found}: {said}"
    n_agreeing = sum(one.agrees for one in lines)
    yield f"{n_agreeing} of {len(lines)} figures as expected"
