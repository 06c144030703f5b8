"""What does a whole configuration look like, with a comment above every key?"""

import importlib
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from lexmax.encoders.training.config import MiningSection, SourceSection, TrainingConfig
from lexmax.encoders.training.config_reading import nearest, section_of
from lexmax.encoders.training.tasks import KINDS, presets, task_kind
from lexmax.errors import TrainingError

_WIDTH = 96
_EXAMPLE = {"output": "OUTPUT", "path": "EXAMPLES.jsonl.gz"}
_NOTHING: Mapping[str, Any] = {}
# What a configuration may leave out but someone who writes one wants to see.
_SHOWN_WHERE_ABSENT: Mapping[str, type[BaseModel]] = {"mine": MiningSection}


def config_text(name: str) -> str:
    """A configuration in YAML that trains a preset, or a kind of task, once files are put in.

    Raises:
        TrainingError: if there is neither.
    """
    known = presets()
    kind_name = known.get(name, name)
    if kind_name not in KINDS and ":" not in kind_name:
        raise TrainingError(
            f"no preset or kind of task is called {name!r}; {nearest(name, {*known, *KINDS})}"
        )
    kind = task_kind(kind_name)
    task: dict[str, Any] = {"kind": kind_name}
    if name in known:
        task["preset"] = name
    beside = kind.beside.get(name, {})
    lines = [f"# A configuration of `lexmax train`: {name}.", ""]
    for key, field in TrainingConfig.model_fields.items():
        lines += _comment(_said_of(field), 0)
        if key == "task":
            lines += _dumped({key: task}, 0)
            lines += _task_lines(kind.values, kind.presets[name] if name in known else {})
        else:
            lines += _key_lines(key, field, 0, beside.get(key))
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _task_lines(values: type[BaseModel], preset: Mapping[str, Any]) -> Iterator[str]:
    for key, field in values.model_fields.items():
        yield from _comment(_said_of(field), 2)
        value = preset.get(key, _default(field))
        text = "\n".join(_dumped({key: value}, 2))
        # As comments: the preset says so already, and a later version of it may say better.
        yield from ("  # " + line[2:] for line in text.splitlines())


def _key_lines(key: str, field: Any, indent: int, given: Any = None) -> list[str]:
    section = section_of(field.annotation)
    if section is None or key == "curriculum":
        return _dumped({key: _default(field, key) if given is None else given}, indent)
    if key == "train":
        return [" " * indent + f"{key}:", *_entry_lines(SourceSection, indent + 2)]
    if key in _SHOWN_WHERE_ABSENT:
        return _dumped({key: None}, indent) + _commented(section, key, indent)
    return [" " * indent + f"{key}:", *_section_lines(section, indent + 2, given or {})]


def _section_lines(
    section: type[BaseModel], indent: int, given: Mapping[str, Any] = _NOTHING
) -> list[str]:
    lines: list[str] = []
    for key, field in section.model_fields.items():
        lines += _comment(_said_of(field), indent)
        lines += _key_lines(key, field, indent, given.get(key))
    return lines


def _entry_lines(section: type[BaseModel], indent: int) -> list[str]:
    """The first entry of a list."""
    lines = _section_lines(section, indent + 2)
    first = next(i for i, line in enumerate(lines) if not line.lstrip().startswith("#"))
    lines[first] = " " * indent + "- " + lines[first].lstrip()
    return lines


def _commented(section: type[BaseModel], key: str, indent: int) -> list[str]:
    inside = _section_lines(section, indent + 2)
    lines = [" " * indent + f"{key}:", *inside]
    return [" " * indent + "# " + line[indent:] for line in lines]


def _default(field: Any, key: str = "") -> Any:
    if field.is_required():
        return _EXAMPLE.get(key, "")
    value = field.get_default(call_default_factory=True)
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _said_of(field: Any) -> str | None:
    """The field's description, or what its section says of itself."""
    section = section_of(field.annotation)
    return field.description or (section.__doc__ if section is not None else None)


def _comment(text: str | None, indent: int) -> list[str]:
    lines = textwrap.wrap(text or "", _WIDTH - indent)
    return [" " * indent + "# " + line for line in lines]


def _dumped(values: Mapping[str, Any], indent: int) -> list[str]:
    """Keys one below another; mappings as blocks, lists of scalars in brackets."""
    lines: list[str] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            lines.append(" " * indent + f"{key}:")
            lines += _dumped(value, indent + 2)  # pyright: ignore[reportUnknownArgumentType]
        else:
            lines.append(" " * indent + f"{key}: {_flow(value)}")
    return lines


def _flow(value: Any) -> str:
    yaml: Any = importlib.import_module("yaml")
    text: str = yaml.safe_dump(_plain(value), default_flow_style=True, width=1_000_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(below) for key, below in value.items()}  # pyright: ignore
    if isinstance(value, list | tuple):
        return [_plain(below) for below in value]  # pyright: ignore
    return value
