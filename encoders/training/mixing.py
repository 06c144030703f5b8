"""Which harder negatives lie between those that there are?

Online hard-negative mixing of KaLM-Embedding-V2 (2506.20923, section 3.3): normalised convex
combinations of the hard negatives' vectors stand among the negatives as well.
"""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import torch

Mixing: TypeAlias = Literal["pairs", "list"]

_SHAPE = 2.0


def mixed_negatives(
    negatives: torch.Tensor,
    scores: torch.Tensor,
    *,
    count: int,
    by: Mixing = "pairs",
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """`count` new negatives of every query, unit length, float (B, count, d), with gradient.

    Draws come from torch's global generator of the device.

    Args:
        negatives: Vectors of hard negatives, (B, N, d).
        scores: What the query gives them, (B, N); only "list" looks at them, without gradient.
        count: New negatives a query.
        by: pairs, lambda a + (1 - lambda) b of two of them, lambda ~ Beta(2, 2), drawn with a
            chance of 1/N each; list, the sum of all, each times its softmax share of `scores`
            times a factor drawn alike.
        mask: Which negatives there are, bool (B, N); every query with one or more. A query of
            one gets that one again.
    """
    present = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask
    with torch.no_grad():
        shares = _SHARES[by](scores.detach().float(), present, count)
    mixed = shares.to(negatives.dtype) @ negatives
    return torch.nn.functional.normalize(mixed, dim=-1)


def _pair_shares(scores: torch.Tensor, present: torch.Tensor, count: int) -> torch.Tensor:
    """Shares (B, count, N) of two different negatives, or of one where there is one."""
    b, n = scores.shape
    order = torch.rand(b, count, n, device=scores.device)
    order = order.masked_fill(~present[:, None, :], -1.0)
    two = order.topk(min(2, n), dim=-1).indices
    drawn = _beta((b, count, 1), scores.device)
    parts = torch.cat([drawn, 1 - drawn], dim=-1)[..., : two.shape[-1]]
    shares = torch.zeros(b, count, n, device=scores.device).scatter(-1, two, parts)
    return _summing_to_one(shares * present[:, None, :])


def _list_shares(scores: torch.Tensor, present: torch.Tensor, count: int) -> torch.Tensor:
    """Shares (B, count, N) by softmax of the scores, each shaken by a draw."""
    by_score = scores.masked_fill(~present, -torch.inf).softmax(dim=-1)
    drawn = _beta((len(scores), count, scores.shape[1]), scores.device)
    return _summing_to_one(by_score[:, None, :] * drawn)


def _summing_to_one(shares: torch.Tensor) -> torch.Tensor:
    return shares / shares.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(shares.dtype).tiny)


def _beta(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    concentration = torch.full(shape, _SHAPE, device=device)
    return torch.distributions.Beta(concentration, concentration).sample()


_SHARES: Mapping[Mixing, Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]] = {
    "pairs": _pair_shares,
    "list": _list_shares,
}
