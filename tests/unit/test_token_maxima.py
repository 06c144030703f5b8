"""Best tokens of documents: values, ties, padding and gradients against the plain computation."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lexmax.encoders.training import token_maxima as module
from lexmax.encoders.training.token_maxima import PaddedTokens, token_maxima
from lexmax.errors import ShapeError


def tokens(lengths: list[int], *, seed: int, width: int = 5, dim: int = 4) -> PaddedTokens:
    """Unit vectors in float64; what is padding holds large numbers."""
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(len(lengths), width, dim, generator=generator, dtype=torch.float64)
    vectors = torch.nn.functional.normalize(vectors, dim=-1)
    mask = torch.arange(width) < torch.tensor(lengths).reshape(-1, 1)
    return PaddedTokens(torch.where(mask[..., None], vectors, 99.0), mask)


def plain(queries: PaddedTokens, documents: PaddedTokens) -> Tensor:
    """All inner products, (n_queries, width, n_documents, width), -inf at padding of documents."""
    products = torch.einsum("bid,cjd->bicj", queries.vectors, documents.vectors)
    return products.masked_fill(~documents.mask, -torch.inf)


@pytest.fixture(params=["one part", "many parts"], autouse=True)
def _parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "many parts":
        monkeypatch.setattr(module, "PART_BYTES", 1)
        monkeypatch.setattr(module, "_LEAST_GROUP", 1)


QUERIES = tokens([3, 1, 5, 0], seed=1)
DOCUMENTS = tokens([4, 0, 5, 1, 2], seed=2)


def test_maxima_are_those_of_all_products() -> None:
    found = token_maxima(QUERIES, DOCUMENTS)
    torch.testing.assert_close(found.best, plain(QUERIES, DOCUMENTS).amax(dim=3))
    assert found.nth is None
    assert torch.all(found.best[:, :, 1] == -torch.inf)


@pytest.mark.parametrize("n", [1, 3, 12, 13, 100])
def test_the_nth_is_counted_over_all_documents_without_padding(n: int) -> None:
    found = token_maxima(QUERIES, DOCUMENTS, n=n)
    products = plain(QUERIES, DOCUMENTS).flatten(2).numpy()
    assert DOCUMENTS.mask.sum() == 12
    expected = np.sort(products, axis=2)[:, :, ::-1][:, :, min(n, 12) - 1]
    assert found.nth is not None
    np.testing.assert_allclose(found.nth.numpy(), expected)


def test_gradients_are_those_of_the_plain_computation() -> None:
    gradients: list[list[Tensor]] = []
    for function in (lambda q, d: token_maxima(q, d).best, lambda q, d: plain(q, d).amax(dim=3)):
        a = QUERIES.vectors.clone().requires_grad_()
        b = DOCUMENTS.vectors.clone().requires_grad_()
        best = function(PaddedTokens(a, QUERIES.mask), PaddedTokens(b, DOCUMENTS.mask))
        weights = torch.linspace(-1, 2, best.numel(), dtype=torch.float64).reshape(best.shape)
        (torch.where(best > -torch.inf, best, 0) * weights).sum().backward()
        assert a.grad is not None
        assert b.grad is not None
        gradients.append([a.grad, b.grad])
    for ours, reference in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, reference)
    assert torch.all(gradients[0][1][~DOCUMENTS.mask] == 0)


def test_gradcheck() -> None:
    queries, documents = tokens([2, 1], seed=3, width=2), tokens([3, 2], seed=4, width=3)

    def best(a: Tensor, b: Tensor) -> Tensor:
        return token_maxima(
            PaddedTokens(a, queries.mask), PaddedTokens(b, documents.mask)
        ).best.sum()

    inputs = (queries.vectors.requires_grad_(), documents.vectors.requires_grad_())
    assert torch.autograd.gradcheck(best, inputs)


def test_among_equal_tokens_the_first_has_the_gradient() -> None:
    same = torch.ones(1, 3, 2).requires_grad_()
    queries = PaddedTokens(torch.ones(1, 1, 2), torch.ones(1, 1, dtype=torch.bool))
    token_maxima(queries, PaddedTokens(same, torch.ones(1, 3, dtype=torch.bool))).best.backward(
        torch.ones(1, 1, 1)
    )
    assert same.grad is not None
    assert same.grad[0].tolist() == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]


def test_only_one_side_may_be_trained() -> None:
    a = QUERIES.vectors.clone().requires_grad_()
    best = token_maxima(PaddedTokens(a, QUERIES.mask), DOCUMENTS).best
    torch.where(best > -torch.inf, best, 0).sum().backward()
    assert a.grad is not None
    assert DOCUMENTS.vectors.grad is None


def test_low_precision_keeps_its_dtype_and_gives_float32() -> None:
    a = QUERIES.vectors.bfloat16().requires_grad_()
    half = PaddedTokens(DOCUMENTS.vectors.bfloat16(), DOCUMENTS.mask)
    best = token_maxima(PaddedTokens(a, QUERIES.mask), half).best
    assert best.dtype == torch.float32
    torch.where(best > -torch.inf, best, 0).sum().backward()
    assert a.grad is not None
    assert a.grad.dtype == torch.bfloat16


def test_no_documents_and_no_queries() -> None:
    nothing = PaddedTokens(torch.zeros(0, 0, 4, dtype=torch.float64), torch.zeros(0, 0).bool())
    assert token_maxima(QUERIES, nothing, n=2).best.shape == (4, 5, 0)
    assert token_maxima(nothing, DOCUMENTS, n=2).best.shape == (0, 0, 5)
    silent = PaddedTokens(torch.zeros(1, 0, 4, dtype=torch.float64), torch.zeros(1, 0).bool())
    assert token_maxima(silent, DOCUMENTS, n=2).best.shape == (1, 0, 5)
    empty = DOCUMENTS.rows(torch.tensor([1]))
    found = token_maxima(QUERIES, empty, n=2)
    assert found.nth is not None
    assert torch.all(found.nth == -torch.inf)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="queries have dim 4, documents 3"):
        token_maxima(QUERIES, tokens([1], seed=1, dim=3))
    with pytest.raises(ShapeError, match="n is 0"):
        token_maxima(QUERIES, DOCUMENTS, n=0)
    with pytest.raises(ShapeError, match=r"mask \(2, 5\)"):
        PaddedTokens(QUERIES.vectors, QUERIES.mask[:2])
