"""Penalties against plain numpy, their gradients, the ramp, and estimates from samples."""

import numpy as np
import pytest
import torch

from lexmax.encoders.training.regularizers import (
    L1,
    Flops,
    Regularizer,
    ThresholdedFlops,
    TopK,
    cost,
    kept,
    ramp,
)

WEIGHTS = np.array([[0.5, 0.0, 2.0, 0.25], [1.5, 0.0, 0.0, 0.0], [0.0, 1.0, 3.0, 0.5]])


def of_flops(weights: np.ndarray) -> float:
    return float(sum(np.mean(np.abs(weights[:, j])) ** 2 for j in range(weights.shape[1])))


def of_l1(weights: np.ndarray) -> float:
    return float(np.mean([np.abs(row).sum() for row in weights]))


def of_thresholded(weights: np.ndarray) -> float:
    return of_flops(np.array([row if (row != 0).sum() > 2 else 0 * row for row in weights]))


PENALTIES = [
    (Flops(1.0), of_flops),
    (L1(1.0), of_l1),
    (ThresholdedFlops(1.0, threshold=2), of_thresholded),
]


@pytest.mark.parametrize(("regularizer", "expected"), PENALTIES)
def test_penalty_is_that_of_numpy(regularizer: Regularizer, expected: object) -> None:
    assert callable(expected)
    found = cost(regularizer, torch.tensor(WEIGHTS), step=0)
    assert found.item() == pytest.approx(expected(WEIGHTS), rel=1e-12)


@pytest.mark.parametrize("regularizer", [one for one, _ in PENALTIES])
def test_gradient_is_that_of_differences(regularizer: Regularizer) -> None:
    weights = torch.tensor(WEIGHTS + 0.1, requires_grad=True)
    assert torch.autograd.gradcheck(lambda given: cost(regularizer, given, step=3), (weights,))


def test_flops_of_one_common_term_cost_more_than_of_two_rare_ones() -> None:
    common = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    rare = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert Flops(1).penalty(common) == 2 * Flops(1).penalty(rare)
    assert L1(1).penalty(common) == L1(1).penalty(rare)


def test_texts_within_the_threshold_cost_nothing() -> None:
    assert cost(ThresholdedFlops(1, threshold=3), torch.tensor(WEIGHTS), step=0).item() == 0


def test_ramp_is_quadratic_and_ends() -> None:
    found = [ramp(2.0, 4, step=step) for step in (0, 1, 2, 3, 4, 1000)]
    assert found == [2 / 16, 2 / 4, 2 * 9 / 16, 2, 2, 2]
    assert ramp(2.0, 0, step=0) == 2


def test_top_k_keeps_the_largest_and_costs_nothing() -> None:
    weights = torch.tensor(WEIGHTS)
    assert kept(TopK(2), weights).tolist() == [[0.5, 0, 2, 0], [1.5, 0, 0, 0], [0, 1, 3, 0]]
    assert cost(TopK(2), weights, step=5).item() == 0
    assert kept(TopK(9), weights) is weights
    assert kept(Flops(1), weights) is weights


def test_top_k_lets_gradients_through_to_what_it_keeps() -> None:
    weights = torch.tensor(WEIGHTS, requires_grad=True)
    kept(TopK(1), weights).sum().backward()
    assert weights.grad is not None
    assert weights.grad[:, 2].tolist() == [1, 0, 1]
    assert weights.grad.sum() == 3


def test_no_regularizer_costs_nothing() -> None:
    assert cost(None, torch.tensor(WEIGHTS), step=0).item() == 0
    assert cost(Flops(1), torch.zeros(0, 4), step=0).item() == 0


@pytest.mark.parametrize("regularizer", [Flops(0.3, 10), L1(0.3, 10)])
def test_estimates_from_samples_are_right_on_average(regularizer: Regularizer) -> None:
    weights = torch.rand(5, 12, generator=torch.Generator().manual_seed(0))
    whole = cost(regularizer, weights, step=4)
    each = [cost(regularizer, weights[:, j : j + 3], step=4, scale=4) for j in range(0, 12, 3)]
    assert torch.stack(each).mean().item() == pytest.approx(whole.item())
