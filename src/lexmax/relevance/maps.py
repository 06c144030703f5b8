"""How does a score become a logit of relevance? Five maps, none of which ever falls.

The Cosine Adapter's ("Relevance Filtering for Embedding-based Retrieval", arXiv 2408.04887): a
query has its own slope, offset and exponent, and F(x) = sgn(x) slope |x|^exponent + offset.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

MapForm: TypeAlias = Literal["raw", "linear", "square-root", "quadratic", "power"]
FORMS: tuple[MapForm, ...] = ("raw", "linear", "square-root", "quadratic", "power")

# |x|^k has no slope at 0 where k < 1.
SMALLEST_X = 1e-4
SMALLEST_SLOPE = 1e-3
EXPONENTS = (0.02, 1.98)

_FIXED_EXPONENTS: dict[MapForm, float] = {
    "raw": 1.0,
    "linear": 1.0,
    "square-root": 0.5,
    "quadratic": 2.0,
}


@dataclass(frozen=True, slots=True)
class MapParameters:
    """One query's map; slope and exponent exceed 0, so that it never falls."""

    slope: float
    offset: float
    exponent: float

    def logits(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """F of scaled scores, (n,), in their order."""
        if self.exponent == 1.0:
            return self.slope * x + self.offset
        size = np.maximum(np.abs(x), SMALLEST_X) ** self.exponent
        return np.sign(x) * (self.slope * size) + self.offset


def fixed_exponent(form: MapForm) -> float | None:
    """The form's exponent; None where a query has its own."""
    return _FIXED_EXPONENTS.get(form)


def n_free(form: MapForm) -> int:
    """How many numbers a query's map is made of."""
    return {"raw": 0, "power": 3}.get(form, 2)


def parameters(form: MapForm, free: NDArray[np.float64]) -> MapParameters:
    """The map that any `n_free` numbers stand for: slope, offset, exponent, before their bounds."""
    if form == "raw":
        return MapParameters(1.0, 0.0, 1.0)
    slope = float(np.logaddexp(0.0, free[0])) + SMALLEST_SLOPE
    exponent = fixed_exponent(form)
    if exponent is None:
        exponent = float(np.clip(1.0 + np.tanh(free[2] / 2.0), *EXPONENTS))
    return MapParameters(slope, float(free[1]), exponent)


def neutral(form: MapForm, *, logit: float) -> NDArray[np.float64]:
    """The numbers of the map with slope 1 and exponent 1 that gives `logit` where x is 0."""
    slope = float(np.log(np.expm1(1.0 - SMALLEST_SLOPE)))
    return np.array([slope, logit, 0.0][: n_free(form)], dtype=np.float64)
