"""Which encoder does a name stand for?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Generic, TypeAlias, TypeVar

from lexmax.encoders.contract import (
    DenseEncoder,
    MultiVectorEncoder,
    PairScorer,
    SparseEncoder,
)
from lexmax.encoders.recipes import (
    DENSE,
    MULTIVECTOR,
    PAIRS,
    POOLING,
    SPARSE,
    Recipe,
    poolable,
)
from lexmax.encoders.shared_pass import Encoded, encode_queries
from lexmax.encoders.specs import PATH, Parameter, Spec, Value, Values, absolute
from lexmax.errors import EncoderError
from lexmax.types import TermStatistics

__all__ = ["POOLING", "Encoder", "Encoders", "Parameter", "Recipe", "load", "poolable"]

E = TypeVar("E")
Encoder: TypeAlias = SparseEncoder | MultiVectorEncoder | DenseEncoder | PairScorer


class _Shelf(Generic[E]):
    """Encoders of one kind, each loaded on first use and kept."""

    def __init__(self, kind: str, recipes: Mapping[str, Recipe[E]]) -> None:
        self._kind = kind
        self._recipes = recipes
        self._loaded: dict[tuple[str, frozenset[tuple[str, Value]]], E] = {}
        self._by_text: dict[str, E] = {}
        self._lock = Lock()

    def __contains__(self, name: str) -> bool:
        return name in self._recipes

    def get(self, spec: str) -> E:
        if (known := self._by_text.get(spec)) is not None:
            return known
        said = Spec.parse(spec)
        found = self._load(said)
        if said.path is None or Path(said.path).is_absolute():  # Means the same wherever we are.
            self._by_text[spec] = found
        return found

    def _load(self, said: Spec) -> E:
        recipe = self._recipes.get(said.name)
        if recipe is None:
            raise EncoderError(
                f"no {self._kind} encoder is called {said.name!r}; "
                f"expected one of {', '.join(sorted(self._recipes))}"
            )
        values = said.values(recipe.parameters)
        if path := _path_of(said, has_path=recipe.has_path):
            values = {**values, PATH: path}
        known_as = (said.name, frozenset(values.items()))
        with self._lock:
            if known_as not in self._loaded:
                _require_there(values)
                self._loaded[known_as] = recipe.load(values)
            return self._loaded[known_as]


def _path_of(spec: Spec, *, has_path: bool) -> str | None:
    if not has_path and spec.path is not None:
        raise EncoderError(f"{spec.name} takes no path; found {spec.path!r}; leave it out")
    if not has_path:
        return None
    if not spec.path:
        raise EncoderError(
            f"{spec.name} is not given a folder; expected {spec.name}:PATH, as in "
            f"{spec.name}:/models/mine"
        )
    path = absolute(spec.path)
    # What catalogs keep is absolute, and need not be there any more once it is loaded.
    if Path(spec.path).is_absolute() or Path(path).exists():
        return path
    from lexmax.encoders.checkpoints.hub import locate

    return str(locate(spec.path))


def _require_there(values: Values) -> None:
    path = values.get(PATH)
    if isinstance(path, str) and not Path(path).exists():
        raise EncoderError(
            f"{path} does not exist; expected the folder of a model; if it was moved, "
            "move it back or make a symbolic link there"
        )


_AnyShelf: TypeAlias = (
    _Shelf[SparseEncoder] | _Shelf[MultiVectorEncoder] | _Shelf[DenseEncoder] | _Shelf[PairScorer]
)


class Encoders:
    """Encoders by name, each loaded once, on first use; one instance serves a whole process.

    A spec is a name, the path of a folder where the name takes one, and parameters: "minilm",
    "minilm?max_tokens=128", "bm25?k1=1.2&b=0.75&stemmer=english",
    "colbert:/models/colbertv2?pool=ward&factor=2". Instead of a path, the name of a model on the
    hub may be given where the hub is reachable. Specs of equal meaning give the same instance.
    """

    def __init__(
        self,
        *,
        sparse: Mapping[str, Recipe[SparseEncoder]] = SPARSE,
        multivector: Mapping[str, Recipe[MultiVectorEncoder]] = MULTIVECTOR,
        dense: Mapping[str, Recipe[DenseEncoder]] = DENSE,
        pairs: Mapping[str, Recipe[PairScorer]] = PAIRS,
    ) -> None:
        """Knows the given recipes by name; loads nothing yet."""
        self._sparse = _Shelf("sparse", sparse)
        self._multivector = _Shelf("multi-vector", multivector)
        self._dense = _Shelf("dense", dense)
        self._pairs = _Shelf("pair", pairs)

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

    def dense(self, spec: str) -> DenseEncoder:
        """The dense encoder that a spec names.

        Raises:
            EncoderError: if the name, a parameter or a value is unknown, or loading fails.
        """
        return self._dense.get(spec)

    def pairs(self, spec: str) -> PairScorer:
        """The scorer of queries with documents that a spec names.

        Raises:
            EncoderError: if the name, a parameter or a value is unknown, or loading fails.
        """
        return self._pairs.get(spec)

    def encode_queries(
        self,
        texts: Sequence[str],
        statistics: TermStatistics,
        *,
        sparse: SparseEncoder | None,
        multivector: MultiVectorEncoder | None,
        pooled: DenseEncoder | None = None,
    ) -> Encoded:
        """`lexmax.encoders.shared_pass.encode_queries`.

        A registry that serves many at one time may put their queries together.
        """
        return encode_queries(
            texts, statistics, sparse=sparse, multivector=multivector, pooled=pooled
        )

    def load(self, name_or_path: str | Path) -> Encoder:
        """The encoder of a spec, or of a folder or a model on the hub, whichever kind it is.

        What begins with the name of a recipe is a spec, even if a folder is called so: write
        "./minilm" for that one. What a folder holds is told from its files, see
        `lexmax.encoders.checkpoints.detect`.

        Raises:
            EncoderError: if there is no such encoder, or its kind cannot be told, or loading fails.
        """
        text = str(name_or_path)
        shelf = self._shelf(Spec.parse(text).name) if isinstance(name_or_path, str) else None
        if shelf is not None:
            return shelf.get(text)
        from lexmax.encoders.checkpoints.detect import spec_of_folder
        from lexmax.encoders.checkpoints.hub import locate

        spec = spec_of_folder(locate(text))
        shelf = self._shelf(Spec.parse(spec).name)
        if shelf is None:
            raise EncoderError(f"{spec}: this registry has no recipe of that name")
        return shelf.get(spec)

    def _shelf(self, name: str) -> "_AnyShelf | None":
        shelves = (self._sparse, self._multivector, self._dense, self._pairs)
        return next((shelf for shelf in shelves if name in shelf), None)


def load(name_or_path: str | Path) -> Encoder:
    """The encoder of a spec, of a folder, or of a model on the hub: see `Encoders.load`.

    >>> load("minilm").encode_queries(["late interaction"])
    >>> load("/models/colbertv2").encode_documents(["one vector a token"])

    Each call loads anew; an `Encoders` keeps what it has loaded.

    Raises:
        EncoderError: if there is no such encoder, or its kind cannot be told, or loading fails.
    """
    return Encoders().load(name_or_path)
