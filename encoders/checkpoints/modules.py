"""Which modules does a folder of sentence-transformers list, and with which values?"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from lexmax.encoders.checkpoints.files import read_any_json, read_json
from lexmax.errors import EncoderError

_OWNERS = ("sentence_transformers.", "pylate.")

# Where the library has kept the values of a Transformer module, newest first.
_TRANSFORMER_CONFIGS = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
)


@dataclass(frozen=True, slots=True)
class Module:
    """One entry of modules.json.

    Attributes:
        kind: Name of its class: "Transformer", "Pooling", "Dense", ...
        type: The class with its package.
        folder: Where its files are.
        values: What its json file says; empty where it has none.
    """

    kind: str
    type: str
    folder: Path
    values: Mapping[str, Any]


def model_values(folder: Path) -> Mapping[str, Any]:
    """What config_sentence_transformers.json says; empty where there is none.

    Raises:
        EncoderError: if it is damaged.
    """
    path = folder / "config_sentence_transformers.json"
    return read_json(path) if path.is_file() else {}


def object_in(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The json object of this name among values; empty where there is none."""
    found = values.get(name)
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def modules_of(folder: Path) -> list[Module]:
    """The modules in the order in which they run.

    Raises:
        EncoderError: if a file is missing or damaged, or a module has code of its own.
    """
    path = folder / "modules.json"
    listed = read_any_json(path)
    if not isinstance(listed, list) or not listed:
        raise EncoderError(f"{path} lists no modules; expected at least one; download it again")
    return [_module(path, entry) for entry in cast("list[object]", listed)]


def _module(path: Path, entry: object) -> Module:
    known: Mapping[str, Any] = cast("Mapping[str, Any]", entry) if isinstance(entry, dict) else {}
    kind, where = known.get("type"), known.get("path")
    if not isinstance(kind, str) or not isinstance(where, str):
        raise EncoderError(f"{path}: {entry!r} is no module; expected its type and path")
    if PurePosixPath(where).is_absolute() or ".." in PurePosixPath(where).parts:
        raise EncoderError(f"{path}: {where!r} leaves the folder; expected a folder inside it")
    if not kind.startswith(_OWNERS):
        raise EncoderError(
            f"{path} asks for {kind}, which is code of the model's own; "
            "expected modules of sentence-transformers or PyLate; no foreign code is run"
        )
    name = kind.rpartition(".")[2]
    folder = path.parent / where
    return Module(name, kind, folder, _values(name, folder))


def _values(kind: str, folder: Path) -> Mapping[str, Any]:
    names = _TRANSFORMER_CONFIGS if kind == "Transformer" else ("config.json",)
    found = [folder / name for name in names if (folder / name).is_file()]
    return read_json(found[0]) if found else {}


def transformer_of(folder: Path, modules: list[Module]) -> Module:
    """The first module, which must be a transformer over texts.

    Raises:
        EncoderError: if it is something else.
    """
    first = modules[0]
    if first.kind != "Transformer":
        raise EncoderError(
            f"{folder} begins with the module {first.kind}; expected Transformer, "
            "the only one that texts may enter by"
        )
    return first


def refuse_module(folder: Path, module: Module, expected: str) -> EncoderError:
    """The error that says that a module has no place in such a model."""
    return EncoderError(
        f"{folder} has the module {module.kind}; expected {expected}; "
        "save the model without it, or train one that has no need of it"
    )
