import math

import pytest
import torch

from lexmax.encoders.training.batch import TrainingBatch
from lexmax.encoders.training.batches import Batches, Selection, too_near
from lexmax.encoders.training.curriculum import Curriculum
from lexmax.encoders.training.example import Candidate, Example
from lexmax.encoders.training.order import Order
from lexmax.errors import ShapeError, TrainingError


class Listed:
    def __init__(self, *examples: Example) -> None:
        self.examples = examples

    @property
    def sizes(self) -> list[int]:
        return [len(self.examples)]

    def example(self, source: int, number: int) -> Example:
        return self.examples[number]


def example(i: int, n_negatives: int, *, scored: bool = False) -> Example:
    score = float(i) if scored else math.nan
    negatives = (Candidate(f"n{i}.{j}", -j if scored else math.nan) for j in range(n_negatives))
    return Example(f"q{i}", (Candidate(f"p{i}", score),), tuple(negatives))


def batches(*examples: Example, size: int = 4, per_query: int = 0, **more: object) -> Batches:
    order = Order([len(examples)], [1.0], 5)
    selection = more.pop("selection", None) or Selection(per_query)
    return Batches(Listed(*examples), order, size, selection, **more)  # type: ignore[arg-type]


def documents(batch: TrainingBatch) -> list[list[str]]:
    return [[batch.documents[row] for row in group] for group in batch.groups.tolist()]


def test_pairs_have_their_positive_in_column_0() -> None:
    batch = batches(*(example(i, 0) for i in range(6))).at(0, step=0)
    assert documents(batch) == [[f"p{query[1:]}"] for query in batch.queries]
    assert batch.teacher is None
    assert batch.weights.tolist() == [1.0] * 4


def test_a_batch_is_a_function_of_its_number() -> None:
    made = batches(*(example(i, 9) for i in range(30)), per_query=3)
    again = batches(*(example(i, 9) for i in range(30)), per_query=3)
    for number in (0, 5, 70):
        one, other = made.at(number, step=0), again.at(number, step=9)
        assert (one.queries, one.documents) == (other.queries, other.documents)
        assert torch.equal(one.groups, other.groups)
    assert made.at(1, step=0).queries != made.at(2, step=0).queries


def test_negatives_change_from_epoch_to_epoch_or_stay_the_first() -> None:
    examples = [example(0, 9)]
    drawn = batches(*examples, size=1, per_query=2)
    assert len({tuple(drawn.at(i, step=0).documents) for i in range(10)}) > 5
    first = batches(*examples, size=1, selection=Selection(2, first=True))
    assert documents(first.at(3, step=0)) == [["p0", "n0.0", "n0.1"]]


def test_missing_negatives_are_other_queries_positives() -> None:
    batch = batches(example(0, 1), example(1, 0), example(2, 2), size=3, per_query=2).at(0, step=0)
    rows = dict(zip(batch.queries, documents(batch), strict=True))
    assert rows["q0"][:2] == ["p0", "n0.0"]
    assert rows["q0"][2] in {"p1", "p2"}
    assert set(rows["q1"][1:]) == {"p0", "p2"}
    assert set(rows["q2"][1:]) == {"n2.0", "n2.1"}
    assert len(batch.documents) == len(set(batch.documents))


def test_a_batch_with_nothing_to_stand_against_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"no document to stand against 'p0'"):
        batches(example(0, 0), size=1, per_query=1).at(0, step=0)


def test_too_few_others_are_repeated() -> None:
    batch = batches(example(0, 1), size=1, per_query=3).at(0, step=0)
    assert documents(batch) == [["p0", "n0.0", "n0.0", "n0.0"]]


def test_a_teachers_scores_stand_in_their_places() -> None:
    batch = batches(example(3, 2, scored=True), example(1, 0), size=2, per_query=2).at(0, step=0)
    assert batch.teacher is not None
    rows = dict(zip(batch.queries, batch.teacher.tolist(), strict=True))
    assert rows["q3"][0] == 3.0
    assert sorted(rows["q3"][1:]) == [-1.0, 0.0]
    assert all(math.isnan(score) for score in rows["q1"])


def test_scores_are_scaled_inside_the_whole_list() -> None:
    made = batches(
        example(3, 4, scored=True),
        size=1,
        selection=Selection(1, first=True),
        scaling="min-max",
        factor=30.0,
    )
    teacher = made.at(0, step=0).teacher
    assert teacher is not None
    # From -3 to 3: the first negative has 0.
    assert teacher.tolist() == [[30.0, 15.0]]


def test_one_of_several_positives_is_drawn() -> None:
    several = Example("q", tuple(Candidate(f"p{i}") for i in range(3)))
    made = batches(several, size=1)
    assert {made.at(i, step=0).documents[0] for i in range(30)} == {"p0", "p1", "p2"}


def test_negatives_too_near_the_positive_are_passed_over() -> None:
    given = Example(
        "q",
        (Candidate("p", 1.0),),
        (Candidate("near", 0.97), Candidate("far", 0.9), Candidate("unknown")),
    )
    made = batches(given, size=1, selection=Selection(2, keep_below=0.95))
    for number in range(5):
        assert set(made.at(number, step=0).documents) == {"p", "far", "unknown"}


@pytest.mark.parametrize(
    ("negative", "positive", "expected"),
    [
        (0.96, 1.0, True),
        (0.94, 1.0, False),
        (-1.02, -1.0, True),
        (-1.06, -1.0, False),
        (math.nan, 1.0, False),
        (1.0, math.nan, False),
    ],
)
def test_the_bound_of_nearness(negative: float, positive: float, expected: bool) -> None:
    assert too_near(negative, positive, 0.95) is expected


def test_a_curriculum_weighs_samples_by_step() -> None:
    rules = Curriculum("reciprocal-rank", "pairwise", end=10)
    easy = Example("easy", (Candidate("a", rank=1),), (Candidate("b", rank=10),))
    hard = Example("hard", (Candidate("c", rank=10),), (Candidate("d", rank=1),))
    made = batches(easy, hard, size=2, per_query=1, curriculum=rules)
    for step, expected in ((0, {"easy": 0.95, "hard": 0.05}), (10, {"easy": 1.0, "hard": 1.0})):
        batch = made.at(0, step=step)
        weights = dict(zip(batch.queries, batch.weights.tolist(), strict=True))
        assert weights == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"groups": torch.zeros(1, 2)}, "groups are torch.float32"),
        ({"groups": torch.zeros(2, 2, dtype=torch.int64)}, r"groups \(2, 2\); expected \(1, 2\)"),
        ({"groups": torch.zeros(1, 0, dtype=torch.int64)}, "no columns"),
        ({"groups": torch.tensor([[0, 2]])}, "rows 0 to 2; expected 0 to 1"),
        ({"teacher": torch.zeros(1, 3)}, r"teacher \(1, 3\)"),
        ({"weights": torch.zeros(2)}, r"weights \(2,\)"),
    ],
)
def test_arrays_that_do_not_fit(change: dict[str, torch.Tensor], reason: str) -> None:
    values = {"groups": torch.tensor([[0, 1]]), "teacher": None, "weights": torch.ones(1)}
    with pytest.raises(ShapeError, match=reason):
        TrainingBatch(["q"], ["a", "b"], **{**values, **change})  # type: ignore[arg-type]


def test_a_pointwise_curriculum_weighs_documents() -> None:
    found = Example(
        "q0", (Candidate("p0", rank=2),), (Candidate("n0", rank=4), Candidate("n1", rank=1))
    )
    other = Example("q1", (Candidate("p1", rank=1),))
    rules = Curriculum("reciprocal-rank", "pointwise", end=10)
    made = batches(found, other, size=2, per_query=3, curriculum=rules)
    batch = made.at(0, step=0)
    assert batch.text_weights is not None
    rows = dict(zip(batch.queries, documents(batch), strict=True))
    weights = dict(zip(batch.queries, batch.text_weights.tolist(), strict=True))
    expected = {"p0": 0.5, "n0": 0.75, "n1": 0.0, "p1": 0.999}
    assert weights["q0"] == pytest.approx([expected[text] for text in rows["q0"]])
    # What fills up is in no ranking, and so an easy negative, however often it stands there.
    assert weights["q1"] == pytest.approx([1.0, 0.999, 0.999, 0.999])
    moved = batch.to("cpu").text_weights
    assert moved is not None
    assert torch.equal(moved, batch.text_weights)
    pairwise = Curriculum("reciprocal-rank", "pairwise", end=10)
    assert batches(found, other, size=2, curriculum=pairwise).at(0, step=0).text_weights is None
    with pytest.raises(ShapeError, match="text_weights"):
        TrainingBatch(["q"], ["a"], torch.zeros((1, 1), dtype=torch.int64), None,
                      torch.ones(1), torch.ones(1))  # fmt: skip
