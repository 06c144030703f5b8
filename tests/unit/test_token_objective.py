"""MaxSim of padded batches against loops, and how a teacher's scores are learned."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lexmax.encoders.training.supervision import Scored
from lexmax.encoders.training.token_maxima import PaddedTokens, padded, side_by_side
from lexmax.encoders.training.token_objective import Distillation, MaxSim
from lexmax.types import TokenBatch


def _rows(lengths: list[int], *, seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.standard_normal((length, 4)).astype(np.float32) for length in lengths]


QUERIES, DOCUMENTS = _rows([3, 1, 0], seed=1), _rows([2, 5, 0, 1], seed=2)
CPU = torch.device("cpu")


def _padded(rows: list[np.ndarray]) -> PaddedTokens:
    return padded(TokenBatch.from_rows(rows, 4), CPU)


@pytest.mark.parametrize("mean", [True, False])
def test_maxsim_is_that_of_loops(mean: bool) -> None:
    found = MaxSim(mean=mean).scores(_padded(QUERIES), _padded(DOCUMENTS)).numpy()
    for b, query in enumerate(QUERIES):
        for c, document in enumerate(DOCUMENTS):
            best = [max((float(q @ d) for d in document), default=0.0) for q in query]
            expected = sum(best) / (max(len(best), 1) if mean else 1)
            assert found[b, c] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mean", [True, False])
def test_maxsim_gradcheck(mean: bool) -> None:
    queries, documents = _padded(QUERIES), _padded(DOCUMENTS)

    def scores(a: Tensor, b: Tensor) -> Tensor:
        given = PaddedTokens(a, queries.mask), PaddedTokens(b, documents.mask)
        return MaxSim(mean=mean).scores(*given)

    a, b = queries.vectors.double(), documents.vectors.double()
    assert torch.autograd.gradcheck(scores, (a.requires_grad_(), b.requires_grad_()))


def test_side_by_side_leaves_no_gaps_and_keeps_gradients() -> None:
    flat = torch.arange(12.0).reshape(6, 2).requires_grad_()
    found = side_by_side(flat, torch.tensor([2, 0, 4]))
    assert found.mask.tolist() == [[True] * 2 + [False] * 2, [False] * 4, [True] * 4]
    assert torch.equal(found.vectors[found.mask], flat)
    found.vectors.sum().backward()
    assert flat.grad is not None
    assert torch.all(flat.grad == 1)


def test_a_teacher_is_learned_whatever_else_is_relevant() -> None:
    """Documents that are no negatives still have a teacher's score."""
    relevant = torch.tensor([[False, True, False]])
    scored = Scored(
        torch.tensor([[1.0, 2.0, 3.0]]),
        torch.tensor([[0]]),
        torch.ones(1),
        also_relevant=relevant,
    )
    taught = torch.tensor([[3.0, 2.0, 1.0]])
    student, teacher = (torch.softmax(s, dim=1) for s in (scored.scores, taught))
    kl = float((teacher * (teacher / student).log()).sum())
    assert float(Distillation().of(scored, taught)) == pytest.approx(kl, rel=1e-5)
    mse = Distillation(loss="margin-mse").of(scored, taught)
    assert float(mse) == pytest.approx(((-1 - 1) ** 2 + (-2 - 2) ** 2) / 2)
