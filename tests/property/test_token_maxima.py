"""Best tokens of any batch: as all inner products say, whatever the padding and the parts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.encoders.training import token_maxima as module
from lexmax.encoders.training.token_maxima import PaddedTokens, token_maxima
from lexmax.encoders.training.token_objective import MaxSim
from lexmax.encoders.training.xtr import Xtr

lengths = st.lists(st.integers(0, 6), min_size=0, max_size=7)
seeds = st.integers(0, 2**32 - 1)


def _tokens(lengths: list[int], seed: int, padding: int) -> PaddedTokens:
    """Vectors of few values, so that there are ties; large numbers where there is no token."""
    random = np.random.default_rng(seed)
    width = max(lengths, default=0) + padding
    mask = np.zeros((len(lengths), width), np.bool_)
    for row, length in zip(mask, lengths, strict=True):
        row[random.permutation(width)[:length]] = True
    vectors = random.integers(-2, 3, (len(lengths), width, 3)).astype(np.float64)
    vectors[~mask] = 1e6
    return PaddedTokens(torch.from_numpy(vectors), torch.from_numpy(mask))


def _maxima(queries: PaddedTokens, documents: PaddedTokens) -> torch.Tensor:
    products = torch.einsum("bid,cjd->bicj", queries.vectors, documents.vectors)
    filled = products.masked_fill(~documents.mask, -torch.inf)
    empty = torch.full((*filled.shape[:3], 1), -torch.inf, dtype=filled.dtype)
    return torch.cat([filled, empty], dim=3)


@settings(deadline=None, max_examples=150)
@given(lengths, lengths, seeds, st.integers(0, 3), st.integers(1, 20), st.booleans())
def test_maxima_and_the_nth(
    of_queries: list[int], of_documents: list[int], seed: int, padding: int, n: int, whole: bool
) -> None:
    queries = _tokens(of_queries, seed, padding)
    documents = _tokens(of_documents, seed + 1, padding)
    with pytest.MonkeyPatch.context() as patch:
        if not whole:
            patch.setattr(module, "PART_BYTES", 1)
            patch.setattr(module, "_LEAST_GROUP", 1)
        found = token_maxima(queries, documents, n=n)
    expected = _maxima(queries, documents)
    assert torch.equal(found.best, expected.amax(dim=3))
    assert found.nth is not None
    everything = expected.flatten(2).sort(dim=2, descending=True).values
    real = int(documents.mask.sum())
    if real:
        assert torch.equal(found.nth, everything[:, :, min(n, real) - 1])
    else:
        assert torch.all(found.nth == -torch.inf)


@settings(deadline=None, max_examples=100)
@given(lengths, lengths, seeds, st.integers(1, 20), st.randoms(use_true_random=False))
def test_scores_of_a_pair_do_not_depend_on_where_it_stands(
    of_queries: list[int], of_documents: list[int], seed: int, k: int, random: object
) -> None:
    queries, documents = _tokens(of_queries, seed, 1), _tokens(of_documents, seed + 1, 2)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(of_documents)))
    for interaction in (MaxSim(), MaxSim(mean=True), Xtr(k)):
        straight = interaction.scores(queries, documents)
        turned = interaction.scores(queries, documents.rows(order))
        assert torch.equal(turned, straight[:, order])
        assert torch.isfinite(straight).all()
