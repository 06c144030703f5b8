"""Every loss against plain numpy, its gradient against differences, and what it leaves out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from lexmax.encoders.training import losses
from lexmax.errors import ShapeError

NAN = float("nan")
SCORES = np.array([[2.0, 1.0, -0.5, 0.25], [0.5, 0.75, 3.0, -1.0], [1.0, -2.0, 0.0, 0.5]])
TEACHER = np.array([[9.0, 4.0, 1.0, 4.5], [3.0, 5.0, 2.0, -1.0], [1.0, 0.0, 2.5, -4.0]])
MASK = np.array([[1, 1, 0, 1], [1, 1, 1, 1], [0, 1, 1, 0]], dtype=bool)
WEIGHTS = np.array([1.0, 0.25, 2.0])


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum()


def by_sample(
    one: Callable[[np.ndarray, np.ndarray], float],
    *,
    scores: np.ndarray = SCORES,
    teacher: np.ndarray = TEACHER,
) -> float:
    """Sum of weighted losses of samples over their number; what is masked is cut out of them."""
    total = 0.0
    for s, t, m, w in zip(scores, teacher, MASK, WEIGHTS, strict=True):
        kept = m.copy()
        kept[0] = True
        total += w * one(s[kept], t[kept])
    return total / len(scores)


def of_contrastive(s: np.ndarray, t: np.ndarray) -> float:
    return float(-np.log(softmax(s / 0.7)[0]))


def of_focal(s: np.ndarray, t: np.ndarray) -> float:
    p = softmax(s / 0.7)[0]
    return float(-np.log(p) * (1 - p) ** 0.5)


def of_one_minus_softmax(s: np.ndarray, t: np.ndarray) -> float:
    return float(1 - softmax(s)[0])


def of_margin_mse(s: np.ndarray, t: np.ndarray) -> float:
    return float(np.mean([((s[0] - s[i]) - (t[0] - t[i])) ** 2 for i in range(1, len(s))]))


def of_kl(s: np.ndarray, t: np.ndarray) -> float:
    target, learned = softmax(t / 3), softmax(s / 0.7)
    return float(np.sum(target * np.log(target / learned)))


def of_pld(s: np.ndarray, t: np.ndarray) -> float:
    shares = softmax(t / 2)
    order = [0, *sorted(range(1, len(t)), key=lambda i: -t[i])]
    chances = [softmax(s[order[i:]])[0] for i in range(len(order))]
    return float(-sum(shares[j] * np.log(c) for j, c in zip(order, chances, strict=True)))


def of_triplet(s: np.ndarray, t: np.ndarray) -> float:
    return float(np.mean(np.maximum(0, s[1:] - s[0] + 0.5)))


def of_multi_similarity(s: np.ndarray, t: np.ndarray) -> float:
    good = [s[0]] if s[0] - 0.1 < s[1:].max() else []
    bad = [x for x in s[1:] if x + 0.1 > s[0]]
    pulled = np.log1p(sum(np.exp(-2 * (x - 0.5)) for x in good)) / 2
    return float(pulled + np.log1p(sum(np.exp(5 * (x - 0.5)) for x in bad)) / 5)


def of_lambda_pairwise(s: np.ndarray, t: np.ndarray) -> float:
    ranks = np.argsort(np.argsort(-s, kind="stable"), kind="stable") + 1
    gains = np.where(ranks <= 2, 1 / ranks, 0.0)
    terms = [np.log1p(np.exp(s[i] - s[0])) * abs(gains[i] - gains[0]) for i in range(1, len(s))]
    return float(np.mean(terms))


def of_yes_no(s: np.ndarray, t: np.ndarray) -> float:
    yes = 1 / (1 + np.exp(-s))
    return float(np.mean([-np.log(yes[0]), *(-np.log(1 - yes[1:]))]))


CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "contrastive": (losses.contrastive, of_contrastive, {"temperature": 0.7}),
    "focal": (losses.focal, of_focal, {"temperature": 0.7}),
    "one_minus_softmax": (losses.one_minus_softmax, of_one_minus_softmax, {}),
    "margin_mse": (losses.margin_mse, of_margin_mse, {}),
    "kl": (losses.kl, of_kl, {"temperature": 0.7, "teacher_temperature": 3.0}),
    "pld": (losses.pld, of_pld, {"temperature": 2.0}),
    "triplet": (losses.triplet, of_triplet, {"margin": 0.5}),
    "multi_similarity": (losses.multi_similarity, of_multi_similarity, {"beta": 5.0}),
    "lambda_pairwise": (losses.lambda_pairwise, of_lambda_pairwise, {"cut": 2}),
    "yes_no": (losses.yes_no, of_yes_no, {}),
}
TAUGHT = {"margin_mse", "kl", "pld"}


def compute(name: str, scores: torch.Tensor, **given: Any) -> torch.Tensor:
    loss, _, values = CASES[name]
    if name in TAUGHT:
        given = {"teacher": torch.tensor(TEACHER), **given}
    return loss(scores, **values, **given)


@pytest.mark.parametrize("name", CASES)
def test_loss_is_that_of_numpy(name: str) -> None:
    found = compute(
        name, torch.tensor(SCORES), mask=torch.tensor(MASK), weights=torch.tensor(WEIGHTS)
    )
    assert found.shape == ()
    assert found.item() == pytest.approx(by_sample(CASES[name][1]), rel=1e-12)


@pytest.mark.parametrize("name", [name for name in CASES if name not in {"focal"}])
def test_gradient_is_that_of_differences(name: str) -> None:
    scores = torch.tensor(SCORES, requires_grad=True)
    mask, weights = torch.tensor(MASK), torch.tensor(WEIGHTS)
    assert torch.autograd.gradcheck(
        lambda given: compute(name, given, mask=mask, weights=weights), (scores,)
    )


def test_gradient_of_focal_takes_its_factor_for_a_constant() -> None:
    scores = torch.tensor(SCORES, requires_grad=True)
    losses.focal(scores).backward()
    plain = torch.tensor(SCORES, requires_grad=True)
    factor = (1 - torch.softmax(plain.detach(), 1)[:, 0]) ** 0.5
    losses.contrastive(plain, weights=factor).backward()
    torch.testing.assert_close(scores.grad, plain.grad)


@pytest.mark.parametrize("name", CASES)
def test_weights_multiply_samples_before_the_mean(name: str) -> None:
    scores = torch.tensor(SCORES)
    each = [compute(name, scores[i : i + 1], **_row(name, i)).item() for i in range(len(SCORES))]
    found = compute(name, scores, weights=torch.tensor(WEIGHTS)).item()
    assert found == pytest.approx(float(np.dot(WEIGHTS, each)) / 3)
    assert found != pytest.approx(np.mean(each) * np.mean(WEIGHTS))


def _row(name: str, i: int) -> dict[str, Any]:
    return {"teacher": torch.tensor(TEACHER[i : i + 1])} if name in TAUGHT else {}


@pytest.mark.parametrize("name", sorted(TAUGHT))
def test_what_the_teacher_did_not_score_is_as_if_it_were_not_there(name: str) -> None:
    teacher = torch.tensor(TEACHER)
    teacher[:, 2] = NAN
    scores = torch.tensor(SCORES, requires_grad=True)
    found = compute(name, scores, teacher=teacher)
    without = compute(
        name, torch.tensor(np.delete(SCORES, 2, 1)), teacher=torch.tensor(np.delete(TEACHER, 2, 1))
    )
    assert found.item() == pytest.approx(without.item())
    found.backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert (scores.grad[:, 2] == 0).all()


@pytest.mark.parametrize("name", sorted(TAUGHT))
def test_a_sample_that_no_teacher_scored_has_loss_zero(name: str) -> None:
    scores = torch.tensor(SCORES, requires_grad=True)
    found = compute(name, scores, teacher=torch.full((3, 4), NAN, dtype=torch.float64))
    found.backward()
    assert found.item() == 0
    assert scores.grad is not None
    assert (scores.grad == 0).all()


def test_margin_mse_needs_the_score_of_the_positive() -> None:
    teacher = torch.tensor(TEACHER)
    teacher[1, 0] = NAN
    without = losses.margin_mse(torch.tensor(SCORES[[0, 2]]), teacher=torch.tensor(TEACHER[[0, 2]]))
    found = losses.margin_mse(torch.tensor(SCORES), teacher=teacher)
    assert found.item() == pytest.approx(without.item() * 2 / 3)


@pytest.mark.parametrize("name", CASES)
def test_a_positive_alone_and_no_samples_at_all_are_defined(name: str) -> None:
    alone = {"teacher": torch.tensor(TEACHER[:, :1])} if name in TAUGHT else {}
    none = {"teacher": torch.zeros(0, 3)} if name in TAUGHT else {}
    assert compute(name, torch.tensor(SCORES[:, :1]), **alone).isfinite()
    assert compute(name, torch.zeros(0, 3), **none).item() == 0


def test_pld_is_cross_entropy_where_only_the_first_draw_counts() -> None:
    scores, teacher = torch.tensor(SCORES), torch.tensor([[500.0, 0, 0, 0]] * 3).double()
    first = losses.pld(scores, teacher=teacher, top=1)
    assert first.item() == pytest.approx(losses.contrastive(scores).item())


def test_pld_does_not_change_when_all_scores_move() -> None:
    scores, teacher = torch.tensor(SCORES), torch.tensor(TEACHER)
    moved = losses.pld(scores + 1000, teacher=teacher)
    assert moved.item() == pytest.approx(losses.pld(scores, teacher=teacher).item())


def test_large_scores_do_not_overflow() -> None:
    scores = torch.tensor([[-300.0, 300.0, 250.0]])
    teacher = torch.tensor([[400.0, -400.0, 0.0]])
    for loss, _, _ in CASES.values():
        given = {"teacher": teacher} if loss.__name__ in TAUGHT else {}
        assert loss(scores, **given).isfinite(), loss.__name__


def test_multi_similarity_takes_several_positives() -> None:
    scores = torch.tensor([[0.9, 0.2, 0.5, -0.4]], dtype=torch.float64, requires_grad=True)
    positives = torch.tensor([[True, True, False, False]])
    found = losses.multi_similarity(scores, positives=positives)
    pulled = np.log1p(np.exp(-2 * (0.2 - 0.5))) / 2  # .9 is further than .1 above the highest.
    pushed = np.log1p(np.exp(50 * (0.5 - 0.5))) / 50  # -.4 is further than .1 below the lowest.
    assert found.item() == pytest.approx(pulled + pushed)


def test_term_mse_is_the_mean_over_tokens_that_count() -> None:
    predicted = torch.tensor([[0.5, 1.0, 9.0], [0.0, 1.0, 2.0]], dtype=torch.float64)
    labels = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    found = losses.term_mse(
        predicted, labels=labels, mask=mask, weights=torch.tensor([1.0, 3.0]).double()
    )
    assert found.item() == pytest.approx((0.25 / 2 + 3 * 5 / 3) / 2)
    assert torch.autograd.gradcheck(
        lambda given: losses.term_mse(given, labels=labels, mask=mask),
        (predicted.requires_grad_(),),
    )


def test_in_batch_puts_the_positive_first_and_does_not_count_it_twice() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    rows, mask = losses.in_batch(scores, torch.tensor([[1, 2], [0, 2]]))
    assert rows.tolist() == [[2, 1, 2, 3], [4, 4, 5, 6]]
    assert mask.tolist() == [[True, True, False, True], [True, False, True, True]]
    expected = -np.log([softmax(np.array([2, 1, 3]))[0], softmax(np.array([4, 5, 6]))[0]])
    assert losses.contrastive(rows, mask=mask).item() == pytest.approx(expected.mean())


def test_a_document_that_answers_an_equal_query_is_no_negative() -> None:
    groups = torch.tensor([[0], [1], [2]])
    relevant = losses.relevant_to_equal_queries(["a", "b", "a"], groups, n_documents=3)
    assert relevant.tolist() == [[True, False, True], [False, True, False], [True, False, True]]
    _, mask = losses.in_batch(torch.zeros(3, 3), groups, also_relevant=relevant)
    assert mask[:, 1:].tolist() == (~relevant).tolist()


def test_in_batch_refuses_other_numbers_of_queries() -> None:
    with pytest.raises(ShapeError, match="2 queries have scores and 3 have groups"):
        losses.in_batch(torch.zeros(2, 4), torch.zeros((3, 1), dtype=torch.int64))
