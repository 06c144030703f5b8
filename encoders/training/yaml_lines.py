"""What does a YAML file say, and at which line?"""

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from lexmax.errors import TrainingError

Path: TypeAlias = tuple[str | int, ...]

# YAML 1.1 takes 2e-5 for a text, because it has no point.
_FLOAT = re.compile(r"[-+]?(\d[\d_]*)(\.[\d_]*)?[eE][-+]?\d+$")


@dataclass(frozen=True, slots=True)
class Located:
    """A value made of mappings, lists and scalars, and where each part of it was written."""

    value: Any
    places: Mapping[Path, str]

    def place(self, path: Path) -> str:
        """Where the part stands, as `config.yaml:12: optimiser.lr`, or where what holds it does."""
        nearest = (path[:length] for length in range(len(path), -1, -1))
        found = next((self.places[near] for near in nearest if near in self.places), "")
        return ": ".join(part for part in (found, dotted(path)) if part)

    def replaced(self, path: Path, value: Any, *, place: str) -> "Located":
        """The same with another value, written at `place`; mappings on the way are made."""
        kept = {known: at for known, at in self.places.items() if known[: len(path)] != path}
        return Located(_replaced(self.value, path, value, ()), {**kept, path: place})


def dotted(path: Path) -> str:
    """A path as people write it: `data.train.0.path`."""
    return ".".join(map(str, path))


def read_yaml(text: str, name: str) -> Located:
    """The value of a YAML document.

    Raises:
        TrainingError: if it is not YAML, or a key stands twice.
    """
    yaml: Any = importlib.import_module("yaml")
    try:
        loader = _loader(yaml)(text)
        node = loader.get_single_node()
        if node is None:
            return Located({}, {(): name})
        places: dict[Path, str] = {}
        value = _value(loader, node, (), places, name)
        loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TrainingError(
            f"{name}: is not YAML ({' '.join(str(error).split())}); expected `key: value` lines; "
            "see `lexmax train --print-config`"
        ) from error
    return Located(value, places)


def _loader(yaml: Any) -> Any:
    """Safe, and with the floats of YAML 1.2."""
    loader: Any = type("Loader", (yaml.SafeLoader,), {})
    loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789"))
    return loader


def _value(loader: Any, node: Any, path: Path, places: dict[Path, str], name: str) -> Any:
    places[path] = f"{name}:{node.start_mark.line + 1}"
    if node.id == "sequence":
        return [
            _value(loader, child, (*path, i), places, name) for i, child in enumerate(node.value)
        ]
    if node.id != "mapping":
        return loader.construct_object(node, deep=True)
    loader.flatten_mapping(node)
    found: dict[str, Any] = {}
    for key_node, child in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        place = f"{name}:{key_node.start_mark.line + 1}"
        if key in found:
            raise TrainingError(
                f"{place}: {dotted((*path, key))} stands twice; expected it once; remove one"
            )
        found[key] = _value(loader, child, (*path, key), places, name)
        places[(*path, key)] = place
    return found


def _replaced(value: Any, path: Sequence[str | int], new: Any, above: Path) -> Any:
    if not path:
        return new
    key, *rest = path
    below = (*above, key)
    if isinstance(value, list):
        entries: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        place = _index(key, len(entries), below)
        old = entries[place] if place < len(entries) else None
        entries[place : place + 1] = [_replaced(old, rest, new, below)]
        return entries
    members = dict(_members(value))
    members[str(key)] = _replaced(members.get(str(key)), rest, new, below)
    return members


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    return iter(value.items()) if isinstance(value, Mapping) else iter(())  # pyright: ignore


def _index(key: str | int, n: int, path: Path) -> int:
    if str(key).isdecimal() and int(key) <= n:
        return int(key)
    raise TrainingError(
        f"{dotted(path)} names no entry of a list of {n}; expected a number from 0 to {n}"
    )
