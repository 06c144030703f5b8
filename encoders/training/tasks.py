"""What can be trained, by name?"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from lexmax.encoders.training.config import Section
from lexmax.encoders.training.config_reading import checked, nearest
from lexmax.encoders.training.task import Task
from lexmax.encoders.training.yaml_lines import Located
from lexmax.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task finds and leaves files.

    Attributes:
        folder: Paths of the configuration are relative to it.
        cache: For what can be computed again, such as states of a frozen transformer.
    """

    folder: Path
    cache: Path


@dataclass(frozen=True, slots=True)
class TaskKind:
    """A kind of task.

    Attributes:
        values: What `task` may say besides `kind` and `preset`.
        make: The task of such values; torch's generators are seeded before.
        presets: Values by the preset's name; what the configuration says goes before them.
        beside: Other sections that `--print-config` writes for a preset, such as
            {"splade-max": {"optimiser": {"lr": 5e-6}}}.
    """

    values: type[Section]
    make: Callable[[Any, Place], Task]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])


# Where a kind stands, because importing them costs seconds.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "cross-encoder": "lexmax.encoders.training.pair_kind:CROSS_ENCODER",
        "jpq": "lexmax.encoders.training.compression_kind:JPQ",
        "late-interaction": "lexmax.encoders.training.late_interaction_kind:LATE_INTERACTION",
        "repconc": "lexmax.encoders.training.compression_kind:REPCONC",
        "sparse": "lexmax.encoders.training.sparse_kind:SPARSE",
    }
)

_Preset: TypeAlias = tuple[str, Mapping[str, Any]]


def task_kind(name: str) -> TaskKind:
    """The kind of this name, or of "package.module:NAME" for one that stands elsewhere.

    Raises:
        TrainingError: if there is none.
    """
    module, _, attribute = KINDS.get(name, name).partition(":")
    if not attribute:
        raise TrainingError(
            f"no kind of task is called {name!r}; {nearest(name, KINDS)}; or write "
            "package.module:NAME for a TaskKind of your own"
        )
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise TrainingError(
            f"{module}:{attribute}: cannot be imported ({error}); expected a TaskKind; check that "
            "the module is installed or on PYTHONPATH"
        ) from error
    if not isinstance(found, TaskKind):
        raise TrainingError(f"{module}:{attribute} is no TaskKind; expected one; check the name")
    return found


def presets() -> dict[str, str]:
    """The kind of each preset, by the preset's name."""
    return {preset: kind for kind in KINDS for preset in task_kind(kind).presets}


def read_task(located: Located) -> tuple[TaskKind, Section]:
    """The kind that the configuration's `task` names, and its checked values.

    Raises:
        TrainingError: if kind, preset, a key or a value is unknown or wrong; the message says
            where it stands.
    """
    written: dict[str, Any] = dict(located.value["task"])
    name = _name_of(written, located)
    kind = task_kind(name)
    preset, given = written.pop("preset", None), {k: v for k, v in written.items() if k != "kind"}
    values: Mapping[str, Any] = {}
    if preset is not None:
        if preset not in kind.presets:
            raise TrainingError(
                f"{located.place(('task', 'preset'))}: {name} has no preset {preset!r}; "
                f"{nearest(str(preset), kind.presets)}"
            )
        values = kind.presets[preset]
    whole = Located({"task": _merged(values, given)}, located.places)
    return kind, checked(kind.values, whole, ("task",))


def _name_of(written: Mapping[str, Any], located: Located) -> str:
    """The kind that is written, or that of the preset."""
    if isinstance(kind := written.get("kind"), str):
        return kind
    preset = written.get("preset")
    if kind is None and isinstance(preset, str):
        known = presets()
        if preset in known:
            return known[preset]
        raise TrainingError(
            f"{located.place(('task', 'preset'))}: no preset is called {preset!r}; "
            f"{nearest(preset, known)}"
        )
    raise TrainingError(
        f"{located.place(('task', 'kind'))} is missing; expected one of {', '.join(sorted(KINDS))}"
    )


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Values of both; sections are merged, whatever else `above` says replaces."""
    merged = dict(below)
    for name, value in above.items():
        old: Any = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        merged[name] = _merged(old, value) if both else value  # pyright: ignore
    return merged
