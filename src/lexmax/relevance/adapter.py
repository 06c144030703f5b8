"""How relevant is a document of this score to this query? Serving: numpy alone, O(n) a query.

The Cosine Adapter (arXiv 2408.04887): what is known of the query chooses a map that never falls,
so ranking inside a query stays, and probabilities of different queries can be compared.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import QueryError, ShapeError
from lexmax.relevance.maps import FORMS, MapForm, MapParameters, n_free, parameters
from lexmax.relevance.query_features import FEATURES, QueryFeatures

QueryInput: TypeAlias = Literal["none", "vector", "features"]
Scale: TypeAlias = Literal["fixed", "query", "list"]
INPUTS: tuple[QueryInput, ...] = ("none", "vector", "features")
SCALES: tuple[Scale, ...] = ("fixed", "query", "list")

_SMALLEST_STD = 1e-6
_LAYER_NORM_EPSILON = 1e-5
_MASS, _N_TOKENS = FEATURES.index("query_mass"), FEATURES.index("n_tokens")
_MEAN, _STD = FEATURES.index("mean_score"), FEATURES.index("std_score")


@dataclass(frozen=True, slots=True)
class Scaling:
    """Scores to x, which is around 0 and of about size 1 for documents that are not relevant.

    Attributes:
        scale: `fixed` takes the score; `query` divides it by the number of the query's tokens, or
            by the sum of its weights where it has no tokens, because sums over either grow with
            them; `list` takes standard deviations above the mean of the list's best scores.
        center: x is 0 there.
        width: x is 1 so far above it.
    """

    scale: Scale
    center: float = 0.0
    width: float = 1.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.center) and np.isfinite(self.width) and self.width > 0):
            raise ShapeError(
                f"found center {self.center} and width {self.width}; expected numbers, the width "
                "above 0"
            )

    def scaled(self, scores: NDArray[np.float32], query: QueryFeatures) -> NDArray[np.float64]:
        """X of the scores, (n,)."""
        x = scores.astype(np.float64)
        if self.scale == "query":
            mass, n_tokens = (required_numbers(query)[i] for i in (_MASS, _N_TOKENS))
            x = x / (n_tokens or mass or 1.0)
        elif self.scale == "list":
            mean, std = (required_numbers(query)[i] for i in (_MEAN, _STD))
            x = (x - mean) / max(std, _SMALLEST_STD)
        return (x - self.center) / self.width


@dataclass(frozen=True, slots=True)
class Network:
    """A layer of GELU units: (D,) to what is added to the numbers that all queries share.

    centers, widths float64 (D,) scale its inputs; hidden float64 (h, D); biases (h,);
    outputs (p, h).

    Raises:
        ShapeError: if these do not fit together, or are not finite.
    """

    centers: NDArray[np.float64]
    widths: NDArray[np.float64]
    hidden: NDArray[np.float64]
    biases: NDArray[np.float64]
    outputs: NDArray[np.float64]

    def __post_init__(self) -> None:
        size, dim = self.hidden.shape
        fits = self.centers.shape == self.widths.shape == (dim,)
        if not fits or self.biases.shape != (size,) or self.outputs.shape[1:] != (size,):
            raise ShapeError(
                f"centers {self.centers.shape}, widths {self.widths.shape}, hidden "
                f"{self.hidden.shape}, biases {self.biases.shape} and outputs "
                f"{self.outputs.shape} do not fit together"
            )
        parts = (self.centers, self.widths, self.hidden, self.biases, self.outputs)
        if not all(np.isfinite(part).all() for part in parts) or not np.all(self.widths > 0):
            raise ShapeError("a network holds NaN, infinity or a width of 0; expected numbers")

    def __call__(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Outputs for one query, (p,)."""
        x = (inputs - self.centers) / self.widths
        found: NDArray[np.float64] = self.outputs @ _gelu(self.hidden @ x + self.biases)
        return found


@dataclass(frozen=True, slots=True)
class Adapter:
    """A trained map from scores to probabilities of relevance.

    Attributes:
        form: of the map.
        inputs: what of a query the map depends on.
        scaling: of scores, before the map.
        depth: how many of a query's best scores `QueryFeatures` must have been taken from.
        shared: the numbers that the map of every query begins with, float64 (p,).
        network: adds to these by the query; None where all queries have one map.

    Raises:
        ShapeError: if these do not fit together.
    """

    form: MapForm
    inputs: QueryInput
    scaling: Scaling
    depth: int
    shared: NDArray[np.float64]
    network: Network | None = None

    def __post_init__(self) -> None:
        if self.form not in FORMS or self.inputs not in INPUTS or self.scaling.scale not in SCALES:
            raise ShapeError(
                f"found map {self.form!r} by {self.inputs!r} of {self.scaling.scale!r} scores; "
                f"expected one of {FORMS}, of {INPUTS} and of {SCALES}"
            )
        n = n_free(self.form)
        if self.shared.shape != (n,) or not np.isfinite(self.shared).all() or self.depth < 1:
            raise ShapeError(
                f"found shared {self.shared} and depth {self.depth}; expected {n} numbers and a "
                "depth of 1 or more"
            )
        if self.network is not None and len(self.network.outputs) != n:
            raise ShapeError(f"a network gives {len(self.network.outputs)} numbers; expected {n}")
        if (self.inputs == "none") != (self.network is None):
            raise ShapeError(f"inputs are {self.inputs!r}, but the network says otherwise")

    def parameters(self, query: QueryFeatures) -> MapParameters:
        """The query's map.

        Raises:
            QueryError: if what it depends on is missing, or a vector has another length.
        """
        free = self.shared
        if self.network is not None:
            inputs = network_inputs(self.inputs, query)
            if inputs.shape != self.network.centers.shape:
                raise QueryError(
                    f"the query's {self.inputs} has {len(inputs)} numbers, the adapter was "
                    f"trained on {len(self.network.centers)}; run `lexmax calibrate` again"
                )
            free = free + self.network(inputs)
        return parameters(self.form, free)

    def probabilities(
        self, scores: NDArray[np.float32], query: QueryFeatures
    ) -> NDArray[np.float32]:
        """Probabilities of relevance, float32 (n,); no bigger score has a smaller one.

        A score that is NaN, such as a stage gives that failed, or -inf has 0.

        Raises:
            QueryError: if what the map depends on is missing.
        """
        known = np.nan_to_num(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        # What is too great for a float is certain enough.
        with np.errstate(over="ignore"):
            logits = self.parameters(query).logits(self.scaling.scaled(known, query))
        return _sigmoid(logits).astype(np.float32)


def required_numbers(query: QueryFeatures) -> NDArray[np.float64]:
    """The query's numbers.

    Raises:
        QueryError: if there are none.
    """
    if query.numbers is None:
        raise QueryError("the adapter needs the query's numbers; give them with its scores")
    return query.numbers


def network_inputs(inputs: QueryInput, query: QueryFeatures) -> NDArray[np.float64]:
    """What a network is given of a query: its numbers, or its vector after LayerNorm.

    Raises:
        QueryError: if the query does not have it.
    """
    if inputs == "features":
        return required_numbers(query)
    if query.vector is None:
        raise QueryError(
            "the adapter needs the query's vector, which this pipeline has not; calibrate it "
            "with `--inputs features`, or search by a signal that has vectors"
        )
    vector = query.vector.astype(np.float64)
    spread: NDArray[np.float64] = vector - vector.mean()
    normed: NDArray[np.float64] = spread / np.sqrt(np.mean(spread**2) + _LAYER_NORM_EPSILON)
    return normed


def _gelu(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """By tanh (Hendrycks & Gimpel, arXiv 1606.08415), because numpy has no erf."""
    inner: NDArray[np.float64] = np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1.0 + np.tanh(inner))


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    # Exact in the tail, where nearly all documents are; bounded so that exp does not overflow.
    return 1.0 / (1.0 + np.exp(np.clip(-x, -700.0, 700.0)))
