"""Clusters in training: the same vectors as in a collection, with gradients through the means."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from lexmax.encoders.pooling import Count, Pooling
from lexmax.encoders.training.crisp import CRISP, pooled
from lexmax.encoders.training.token_maxima import PaddedTokens
from lexmax.errors import EncoderError
from lexmax.types import TokenBatch

LENGTHS = [9, 0, 1, 40, 3, 17]
WAYS = [
    *(pooling for pair in CRISP.values() for pooling in pair),
    Pooling("ward", Count(factor=2)),
    Pooling("ward", Count(tokens=5)),
    Pooling("kmeans", Count(factor=3), seed=7),
]


def _tokens(lengths: list[int], *, seed: int = 0, dim: int = 8) -> PaddedTokens:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(len(lengths), max(lengths) + 2, dim, generator=generator)
    mask = torch.arange(vectors.shape[1]) < torch.tensor(lengths)[:, None]
    unit = torch.nn.functional.normalize(vectors, dim=-1)
    return PaddedTokens(torch.where(mask[..., None], unit, 99.0), mask)


def _batch(tokens: PaddedTokens) -> TokenBatch:
    rows = [v[m].numpy() for v, m in zip(tokens.vectors, tokens.mask, strict=True)]
    return TokenBatch.from_rows(rows, tokens.dim)


@pytest.mark.parametrize("pooling", WAYS, ids=lambda pooling: pooling.spec)
def test_training_sees_what_the_index_will_hold(pooling: Pooling) -> None:
    tokens = _tokens(LENGTHS)
    found = pooled(tokens, pooling)
    expected = pooling.pool(_batch(tokens)).tokens
    assert found.mask.sum(dim=1).tolist() == np.diff(expected.offsets).tolist()
    np.testing.assert_allclose(found.vectors[found.mask].numpy(), expected.vectors, atol=1e-6)


@pytest.mark.parametrize("pooling", WAYS, ids=lambda pooling: pooling.spec)
def test_no_vector_is_zero_and_none_is_more_than_the_text_had(pooling: Pooling) -> None:
    found = pooled(_tokens(LENGTHS), pooling)
    lengths = found.vectors[found.mask].norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))
    assert torch.all(found.mask.sum(dim=1) <= torch.tensor(LENGTHS))
    assert found.mask.shape[1] == found.mask.sum(dim=1).max()


@pytest.mark.parametrize(
    ("name", "queries", "documents"),
    [
        ("C4x8", lambda n: min(n, 4), lambda n: min(n, 8)),
        ("C8x32", lambda n: min(n, 8), lambda n: min(n, 32)),
        ("C25", lambda n: max(math.floor(n / 4), min(n, 1)), None),
        ("C50", lambda n: max(math.floor(n / 2), min(n, 1)), None),
        ("K2", lambda n: math.ceil(n / 2), None),
        ("tail4x8", lambda n: min(n, 4), lambda n: min(n, 8)),
    ],
)
def test_the_papers_variants_keep_as_many_as_it_says(
    name: str, queries: Callable[[int], int], documents: Callable[[int], int] | None
) -> None:
    for pooling, count in zip(CRISP[name], (queries, documents or queries), strict=True):
        found = pooled(_tokens(LENGTHS), pooling)
        assert found.mask.sum(dim=1).tolist() == [count(n) for n in LENGTHS]


def test_a_text_no_longer_than_k_stays_as_it_is() -> None:
    tokens = _tokens([8, 3, 5])
    found = pooled(tokens, CRISP["C4x8"][1])
    torch.testing.assert_close(found.vectors[found.mask], tokens.vectors[tokens.mask])


@pytest.mark.parametrize("pooling", WAYS, ids=lambda pooling: pooling.spec)
def test_gradients_flow_through_the_means(pooling: Pooling) -> None:
    tokens = _tokens([9, 0, 12], dim=3)
    mask = tokens.mask
    flat = tokens.vectors[mask].double().requires_grad_()

    def means(given: Tensor) -> Tensor:
        unit = torch.nn.functional.normalize(given, dim=-1)
        vectors = torch.zeros(*mask.shape, 3, dtype=torch.float64).masked_scatter(
            mask[..., None], unit
        )
        found = pooled(PaddedTokens(vectors, mask), pooling)
        return found.vectors[found.mask]

    assert torch.autograd.gradcheck(means, (flat,))


@pytest.mark.parametrize("pooling", [CRISP["C50"][1], Pooling("ward", Count(factor=2))], ids=str)
def test_every_member_of_a_cluster_learns(pooling: Pooling) -> None:
    tokens = _tokens([20])
    vectors = tokens.vectors.clone().requires_grad_()
    found = pooled(PaddedTokens(vectors, tokens.mask), pooling)
    (found.vectors[found.mask] ** 3).sum().backward()
    assert vectors.grad is not None
    assert torch.all(vectors.grad[tokens.mask].norm(dim=-1) > 0)
    assert torch.all(vectors.grad[~tokens.mask] == 0)


def test_members_that_cancel_out_leave_the_first_and_a_finite_gradient() -> None:
    opposite = torch.tensor([[[0.0, 1.0], [0.0, -1.0]]]).requires_grad_()
    tokens = PaddedTokens(opposite, torch.ones(1, 2, dtype=torch.bool))
    found = pooled(tokens, Pooling("kmeans", Count(tokens=1)))
    assert found.vectors.tolist() == [[[0.0, 1.0]]]
    found.vectors.sum().backward()
    assert opposite.grad is not None
    assert torch.isfinite(opposite.grad).all()


def test_texts_without_tokens_stay_without() -> None:
    found = pooled(_tokens([0, 0, 0]), CRISP["C4x8"][0])
    assert found.vectors.shape == (3, 0, 8)


def test_texts_that_are_too_long_to_cluster_are_refused() -> None:
    long = PaddedTokens(torch.zeros(1, 4097, 2), torch.ones(1, 4097, dtype=torch.bool))
    with pytest.raises(EncoderError, match="found a text of 4,097 tokens"):
        pooled(long, CRISP["C4x8"][1])
