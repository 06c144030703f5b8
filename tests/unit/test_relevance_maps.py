"""The five maps by hand-computed numbers."""

import numpy as np
import pytest

from lexmax.relevance.maps import FORMS, MapForm, MapParameters, n_free, neutral, parameters

X = np.array([-4.0, 0.0, 0.25, 9.0])


def test_a_map_is_sign_slope_power_and_offset() -> None:
    np.testing.assert_allclose(
        MapParameters(slope=2.0, offset=1.0, exponent=0.5).logits(X), [-3.0, 1.0, 2.0, 7.0]
    )
    np.testing.assert_allclose(
        MapParameters(slope=2.0, offset=1.0, exponent=2.0).logits(X), [-31.0, 1.0, 1.125, 163.0]
    )
    np.testing.assert_allclose(
        MapParameters(slope=3.0, offset=-1.0, exponent=1.0).logits(X), [-13.0, -1.0, -0.25, 26.0]
    )


@pytest.mark.parametrize("form", FORMS)
def test_the_neutral_map_has_slope_1_and_the_asked_logit(form: MapForm) -> None:
    found = parameters(form, neutral(form, logit=-2.5))
    assert found.slope == pytest.approx(1.0)
    assert found.offset == (0.0 if form == "raw" else -2.5)
    expected: dict[MapForm, float] = {"square-root": 0.5, "quadratic": 2.0}
    assert found.exponent == pytest.approx(expected.get(form, 1.0))


def test_slope_and_exponent_stay_above_0_for_any_numbers() -> None:
    low, high = (parameters("power", np.full(3, value)) for value in (-1e6, 1e6))
    assert low.slope > 0
    assert 0 < low.exponent < 1 < high.exponent < 2
    assert n_free("raw") == 0


def test_scores_without_end_have_logits_without_end() -> None:
    found = MapParameters(1.0, 0.0, 0.5).logits(np.array([-np.inf, np.inf]))
    assert found.tolist() == [-np.inf, np.inf]
