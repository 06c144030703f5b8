import threading

import pytest
import torch

from lexmax.encoders.training.ahead import Ahead
from lexmax.encoders.training.batch import TrainingBatch
from lexmax.errors import TrainingError


class Counted:
    """Batches that say their number and step; one of them cannot be made."""

    def __init__(self, broken: int = -1) -> None:
        self.asked, self.threads, self.broken = list[int](), set[int](), broken

    def at(self, number: int, *, step: int) -> TrainingBatch:
        self.asked.append(number)
        self.threads.add(threading.get_ident())
        if number == self.broken:
            raise TrainingError("broken")
        weights = torch.tensor([float(step)])
        return TrainingBatch([f"q{number}"], ["d"], torch.zeros(1, 1).long(), None, weights)


def test_every_batch_is_made_once_and_ahead() -> None:
    source = Counted()
    with Ahead(source, accumulation=3) as batches:
        found = [batches.at(number) for number in range(4, 11)]
    assert [batch.queries for batch in found] == [[f"q{i}"] for i in range(4, 11)]
    assert [batch.weights.item() for batch in found] == [1, 1, 2, 2, 2, 3, 3]
    assert source.asked[:7] == list(range(4, 11))
    assert len(source.threads) == 2


def test_another_batch_than_the_next_may_be_asked_for() -> None:
    with Ahead(Counted(), accumulation=1) as batches:
        assert batches.at(2).queries == ["q2"]
        assert batches.at(7).queries == ["q7"]


def test_what_fails_ahead_fails_where_it_is_asked_for() -> None:
    with Ahead(Counted(broken=1), accumulation=1) as batches:
        batches.at(0)
        with pytest.raises(TrainingError, match="broken"):
            batches.at(1)
    with Ahead(Counted(broken=1), accumulation=1) as batches:
        batches.at(0)
