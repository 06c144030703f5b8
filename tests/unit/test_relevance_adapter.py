"""What an adapter says, by hand; every empty case; what it refuses."""

import numpy as np
import pytest

from lexmax.errors import QueryError, ShapeError
from lexmax.relevance import Adapter, QueryFeatures
from lexmax.relevance.adapter import Network, Scaling
from lexmax.relevance.maps import neutral
from lexmax.relevance.query_features import FEATURES

# Terms 2, sum of idf 3, greatest 2, mass 5, tokens 4; list: best 8, mean 6, deviation 2.
NUMBERS = np.array([2, 3, 2, 5, 4, 8, 6, 2], dtype=np.float64)
QUERY = QueryFeatures(None, NUMBERS)
SCORES = np.array([8.0, 6.0, 4.0], dtype=np.float32)


def sigmoid(x: list[float]) -> np.ndarray:
    return 1 / (1 + np.exp(-np.array(x)))


def linear(scaling: Scaling, *, logit: float = 0.0) -> Adapter:
    return Adapter("linear", "none", scaling, 10, neutral("linear", logit=logit))


def test_a_raw_adapter_gives_the_sigmoid_of_scaled_scores() -> None:
    adapter = Adapter("raw", "none", Scaling("fixed", 6.0, 2.0), 10, np.zeros(0))
    found = adapter.probabilities(SCORES, QUERY)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, sigmoid([1, 0, -1]), rtol=1e-6)


@pytest.mark.parametrize(
    ("scaling", "x"),
    [
        (Scaling("fixed", 4.0, 2.0), [2.0, 1.0, 0.0]),
        (Scaling("query"), [2.0, 1.5, 1.0]),
        (Scaling("list"), [1.0, 0.0, -1.0]),
        (Scaling("list", 1.0, 0.5), [0.0, -2.0, -4.0]),
    ],
)
def test_scores_are_scaled(scaling: Scaling, x: list[float]) -> None:
    np.testing.assert_allclose(scaling.scaled(SCORES, QUERY), x)
    np.testing.assert_allclose(
        linear(scaling, logit=-1.0).probabilities(SCORES, QUERY),
        sigmoid([value - 1 for value in x]),
        rtol=1e-6,
    )


def test_a_query_without_tokens_is_measured_by_its_weights() -> None:
    numbers = NUMBERS.copy()
    numbers[FEATURES.index("n_tokens")] = 0
    scaled = Scaling("query").scaled(SCORES, QueryFeatures(None, numbers))
    np.testing.assert_allclose(scaled, SCORES / 5)
    nothing = QueryFeatures(None, np.zeros(len(FEATURES)))
    np.testing.assert_allclose(Scaling("query").scaled(SCORES, nothing), SCORES)


def test_equal_scores_get_equal_probabilities() -> None:
    numbers = NUMBERS.copy()
    numbers[-3:] = [6, 6, 0]
    found = linear(Scaling("list")).probabilities(
        np.full(3, 6, np.float32), QueryFeatures(None, numbers)
    )
    assert found.tolist() == [0.5, 0.5, 0.5]


def test_what_has_no_score_is_not_relevant() -> None:
    scores = np.array([np.nan, -np.inf, np.inf], dtype=np.float32)
    for form in ("linear", "power"):
        adapter = Adapter(form, "none", Scaling("list"), 10, neutral(form, logit=0.0))
        assert adapter.probabilities(scores, QUERY).tolist() == [0.0, 0.0, 1.0]


def test_no_candidates_give_no_probabilities() -> None:
    found = linear(Scaling("list")).probabilities(np.zeros(0, np.float32), QUERY)
    assert found.shape == (0,)


def network(dim: int, *, weight: float) -> Network:
    """Adds, to slope and offset, `weight` times the GELU of the sum of its inputs."""
    return Network(
        np.zeros(dim),
        np.ones(dim),
        np.ones((1, dim)),
        np.zeros(1),
        np.array([[0.0], [weight]]),
    )


def test_a_network_moves_the_map_by_the_query() -> None:
    adapter = Adapter(
        "linear",
        "vector",
        Scaling("fixed"),
        10,
        neutral("linear", logit=-3.0),
        network(2, weight=2.0),
    )
    # LayerNorm makes (1, -1) of (5, 3), whose sum 0 has GELU 0.
    found = adapter.parameters(QueryFeatures(np.array([5, 3], np.float32)))
    assert found.offset == pytest.approx(-3.0, abs=1e-5)
    adapter = Adapter(
        "linear",
        "features",
        Scaling("fixed"),
        10,
        neutral("linear", logit=-3.0),
        network(len(FEATURES), weight=2.0),
    )
    # GELU leaves so great a number as it is.
    assert adapter.parameters(QUERY).offset == pytest.approx(-3.0 + 2.0 * NUMBERS.sum())


def test_missing_inputs_are_named() -> None:
    by_vector = Adapter("linear", "vector", Scaling("fixed"), 10, np.zeros(2), network(2, weight=1))
    with pytest.raises(QueryError, match="needs the query's vector"):
        by_vector.probabilities(SCORES, QUERY)
    with pytest.raises(QueryError, match="has 3 numbers, the adapter was trained on 2"):
        by_vector.probabilities(SCORES, QueryFeatures(np.ones(3, np.float32)))
    with pytest.raises(QueryError, match="needs the query's numbers"):
        linear(Scaling("list")).probabilities(SCORES, QueryFeatures())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"form": "cubic"}, "expected one of"),
        ({"shared": np.zeros(1)}, "expected 2 numbers"),
        ({"shared": np.array([0.0, np.nan])}, "expected 2 numbers"),
        ({"depth": 0}, "depth of 1 or more"),
        ({"inputs": "features"}, "the network says otherwise"),
        ({"inputs": "vector", "network": network(2, weight=1), "form": "power"}, "3 numbers"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(change: dict[str, object], reason: str) -> None:
    parts: dict[str, object] = {
        "form": "linear",
        "inputs": "none",
        "scaling": Scaling("fixed"),
        "depth": 10,
        "shared": np.zeros(2),
    }
    with pytest.raises(ShapeError, match=reason):
        Adapter(**(parts | change))  # type: ignore[arg-type]


def test_bad_constants_are_refused() -> None:
    with pytest.raises(ShapeError, match="width"):
        Scaling("fixed", 0.0, 0.0)
    with pytest.raises(ShapeError, match="width of 0"):
        Network(np.zeros(1), np.zeros(1), np.ones((1, 1)), np.zeros(1), np.ones((2, 1)))
    with pytest.raises(ShapeError, match="do not fit together"):
        Network(np.zeros(2), np.ones(2), np.ones((1, 1)), np.zeros(1), np.ones((2, 1)))
    with pytest.raises(ShapeError, match="expected \\(8,\\)"):
        QueryFeatures(None, np.zeros(3))
    with pytest.raises(ShapeError, match="NaN"):
        QueryFeatures(np.array([np.nan], np.float32))
