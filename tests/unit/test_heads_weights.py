"""Weights of tokens, EPIC, and what becomes of tokens that stand twice."""

import numpy as np
import pytest
import torch

from lexmax.encoders.heads.epic import EpicHead
from lexmax.encoders.heads.mlm import MlmHead
from lexmax.encoders.heads.mlp import MlpHead
from lexmax.encoders.heads.scatter import Repeats, scatter
from lexmax.encoders.heads.token_weights import BinaryHead, LinearTableHead, TableHead
from lexmax.encoders.heads.weighting import PLAIN, SOFTPLUS, Weighting
from lexmax.errors import EncoderError

IDS = torch.tensor([[4, 2, 4, 0], [5, 0, 0, 0]])
WEIGHTS = torch.tensor([[0.5, 1.0, 0.75, 9.0], [0.25, 0.0, 0.0, 0.0]])
CONTENT = torch.tensor([[True, True, True, False], [True, False, False, False]])


@pytest.mark.parametrize(("how", "expected"), [("max", 0.75), ("set", 0.75), ("sum", 1.25)])
def test_repeated_tokens(how: Repeats, expected: float) -> None:
    found = scatter(IDS, WEIGHTS, CONTENT, n_terms=6, how=how)
    assert found.tolist() == [[0, 0, 1.0, 0, expected, 0], [0, 0, 0, 0, 0, 0.25]]


@pytest.mark.parametrize("how", ["max", "sum"])
def test_some_terms_are_those_columns(how: Repeats) -> None:
    terms = torch.tensor([4, 1, 4, 0])
    some = scatter(IDS, WEIGHTS, CONTENT, n_terms=6, how=how, terms=terms)
    assert some.tolist() == scatter(IDS, WEIGHTS, CONTENT, n_terms=6, how=how)[:, terms].tolist()


@pytest.mark.parametrize("how", ["max", "sum"])
def test_gradient_of_scatter_is_that_of_differences(how: Repeats) -> None:
    weights = WEIGHTS.double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda given: scatter(IDS, given, CONTENT, n_terms=6, how=how), (weights,)
    )


@pytest.mark.parametrize("weighting", [PLAIN, SOFTPLUS, Weighting("identity", "identity")])
def test_a_token_weighs_what_its_state_says(weighting: Weighting) -> None:
    torch.manual_seed(0)
    head = MlpHead(3, n_terms=6, weighting=weighting, scaled=True)
    assert head.scale is not None
    torch.nn.init.constant_(head.scale, 1.5)
    hidden = torch.randn(2, 4, 3)
    logits = (hidden @ head.linear.weight[0] + head.linear.bias).detach().numpy()
    by_name = {
        "relu": np.maximum(logits, 0),
        "softplus": np.log1p(np.log1p(np.exp(logits))),
        "identity": logits,
    }
    expected = 1.5 * by_name[weighting.activation] * CONTENT.numpy()
    found = head(hidden, CONTENT)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5)
    terms = head.scatter(IDS, found, CONTENT)
    assert terms[0, 4].item() == pytest.approx(max(expected[0, 0], expected[0, 2]))


def test_epic_multiplies_importance_and_quality() -> None:
    torch.manual_seed(0)
    mlm = MlmHead.tied(torch.nn.Parameter(torch.randn(6, 3)))
    torch.nn.init.normal_(mlm.bias)
    head = EpicHead(mlm)
    assert head.importance is not None
    assert head.quality is not None
    hidden = torch.randn(2, 4, 3)
    with torch.no_grad():
        logits = mlm.transform(hidden) @ mlm.decoder.T + mlm.bias
        softplus = torch.nn.functional.softplus
        importance = torch.log1p(softplus(head.importance(hidden)))
        each = torch.log1p(softplus(importance * logits)).masked_fill(~CONTENT[..., None], 0)
        expected = each.amax(dim=1) * head.quality(hidden[:, 0]).sigmoid()
        torch.testing.assert_close(head(hidden, CONTENT), expected)
        terms = torch.tensor([5, 2])
        torch.testing.assert_close(head(hidden, CONTENT, terms), expected[:, terms])


def test_epic_without_its_factors_is_a_softplus_mlm() -> None:
    torch.manual_seed(0)
    mlm = MlmHead.tied(torch.nn.Parameter(torch.randn(6, 3)), weighting=SOFTPLUS)
    head = EpicHead(mlm, importance=False, quality=False)
    hidden = torch.randn(2, 4, 3)
    torch.testing.assert_close(head(hidden, CONTENT), mlm(hidden, CONTENT))
    assert len(list(head.parameters())) == len(list(mlm.parameters()))


def test_a_constant_is_never_below_zero() -> None:
    head = BinaryHead(-0.5, learned=True)
    assert head(IDS).tolist() == torch.zeros(2, 4).tolist()
    assert BinaryHead(2, learned=False)(IDS).tolist() == torch.full((2, 4), 2.0).tolist()
    assert not BinaryHead(2, learned=False).weight.requires_grad


def test_a_table_is_looked_up() -> None:
    head = TableHead(torch.arange(6).float(), learned=False)
    assert head(IDS).tolist() == IDS.float().tolist()
    assert not head.weights.requires_grad
    assert TableHead(torch.ones(6), learned=True).weights.requires_grad
    assert head.table().tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("weights", [[1.0, -1.0], [1.0, float("nan")], [[1.0]]])
def test_a_table_that_no_query_can_use_is_refused(weights: list[float]) -> None:
    with pytest.raises(EncoderError, match="none below zero"):
        TableHead(torch.tensor(weights), learned=False)


def test_a_linear_table_is_made_of_embeddings_that_it_leaves_alone() -> None:
    torch.manual_seed(0)
    embeddings = torch.nn.Parameter(torch.randn(6, 3))
    head = LinearTableHead(embeddings)
    with torch.no_grad():
        expected = torch.log1p(torch.relu(head.linear(embeddings)[:, 0]))
    torch.testing.assert_close(head.table(), expected)
    torch.testing.assert_close(head(IDS), expected[IDS])
    head(IDS).sum().backward()
    assert embeddings.grad is None
    assert head.linear.weight.grad is not None
