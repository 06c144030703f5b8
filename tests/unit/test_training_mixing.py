import pytest
import torch

from lexmax.encoders.training.mixing import Mixing, mixed_negatives


def unit(*shape: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape), dim=-1)


@pytest.fixture(autouse=True)
def _seeded() -> None:  # pyright: ignore[reportUnusedFunction]
    torch.manual_seed(4)


def test_pairs_lie_between_two_of_the_querys_own_negatives() -> None:
    negatives = torch.eye(5)[None, :, :].repeat(3, 1, 1)
    mixed = mixed_negatives(negatives, torch.zeros(3, 5), count=200)
    assert mixed.shape == (3, 200, 5)
    assert torch.allclose(mixed.norm(dim=-1), torch.ones(3, 200))
    assert ((mixed > 0).sum(dim=-1) == 2).all()
    # Every pair is as likely as any other.
    assert (mixed > 0).float().mean(dim=(0, 1)) == pytest.approx([0.4] * 5, abs=0.08)


def test_shares_of_pairs_have_the_mean_and_variance_of_beta_2_2() -> None:
    negatives = torch.eye(2)[None].repeat(1, 1, 1)
    mixed = mixed_negatives(negatives, torch.zeros(1, 2), count=20_000)[0]
    share = mixed[:, 0] / mixed.sum(dim=-1)
    assert share.mean() == pytest.approx(0.5, abs=0.01)
    assert share.var() == pytest.approx(1 / 20, abs=0.003)


def test_lists_weigh_by_score() -> None:
    negatives = torch.eye(3)[None]
    mixed = mixed_negatives(negatives, torch.tensor([[4.0, 0.0, 0.0]]), count=500, by="list")[0]
    assert (mixed > 0).all()
    assert (mixed[:, 0] > mixed[:, 1]).float().mean() > 0.95


@pytest.mark.parametrize("by", ["pairs", "list"])
def test_masked_negatives_take_no_part(by: Mixing) -> None:
    negatives = torch.eye(4)[None].repeat(2, 1, 1)
    mask = torch.tensor([[True, True, False, True], [True, False, False, False]])
    mixed = mixed_negatives(negatives, torch.zeros(2, 4), count=50, by=by, mask=mask)
    assert not mixed[0, :, 2].any()
    assert torch.allclose(mixed[1], negatives[1, 0].expand(50, 4))


@pytest.mark.parametrize("by", ["pairs", "list"])
def test_gradients_reach_the_negatives_and_not_the_scores(by: Mixing) -> None:
    negatives = unit(2, 4, 3).double().requires_grad_()
    scores = torch.randn(2, 4, dtype=torch.double, requires_grad=True)
    mixed_negatives(negatives, scores, count=6, by=by).sum().backward()
    assert negatives.grad is not None
    assert negatives.grad.abs().sum() > 0
    assert scores.grad is None


def test_one_negative_is_mixed_with_itself() -> None:
    negatives = unit(2, 1, 3)
    mixed = mixed_negatives(negatives, torch.zeros(2, 1), count=2)
    assert torch.allclose(mixed, negatives.expand(2, 2, 3), atol=1e-6)


def test_equal_seeds_mix_equally() -> None:
    negatives, scores = unit(2, 5, 3), torch.randn(2, 5)
    torch.manual_seed(1)
    one = mixed_negatives(negatives, scores, count=3)
    torch.manual_seed(1)
    assert torch.equal(one, mixed_negatives(negatives, scores, count=3))
