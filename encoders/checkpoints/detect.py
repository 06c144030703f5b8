"""Of which kind is the model in this folder?

| what stands in the folder | the spec that loads it |
|---|---|
| encoder.json of lexmax, kind sparse | splade:PATH |
| encoder.json of lexmax, kind multivector | colbert:PATH |
| encoder.json of lexmax, kind dense | dense:PATH |
| sentence-transformers SparseEncoder; modules with SpladePooling | splade:PATH |
| sentence-transformers MultiVectorEncoder, PyLate, Stanford ColBERT | colbert:PATH |
| sentence-transformers SentenceTransformer; modules with Pooling | dense:PATH |
| sentence-transformers CrossEncoder; ...ForSequenceClassification | cross-encoder:PATH |
| CrossEncoder with LogitScore; ...ForCausalLM | yes-no:PATH |
| ...ForMaskedLM | splade:PATH |

Files of the owning library are believed before config.json, which may name the model that the
training began with.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from lexmax.encoders.checkpoints.files import read_json
from lexmax.encoders.checkpoints.modules import Module, model_values, modules_of
from lexmax.encoders.specs import written
from lexmax.errors import EncoderError

FORMAT = "lexmax-encoder"

_OF_KIND: Mapping[str, str] = MappingProxyType(
    {"sparse": "splade", "multivector": "colbert", "dense": "dense"}
)
_OF_LIBRARY: Mapping[str, str] = MappingProxyType(
    {
        "SparseEncoder": "splade",
        "MultiVectorEncoder": "colbert",
        "ColBERT": "colbert",
        "SentenceTransformer": "dense",
    }
)
_OF_HEAD: Mapping[str, str] = MappingProxyType(
    {
        "HF_ColBERT": "colbert",
        "ForMaskedLM": "splade",
        "ForSequenceClassification": "cross-encoder",
        "ForCausalLM": "yes-no",
        "LMHeadModel": "yes-no",
    }
)
# Saved by versions of PyLate that did not write model_type.
_PYLATE_VALUES = ("query_prefix", "document_prefix", "do_query_expansion")


def spec_of_folder(folder: Path) -> str:
    """The spec that loads the model in a folder.

    Raises:
        EncoderError: if the folder holds none, or one of a kind that is not known.
    """
    return written(_name(folder), folder)


def own_kind(folder: Path) -> str | None:
    """Which kind of encoder lexmax saved there: "sparse", "multivector", "dense"; None if none.

    Raises:
        EncoderError: if encoder.json is damaged, or of another format or a newer version.
    """
    path = folder / "encoder.json"
    if not path.is_file():
        return None
    said = read_json(path)
    if said.get("format") != FORMAT or said.get("version") != 1:
        raise EncoderError(
            f"{path}: format {said.get('format')!r}, version {said.get('version')!r}; "
            f"expected {FORMAT!r}, 1; load it with the program that saved it"
        )
    if said.get("kind") not in _OF_KIND:
        raise EncoderError(
            f"{path}: kind {said.get('kind')!r}; expected one of {', '.join(sorted(_OF_KIND))}"
        )
    return str(said["kind"])


def _name(folder: Path) -> str:
    if (kind := own_kind(folder)) is not None:
        return _OF_KIND[kind]
    name = _by_library(folder) or _by_head(folder)
    if name is None:
        raise _unknown(folder)
    return name


def _by_library(folder: Path) -> str | None:
    if (folder / "artifact.metadata").is_file():
        return "colbert"
    values = model_values(folder)
    modules = modules_of(folder) if (folder / "modules.json").is_file() else []
    library = str(values.get("model_type"))
    if library == "CrossEncoder":
        return "yes-no" if _has(modules, "LogitScore") else "cross-encoder"
    if library in _OF_LIBRARY:
        return _OF_LIBRARY[library]
    if any(name in values for name in _PYLATE_VALUES) or _is_pylate(modules):
        return "colbert"
    if _has(modules, "SpladePooling"):
        return "splade"
    return "dense" if modules else None


def _by_head(folder: Path) -> str | None:
    path = folder / "config.json"
    heads: Any = read_json(path).get("architectures") if path.is_file() else None
    listed = cast("list[object]", heads) if isinstance(heads, list) else []
    named = [str(head) for head in listed]
    ends = (name for head in named for end, name in _OF_HEAD.items() if head.endswith(end))
    return next(ends, None)


def _has(modules: list[Module], kind: str) -> bool:
    return any(module.kind == kind for module in modules)


def _is_pylate(modules: list[Module]) -> bool:
    return any(module.type.startswith("pylate.") for module in modules)


def _unknown(folder: Path) -> EncoderError:
    path = folder / "config.json"
    if not path.is_file():
        return EncoderError(
            f"{folder} holds no model; expected config.json or encoder.json; give the folder of a "
            "model"
        )
    heads = read_json(path).get("architectures")
    return EncoderError(
        f"{folder} holds a model of architectures {heads!r}, whose kind cannot be told; "
        f"expected one of {', '.join(sorted(_OF_HEAD))}, or a folder that sentence-transformers or "
        f"PyLate saved; say what it is: dense:{folder}?pooling=mean pools its states"
    )
