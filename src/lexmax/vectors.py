"""Which vectors does somebody give with a text, instead of letting an encoder make them?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lexmax.errors import ShapeError

TermWeights: TypeAlias = Mapping[str, float] | Mapping[int, float]

MAX_TERMS = 65_536
MAX_TOKENS = 65_536
MAX_DIM = 65_536

_LARGEST_TERM_ID = (1 << 32) - 1
_PARTS = ("sparse", "tokens", "pooled")


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Vectors:
    """Vectors of one document, or of one query; None for what an encoder shall make of its text.

    Attributes:
        sparse: Weights of terms, finite and 0 or above; those of 0 are left out. Terms are called
            by their names, or by the ids that a collection's own sparse encoder gives them.
        tokens: A vector a token, float32 (n_tokens, dim).
        pooled: One vector of the whole text, float32 (dim,).

    Raises:
        ShapeError: if a number is none, or numbers have another shape.
    """

    sparse: TermWeights | None
    tokens: NDArray[np.float32] | None
    pooled: NDArray[np.float32] | None

    def __init__(
        self,
        sparse: TermWeights | None = None,
        tokens: ArrayLike | None = None,
        pooled: ArrayLike | None = None,
    ) -> None:
        """Takes lists of numbers, and arrays of any type of number."""
        if sparse is not None:
            _check_weights(sparse)
        object.__setattr__(self, "sparse", sparse)
        object.__setattr__(self, "tokens", None if tokens is None else _matrix("tokens", tokens))
        as_array = None if pooled is None else _array("pooled", pooled, n_axes=1)
        object.__setattr__(self, "pooled", as_array)

    @staticmethod
    def of(given: object) -> "Vectors":
        """What an object of JSON says: `sparse`, `tokens` and `pooled`, each optional.

        `sparse` is {term: weight}, or {"indices": [...], "values": [...]} with ids of terms.

        Raises:
            ShapeError: if it is something else.
        """
        if not isinstance(given, Mapping):
            raise ShapeError(
                f"vectors are of type {type(given).__name__}; expected an object with "
                f"{', '.join(_PARTS)}, each optional"
            )
        parts = dict(cast("Mapping[str, Any]", given))
        sparse, tokens, pooled = (parts.pop(name, None) for name in _PARTS)
        if parts:
            raise ShapeError(
                f"vectors have {next(iter(parts))!r:.40}; expected {', '.join(_PARTS)}, each "
                "optional; leave it out"
            )
        return Vectors(None if sparse is None else _weights(sparse), tokens, pooled)

    def to_json(self) -> dict[str, Any]:
        """What `of` reads; what is not given is left out."""
        said = {"sparse": self._sparse_json(), "tokens": self.tokens, "pooled": self.pooled}
        return {
            name: part.tolist() if isinstance(part, np.ndarray) else part
            for name, part in said.items()
            if part is not None
        }

    def _sparse_json(self) -> dict[str, Any] | None:
        if self.sparse is None:
            return None
        weights = [float(weight) for weight in self.sparse.values()]
        if all(isinstance(term, str) for term in self.sparse):
            return dict(zip(map(str, self.sparse), weights, strict=True))
        return {"indices": list(self.sparse), "values": weights}

    @property
    def is_empty(self) -> bool:
        """Whether no vector is given at all."""
        return self.sparse is None and self.tokens is None and self.pooled is None


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What is searched for: a text, vectors of it, or both.

    Attributes:
        text: Which encoders read, and rerankers; may be empty where the vectors are enough.
        vectors: In place of what encoders would make of the text.
    """

    text: str = ""
    vectors: Vectors | None = None


Terms: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class GivenRow:
    """The vectors that came with one text, as the encoders of a collection would give them.

    Attributes:
        terms: Ids, uint32 (n,), strictly ascending, and weights, float32 (n,), above 0.
        tokens: float32 (n_tokens, dim).
        pooled: float32 (dim,).
    """

    terms: Terms | None = None
    tokens: NDArray[np.float32] | None = None
    pooled: NDArray[np.float32] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether everything is left to encoders."""
        return self.terms is None and self.tokens is None and self.pooled is None


NOTHING = GivenRow()


def _weights(said: object) -> TermWeights:
    if not isinstance(said, Mapping):
        raise ShapeError(
            f"sparse is of type {type(said).__name__}; expected an object, {{term: weight}} or "
            '{"indices": [...], "values": [...]}'
        )
    found = cast("Mapping[str, Any]", said)
    lists = (found.get("indices"), found.get("values"))
    if len(found) != len(lists) or not all(isinstance(one, list | tuple) for one in lists):
        return found
    indices, values = (list(cast("Sequence[Any]", one)) for one in lists)
    if len(indices) != len(values) or len(set(map(str, indices))) < len(indices):
        raise ShapeError(
            f"sparse has {len(indices)} indices and {len(values)} values; expected as many of "
            "each, and no index twice"
        )
    return dict(zip(indices, values, strict=True))


def _check_weights(weights: TermWeights) -> None:
    if len(weights) > MAX_TERMS:
        raise ShapeError(f"sparse has {len(weights):,} terms; expected at most {MAX_TERMS:,}")
    terms: list[object] = list(weights)
    kinds = {type(term) for term in terms}
    if not (kinds <= {str} or kinds <= {int}):
        found = ", ".join(sorted({kind.__name__ for kind in kinds}))
        raise ShapeError(
            f"sparse has terms of type {found:.80}, neither all names nor all ids; expected str or "
            "int; convert them, arrays by `tolist`"
        )
    if "" in terms:
        raise ShapeError("sparse has a term without a name; expected at least one character")
    if kinds == {int}:
        ids = cast("Mapping[int, float]", weights)
        if min(ids) < 0 or max(ids) > _LARGEST_TERM_ID:
            raise ShapeError(
                f"sparse has an id outside 0 to {_LARGEST_TERM_ID}; expected one in it"
            )
    given = list(cast("Mapping[Any, Any]", weights).values())
    if not {type(weight) for weight in given} <= {int, float, np.float32, np.float64}:
        raise ShapeError("sparse has a weight that is no number; expected numbers")
    values = _as_floats(given)
    if not (np.isfinite(values) & (values >= 0)).all():
        raise ShapeError(
            "sparse has a weight that is negative, infinite or NaN as float32; expected finite "
            "weights of 0 or more"
        )


def _as_floats(numbers: Sequence[Any]) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):
            return np.array(numbers, np.float64).astype(np.float32)
    except OverflowError:  # a whole number of Python that is too large for any float
        return np.full(1, np.inf, np.float32)


def _matrix(name: str, values: Any) -> NDArray[np.float32]:
    if type(values) in (list, tuple) and len(values) == 0:
        return np.zeros((0, 0), np.float32)
    found = _array(name, values, n_axes=2)
    if len(found) > MAX_TOKENS:
        raise ShapeError(f"{name} has {len(found):,} vectors; expected at most {MAX_TOKENS:,}")
    return found


def _array(name: str, values: object, *, n_axes: int) -> NDArray[np.float32]:
    try:
        found: NDArray[Any] = np.asarray(values)
    except ValueError:
        found = np.zeros((), object)
    if found.ndim != n_axes or found.dtype.kind not in "fiu":
        expected = "a list of numbers" if n_axes == 1 else "vectors of one length"
        raise ShapeError(f"{name} is no such array; expected {expected}")
    if found.shape[-1] > MAX_DIM:
        raise ShapeError(f"{name} has {found.shape[-1]:,} dimensions; expected at most {MAX_DIM:,}")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(found, dtype=np.float32)
    if not np.isfinite(array).all():
        raise ShapeError(f"{name} holds NaN, or a number that is infinite as float32")
    return array
