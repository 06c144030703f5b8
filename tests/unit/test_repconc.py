"""Balanced codes: Sinkhorn against a slow reference in extended precision, and what underflows."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lexmax.encoders.training.repconc import Balance, squared_error, straight_through
from lexmax.errors import EncoderError


def _distances(m: int, b: int, k: int, *, seed: int = 0, skew: float = 0.0) -> torch.Tensor:
    """With `skew` the first centroids are nearest to nearly everything."""
    found = torch.rand(m, b, k, generator=torch.Generator().manual_seed(seed))
    return found + skew * torch.arange(k) / k


def _reference(distances: torch.Tensor, epsilon: float, rounds: int) -> NDArray[np.longdouble]:
    """Logarithms, one subspace after the other, columns then rows, in 80 bits."""
    plans = []
    for wide in distances.double().numpy().astype(np.longdouble):
        half = (wide.max() - wide.min()) / 2
        logs = -(wide - (wide.max() + wide.min()) / 2) / half / epsilon
        for _ in range(rounds):
            for axis, share in ((0, 1 / wide.shape[1]), (1, 1 / wide.shape[0])):
                top = logs.max(axis=axis, keepdims=True)
                sums = np.log(np.exp(logs - top).sum(axis=axis, keepdims=True)) + top
                logs = logs - sums + np.log(np.longdouble(share))
        plans.append(logs)
    return np.stack(plans)


@pytest.mark.parametrize("epsilon", [0.003, 0.05, 1.0])
@pytest.mark.parametrize("rounds", [1, 7, 100])
@pytest.mark.parametrize("skew", [0.0, 5.0])
@pytest.mark.parametrize("shape", [(2, 40, 8), (1, 6, 16), (1, 1, 4)])
def test_plans_are_those_of_the_reference(
    shape: tuple[int, int, int], skew: float, rounds: int, epsilon: float
) -> None:
    distances = _distances(*shape, skew=skew)
    found = Balance(epsilon, rounds).plan(distances)
    assert found.dtype == torch.float64
    expected = _reference(distances, epsilon, rounds).astype(np.float64)
    # What is below e^-600 of a share counts for nothing, and factors do not keep it.
    seen = expected > -600
    np.testing.assert_allclose(found.numpy()[seen], expected[seen], rtol=1e-9, atol=1e-7)
    assert np.all(found.numpy()[~seen] < -590)


def test_rows_are_equal_and_columns_become_so() -> None:
    plan = Balance().plan(_distances(3, 64, 16, skew=2.0)).exp()
    torch.testing.assert_close(plan.sum(dim=2), torch.full((3, 64), 1 / 64).double())
    columns = plan.sum(dim=1) * 16
    assert torch.all((columns - 1).abs() < 0.1)


def test_codes_are_balanced_where_float32_would_underflow() -> None:
    distances = _distances(1, 128, 8, skew=5.0)
    half = (distances.max() - distances.min()) / 2
    scaled = (distances - distances.min()) / half / 0.003
    assert (torch.exp(-scaled) == 0).float().mean() > 0.8
    nearest = torch.bincount(distances[0].argmin(dim=1), minlength=8)
    balanced = torch.bincount(Balance().codes(distances)[:, 0], minlength=8)
    assert nearest.max() > 60
    assert balanced.max() <= 20
    assert balanced.min() >= 12


def test_of_equal_use_the_cheapest_assignment_is_found() -> None:
    """With one document a centroid, the plan is an assignment; the best one is found by trying."""
    from scipy.optimize import linear_sum_assignment

    distances = _distances(1, 8, 8, seed=3)
    codes = Balance(rounds=2000).codes(distances)[:, 0].numpy()
    rows, columns = linear_sum_assignment(distances[0].numpy())
    np.testing.assert_array_equal(codes, columns[np.argsort(rows)])


def test_codes_have_a_row_a_document() -> None:
    assert Balance().codes(_distances(5, 12, 4)).shape == (12, 5)
    assert Balance().codes(torch.zeros(5, 0, 4)).shape == (0, 5)


def test_equal_distances_give_equal_shares() -> None:
    plan = Balance().plan(torch.ones(1, 4, 2)).exp()
    torch.testing.assert_close(plan, torch.full((1, 4, 2), 1 / 8).double())


def test_the_gradient_goes_straight_through_to_both() -> None:
    continuous = torch.tensor([[1.0, 2.0]]).requires_grad_()
    quantised = torch.tensor([[0.5, 3.0]]).requires_grad_()
    found = straight_through(continuous, quantised)
    assert torch.equal(found, quantised)
    (found * torch.tensor([[2.0, -1.0]])).sum().backward()
    assert continuous.grad is not None
    assert quantised.grad is not None
    assert continuous.grad.tolist() == quantised.grad.tolist() == [[2.0, -1.0]]


def test_the_squared_error_is_a_sum_over_coordinates_and_a_mean_over_vectors() -> None:
    continuous = torch.tensor([[1.0, 2.0], [0.0, 0.0]], dtype=torch.float64).requires_grad_()
    quantised = torch.tensor([[0.0, 0.0], [0.0, 4.0]], dtype=torch.float64).requires_grad_()
    assert squared_error(continuous, quantised).item() == (1 + 4 + 16) / 2
    assert torch.autograd.gradcheck(squared_error, (continuous, quantised))
    assert squared_error(torch.zeros(0, 2), torch.zeros(0, 2)).item() == 0


@pytest.mark.parametrize(("epsilon", "rounds"), [(0.0, 5), (-1.0, 5), (float("nan"), 5), (0.1, 0)])
def test_what_is_no_balance(epsilon: float, rounds: int) -> None:
    with pytest.raises(EncoderError, match="expected both above 0"):
        Balance(epsilon, rounds)
