"""Weight times direction, against autograd of the losses that it stands for."""

import itertools
from typing import Literal

import pytest
import torch
from torch import Tensor

from lexmax.encoders.training import losses
from lexmax.encoders.training.pair_objective import PairLogits, PairObjective

Way = Literal["sft", "contrastive"]
WAYS: tuple[Way, ...] = ("sft", "contrastive")


def logits(seed: int = 0, *, rows: int = 5, columns: int = 4, scale: float = 2.0) -> PairLogits:
    random = torch.Generator().manual_seed(seed)
    both = torch.randn(2, rows, columns, generator=random, dtype=torch.float64) * scale
    return PairLogits(both[0].requires_grad_(), both[1].requires_grad_())


def gradients(loss: Tensor, of: PairLogits) -> tuple[Tensor, Tensor]:
    found = torch.autograd.grad(loss, (of.yes, of.no), allow_unused=True)
    yes, no = (torch.zeros_like(of.yes) if one is None else one for one in found)
    return yes, no


@pytest.mark.parametrize("seed", range(5))
def test_sft_with_sft_is_the_gradient_of_the_label_s_logarithm(seed: int) -> None:
    given = logits(seed)
    found = PairObjective("sft", "sft").loss(given)
    # -log p(label) by a softmax over no and yes, written out.
    shares = torch.log_softmax(torch.stack([given.no, given.yes]), dim=0)
    labels = torch.zeros(given.yes.shape, dtype=torch.int64)
    labels[:, 0] = 1
    expected = -shares.gather(0, labels[None])[0].mean(dim=1).sum() / len(given.yes)
    assert found.item() == pytest.approx(expected.item())
    for one, other in zip(gradients(found, given), gradients(expected, given), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_contrastive_with_contrastive_is_the_gradient_of_infonce(temperature: float) -> None:
    given = logits(3)
    found = PairObjective("contrastive", "contrastive", temperature).loss(given)
    shares = torch.log_softmax(given.yes / temperature, dim=1)
    expected = -shares[:, 0].mean()
    assert found.item() == pytest.approx(expected.item())
    for one, other in zip(gradients(found, given), gradients(expected, given), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("direction", WAYS)
@pytest.mark.parametrize("weighting", ["sft", "contrastive", "constant", "masked"])
def test_every_gradient_is_weight_times_direction(
    weighting: Literal["sft", "contrastive", "constant", "masked"], direction: Way
) -> None:
    given = logits(1)
    objective = PairObjective(weighting, direction)
    weight = objective.weight(given)
    signed = weight / len(given.yes)
    signed[:, 0] *= -1
    yes, no = gradients(objective.loss(given), given)
    torch.testing.assert_close(yes, signed)
    # The direction of sft moves no against yes, that of contrastive leaves it alone.
    torch.testing.assert_close(no, -signed if direction == "sft" else torch.zeros_like(signed))
    assert (weight >= 0).all()
    assert not weight.requires_grad


def test_weights_do_not_depend_on_the_direction_and_differ() -> None:
    given = logits(2)
    found = {way: PairObjective(way, "sft").weight(given) for way in WAYS}
    for way in WAYS:
        torch.testing.assert_close(found[way], PairObjective(way, "contrastive").weight(given))
    assert not torch.allclose(found["sft"], found["contrastive"])


def test_weights_by_hand() -> None:
    # p(yes) = 0.8 for the positive and 0.5 for the negative.
    given = PairLogits(torch.tensor([[4.0, 1.0]]).log(), torch.zeros(1, 2))
    assert PairObjective("sft").weight(given).tolist()[0] == pytest.approx([0.2 / 2, 0.5 / 2])
    # Of 4 + 1 the positive has 0.8.
    weight = PairObjective("contrastive").weight(given)
    assert weight.tolist()[0] == pytest.approx([0.2, 0.2])
    assert PairObjective("constant").weight(given).tolist() == [[0.5, 0.5]]
    masked = PairObjective("masked", right_at=0.75).weight(given)
    assert masked.tolist()[0] == pytest.approx([0.0, 0.25])


@pytest.mark.parametrize(("weighting", "direction"), list(itertools.product(WAYS, WAYS)))
def test_weights_of_samples_stand_before_the_mean(weighting: Way, direction: Way) -> None:
    """The code of the paper on curricula multiplies the mean loss with the mean weight."""
    given = logits(4, rows=3)
    weights = torch.tensor([0.0, 1.0, 0.25])
    objective = PairObjective(weighting, direction)
    yes, _ = gradients(objective.loss(given, weights=weights), given)
    for i, weight in enumerate(weights.tolist()):
        alone = PairLogits(given.yes[i : i + 1], given.no[i : i + 1])
        expected = objective.loss(alone) * weight / 3
        torch.testing.assert_close(yes[i : i + 1], gradients(expected, alone)[0])
    wrong = objective.loss(given).item() * weights.mean().item()
    assert objective.loss(given, weights=weights).item() != pytest.approx(wrong)


def test_weights_of_texts_stand_before_the_mean_of_texts() -> None:
    given = logits(5, rows=2, columns=3)
    by_text = torch.tensor([[1.0, 0.0, 0.5], [0.2, 1.0, 0.0]])
    terms = torch.nn.functional.binary_cross_entropy_with_logits(
        given.yes - given.no,
        torch.tensor([[1.0, 0, 0], [1, 0, 0]], dtype=torch.float64),
        reduction="none",
    )
    expected = (terms * by_text).mean(dim=1).sum() / 2
    found = PairObjective("sft", "sft").loss(
        given, weights=torch.tensor([9.0, 9.0]), text_weights=by_text
    )
    assert found.item() == pytest.approx(expected.item())
    torch.testing.assert_close(gradients(found, given)[0], gradients(expected, given)[0])


def test_a_contrastive_weight_is_of_the_group_and_so_takes_weights_of_samples() -> None:
    given, weights = logits(6, rows=2, columns=3), torch.tensor([0.5, 0.0])
    found = PairObjective("contrastive", "contrastive").loss(
        given, weights=weights, text_weights=torch.zeros(2, 3)
    )
    expected = losses.contrastive(given.yes, weights=weights)
    torch.testing.assert_close(gradients(found, given)[0], gradients(expected, given)[0])


def test_far_logits_stay_finite() -> None:
    yes = torch.tensor([[200.0, -200.0, 90.0]], requires_grad=True)
    given = PairLogits(yes, torch.zeros_like(yes))
    for weighting, direction in itertools.product(WAYS, WAYS):
        loss = PairObjective(weighting, direction).loss(given)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradients(loss, PairLogits(yes, yes))[0]).all()
