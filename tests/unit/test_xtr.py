"""XTR's objective against numpy, token by token, and the pitfalls that public code fell into."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexmax.encoders.training.token_maxima import PaddedTokens
from lexmax.encoders.training.xtr import Xtr
from lexmax.errors import EncoderError


def _tokens(lengths: list[int], *, seed: int, width: int, dim: int = 6) -> PaddedTokens:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(len(lengths), width, dim, generator=generator, dtype=torch.float64)
    mask = torch.arange(width) < torch.tensor(lengths).reshape(-1, 1)
    return PaddedTokens(torch.nn.functional.normalize(vectors, dim=-1), mask)


def _reference(queries: PaddedTokens, documents: PaddedTokens, k: int) -> NDArray[np.float64]:
    """f(Q, D) by loops: the top k of all real tokens, the maximum over those of D, the sum by Z."""
    scores = np.zeros((len(queries), len(documents)))
    real = [
        (c, documents.vectors[c, j].numpy())
        for c in range(len(documents))
        for j in range(documents.mask.shape[1])
        if documents.mask[c, j]
    ]
    for b in range(len(queries)):
        counts = np.zeros(len(documents))
        for i in np.flatnonzero(queries.mask[b].numpy()):
            products = [(float(queries.vectors[b, i].numpy() @ v), c) for c, v in real]
            top = sorted(products, reverse=True)[:k]
            for c in {c for _, c in top}:
                scores[b, c] += max(product for product, of in top if of == c)
                counts[c] += 1
        scores[b] /= np.maximum(counts, 1)
    return scores


QUERIES = _tokens([3, 1, 4, 0], seed=1, width=4)
DOCUMENTS = _tokens([5, 2, 0, 4, 1], seed=2, width=6)


@pytest.mark.parametrize("k", [1, 2, 4, 7, 12, 40])
def test_scores_are_the_papers_formula(k: int) -> None:
    found = Xtr(retrieved=k).scores(QUERIES, DOCUMENTS)
    np.testing.assert_allclose(found.numpy(), _reference(QUERIES, DOCUMENTS, k), atol=1e-12)


def test_few_retrieved_tokens_leave_documents_at_zero() -> None:
    found = Xtr(retrieved=1).scores(QUERIES, DOCUMENTS)
    assert torch.all((found != 0).sum(dim=1) <= QUERIES.mask.sum(dim=1))
    assert torch.all(found[:, 2] == 0)
    assert torch.all(found[3] == 0)


def test_all_tokens_retrieved_is_maxsim_by_query_length() -> None:
    products = torch.einsum("bid,cjd->bicj", QUERIES.vectors, DOCUMENTS.vectors)
    best = products.masked_fill(~DOCUMENTS.mask, -torch.inf).amax(dim=3)
    maxsim = (best * QUERIES.mask[..., None]).sum(dim=1) / QUERIES.mask.sum(1).clamp(1)[:, None]
    found = Xtr(retrieved=1000).scores(QUERIES, DOCUMENTS)
    torch.testing.assert_close(found[:3, [0, 1, 3, 4]], maxsim[:3, [0, 1, 3, 4]])


def test_a_negative_product_that_was_retrieved_is_kept() -> None:
    """Multiplying by 0 or 1 instead of leaving out would let 0 win, and count it as none."""
    one = torch.ones(1, 1, dtype=torch.bool)
    queries = PaddedTokens(torch.tensor([[[1.0, 0.0]]]), one)
    documents = PaddedTokens(torch.tensor([[[-0.5, 0.0]], [[-0.9, 0.0]]]), one.repeat(2, 1))
    assert Xtr(retrieved=2).scores(queries, documents).tolist() == [[-0.5, pytest.approx(-0.9)]]
    assert Xtr(retrieved=1).scores(queries, documents).tolist() == [[-0.5, 0.0]]


def test_padding_takes_no_place_among_the_retrieved() -> None:
    wide = PaddedTokens(
        torch.nn.functional.pad(DOCUMENTS.vectors, (0, 0, 0, 3), value=50.0),
        torch.nn.functional.pad(DOCUMENTS.mask, (0, 3)),
    )
    for k in (1, 3, 12):
        torch.testing.assert_close(
            Xtr(k).scores(QUERIES, wide), Xtr(k).scores(QUERIES, DOCUMENTS), rtol=0, atol=0
        )


def test_padding_of_a_query_retrieves_nothing() -> None:
    wide = PaddedTokens(
        torch.nn.functional.pad(QUERIES.vectors, (0, 0, 0, 2), value=50.0),
        torch.nn.functional.pad(QUERIES.mask, (0, 2)),
    )
    torch.testing.assert_close(Xtr(3).scores(wide, DOCUMENTS), Xtr(3).scores(QUERIES, DOCUMENTS))


def test_the_order_of_documents_does_not_matter_even_among_ties() -> None:
    twice = DOCUMENTS.rows(torch.tensor([0, 0, 1, 3]))
    found = Xtr(retrieved=1).scores(QUERIES, twice)
    torch.testing.assert_close(found[:, 0], found[:, 1], rtol=0, atol=0)
    turned = Xtr(retrieved=1).scores(QUERIES, twice.rows(torch.tensor([3, 2, 1, 0])))
    torch.testing.assert_close(turned.flip(1), found, rtol=0, atol=0)


def test_gradcheck() -> None:
    def scores(a: Tensor, b: Tensor) -> Tensor:
        return Xtr(3).scores(PaddedTokens(a, QUERIES.mask), PaddedTokens(b, DOCUMENTS.mask))

    a, b = QUERIES.vectors.clone().requires_grad_(), DOCUMENTS.vectors.clone().requires_grad_()
    assert torch.autograd.gradcheck(scores, (a, b))


def test_what_is_not_retrieved_has_no_gradient() -> None:
    b = DOCUMENTS.vectors.clone().requires_grad_()
    found = Xtr(retrieved=1).scores(QUERIES, PaddedTokens(b, DOCUMENTS.mask))
    found.sum().backward()
    assert b.grad is not None
    untouched = (found == 0).all(dim=0)
    assert untouched.sum() >= 2
    assert torch.all(b.grad[untouched] == 0)


def test_none_retrieved_is_no_objective() -> None:
    with pytest.raises(EncoderError, match="retrieved is 0; expected 1 or more"):
        Xtr(retrieved=0)
