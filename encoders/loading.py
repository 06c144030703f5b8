"""Which encoder does a name stand for?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from types import MappingProxyType
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import parse_qsl

from lexmax.encoders.bm25 import Bm25
from lexmax.encoders.contract import MultiVectorEncoder, SparseEncoder
from lexmax.encoders.impacts import Impacts
from lexmax.errors import EncoderError

E = TypeVar("E")
Value: TypeAlias = int | float | str | None
Values: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a parameter of an encoder may be: its type, and its value where none is given."""

    type: type[int] | type[float] | type[str]
    default: Value = None

    def read(self, text: str) -> Value:
        """The value that `text` writes.

        Raises:
            ValueError: if it is not one of the type.
        """
        return self.type(text)


@dataclass(frozen=True, slots=True)
class Recipe(Generic[E]):
    """How an encoder is made: its parameters by name, and the function that takes their values."""

    parameters: Mapping[str, Parameter]
    load: Callable[[Values], E]


def _load_bm25(values: Mapping[str, Any]) -> SparseEncoder:
    return Bm25(**values)


def _load_impacts(values: Mapping[str, Any]) -> SparseEncoder:
    return Impacts(**values)


def _load_minilm(values: Mapping[str, Any]) -> MultiVectorEncoder:
    from lexmax.encoders.minilm import MiniLm  # Here, because torch takes seconds to import.

    return MiniLm(**values)


POOLING: Mapping[str, Parameter] = MappingProxyType(
    {
        "pool": Parameter(str),
        "tokens": Parameter(int),
        "ratio": Parameter(float),
        "factor": Parameter(int),
        "query_tokens": Parameter(int),
        "query_ratio": Parameter(float),
        "query_factor": Parameter(int),
        "seed": Parameter(int),
    }
)
"""What every multi-vector encoder takes besides its own parameters: see docs/pooling.md."""


def poolable(name: str, recipe: Recipe[MultiVectorEncoder]) -> Recipe[MultiVectorEncoder]:
    """The recipe of an encoder of unit vectors, with pooling, as in "?pool=ward&factor=2"."""

    def load(values: Values) -> MultiVectorEncoder:
        own = {parameter: values[parameter] for parameter in recipe.parameters}
        pooling = {parameter: values[parameter] for parameter in POOLING}
        if all(value is None for value in pooling.values()):
            return recipe.load(own)
        from lexmax.encoders.pooled_encoder import PooledEncoder, read_pooling

        try:  # Before the weights are loaded, which takes seconds.
            documents, queries = read_pooling(pooling)
        except EncoderError as error:
            raise EncoderError(f"{name}: {error}") from error
        return PooledEncoder(recipe.load(own), documents, queries)

    return Recipe({**recipe.parameters, **POOLING}, load)


SPARSE: Mapping[str, Recipe[SparseEncoder]] = MappingProxyType(
    {
        "bm25": Recipe(
            {
                "k1": Parameter(float, 0.9),
                "b": Parameter(float, 0.4),
                "stemmer": Parameter(str),
                "stop_words": Parameter(str, "english"),
                "avg_doc_len": Parameter(float),
            },
            _load_bm25,
        ),
        "impacts": Recipe(
            {"apart": Parameter(str, "[]"), "seed": Parameter(int, 0)}, _load_impacts
        ),
    }
)
MULTIVECTOR: Mapping[str, Recipe[MultiVectorEncoder]] = MappingProxyType(
    {"minilm": poolable("minilm", Recipe({"max_tokens": Parameter(int, 256)}, _load_minilm))}
)


class _Shelf(Generic[E]):
    """Encoders of one kind, each loaded on first use and kept."""

    def __init__(self, kind: str, recipes: Mapping[str, Recipe[E]]) -> None:
        self._kind = kind
        self._recipes = recipes
        self._loaded: dict[tuple[str, frozenset[tuple[str, Value]]], E] = {}
        self._lock = Lock()

    def get(self, spec: str) -> E:
        name, _, given = spec.partition("?")
        recipe = self._recipes.get(name)
        if recipe is None:
            raise EncoderError(
                f"no {self._kind} encoder is called {name!r}; "
                f"expected one of {', '.join(sorted(self._recipes))}"
            )
        values = _read_values(name, given, recipe.parameters)
        known_as = (name, frozenset(values.items()))
        with self._lock:
            if known_as not in self._loaded:
                self._loaded[known_as] = recipe.load(values)
            return self._loaded[known_as]


class Encoders:
    """Encoders by name, each loaded once, on first use; one instance serves a whole process.

    A spec is a name, or a name with parameters: "minilm", "minilm?max_tokens=128",
    "minilm?pool=ward&factor=2", "bm25?k1=1.2&b=0.75&stemmer=english". Specs of equal meaning give
    the same instance.
    """

    def __init__(
        self,
        *,
        sparse: Mapping[str, Recipe[SparseEncoder]] = SPARSE,
        multivector: Mapping[str, Recipe[MultiVectorEncoder]] = MULTIVECTOR,
    ) -> None:
        """Knows the given recipes by name; loads nothing yet."""
        self._sparse = _Shelf("sparse", sparse)
        self._multivector = _Shelf("multi-vector", multivector)

    def sparse(self, spec: str) -> SparseEncoder:
        """The sparse encoder that a spec names.

        Raises:
            EncoderError: if the name, a parameter or a value is unknown, or loading fails.
        """
        return self._sparse.get(spec)

    def multivector(self, spec: str) -> MultiVectorEncoder:
        """The multi-vector encoder that a spec names.

        Raises:
            EncoderError: if the name, a parameter or a value is unknown, or loading fails.
        """
        return self._multivector.get(spec)


def _read_values(name: str, given: str, parameters: Mapping[str, Parameter]) -> Values:
    """Every parameter's value: the one given, or its default."""
    values = {known: parameter.default for known, parameter in parameters.items()}
    read: set[str] = set()
    for parameter_name, text in _split(name, given):
        parameter = parameters.get(parameter_name)
        if parameter is None:
            raise EncoderError(
                f"{name} has no parameter {parameter_name!r}; "
                f"expected one of {', '.join(sorted(parameters))}"
            )
        if parameter_name in read:
            raise EncoderError(f"{name}: {parameter_name} is given twice; give it once")
        read.add(parameter_name)
        try:
            values[parameter_name] = parameter.read(text)
        except ValueError as error:
            raise EncoderError(
                f"{name}: {parameter_name} is {text!r}; expected {_NOUNS[parameter.type]}"
            ) from error
    return values


_NOUNS = {int: "a whole number", float: "a number", str: "a word"}


def _split(name: str, given: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(given, keep_blank_values=True, strict_parsing=True) if given else []
    except ValueError as error:
        raise EncoderError(
            f"{name}?{given}: {error}; expected parameters as name=value, joined by &"
        ) from error
