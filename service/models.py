"""Which models may a request name? Those of lexmax, and those that the service was started with.

A request names a model by a word that stands in this table; what the word stands for, such as a
folder, is the operator's to say. So no request makes the service read a path or load what it was
not given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from lexmax.encoders.recipes import DENSE, MULTIVECTOR, PAIRS, SPARSE, Recipe
from lexmax.encoders.specs import Spec
from lexmax.errors import EncoderError
from lexmax.service.problems import Problem, Refusal
from lexmax.service.settings import Settings

Kind: TypeAlias = Literal["sparse", "multivector", "pooled", "pairs"]

MODEL_NOT_FOUND = Problem(404, "model_not_found", "No such model")

_RECIPES: Mapping[Kind, Mapping[str, Recipe[Any]]] = MappingProxyType(
    {"sparse": SPARSE, "multivector": MULTIVECTOR, "pooled": DENSE, "pairs": PAIRS}
)
# Takes weights that another tool has computed, not texts.
_NOT_FOR_TEXTS = frozenset({"given", "given-pooled", "impacts"})
# Where a request names none: the learned one rather than the one that counts words.
_FIRST = ("lexmax-sparse", "minilm", "minilm-pooled")


@dataclass(frozen=True, slots=True)
class Model:
    """A model as requests name it, and the spec that makes it."""

    name: str
    kind: Kind
    spec: str


def served_models(settings: Settings) -> Mapping[str, Model]:
    """Every model that a request may name, by name; the operator's own come first.

    Raises:
        EncoderError: if one of `settings.models` is of no known kind.
    """
    return _served(settings.models, settings.rerankers, settings.warm)


def asked_model(name: str | None, kinds: Sequence[Kind], settings: Settings) -> Model:
    """The model of this name; without one, the first of the first kind that there is.

    Raises:
        Refusal: 404 if no model of these kinds has the name.
    """
    models = served_models(settings)
    fitting = [model for kind in kinds for model in models.values() if model.kind == kind]
    if not name and fitting:
        return fitting[0]
    found = models.get(name or "")
    if found is None or found.kind not in kinds:
        known = ", ".join(model.name for model in fitting) or "none of this kind"
        said = "of another kind" if found else "that this service does not know"
        raise Refusal(
            MODEL_NOT_FOUND,
            f"model: found one {said}; expected one of {known}; GET /v1/models lists all; choose "
            "one, or start the service with it among LEXMAX_MODELS",
        )
    return found


def name_of(spec: str) -> str:
    """What requests call a model: the name of its folder, or of its recipe."""
    said = Spec.parse(spec)
    return Path(said.path).name if said.path else said.name


def kind_of(spec: str) -> Kind:
    """What kind of encoder a spec makes.

    Raises:
        EncoderError: if its recipe is unknown.
    """
    name = Spec.parse(spec).name
    for kind, recipes in _RECIPES.items():
        if name in recipes:
            return kind
    known = ", ".join(sorted(name for recipes in _RECIPES.values() for name in recipes))
    raise EncoderError(
        f"LEXMAX_MODELS: {spec!r} begins with {name!r}; expected one of {known}; correct it"
    )


@cache
def _served(
    models: tuple[str, ...], rerankers: tuple[str, ...], warm: tuple[str, ...]
) -> Mapping[str, Model]:
    found: dict[str, Model] = {}
    for model in (
        *(Model(name_of(spec), kind_of(spec), spec) for spec in models),
        *(Model(name_of(spec), "pairs", spec) for spec in rerankers),
        *(Model(name_of(spec), "multivector", spec) for spec in warm),
        *_own(),
    ):
        found.setdefault(model.name, model)
    return MappingProxyType(found)


def _own() -> list[Model]:
    found = [
        Model(name, kind, name)
        for kind, recipes in _RECIPES.items()
        for name, recipe in recipes.items()
        if not recipe.has_path and name not in _NOT_FOR_TEXTS
    ]
    return sorted(found, key=lambda model: model.name not in _FIRST)
