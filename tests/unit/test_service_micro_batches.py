import threading
from collections.abc import Sequence

import pytest

from lexmax.service.micro_batches import Ask, MicroBatcher, next_batch

PATIENCE_S = 30


def asks(*said: tuple[str, int]) -> list[Ask[str, str]]:
    return [Ask(group, group, cost) for group, cost in said]


def test_those_of_a_group_go_together_within_the_budget() -> None:
    waiting = asks(("a", 4), ("b", 1), ("a", 4), ("a", 4), ("a", 1))
    assert next_batch(waiting, 8) == [0, 2]
    assert next_batch(waiting, 13) == [0, 2, 3, 4]
    assert next_batch(waiting[1:], 8) == [0]
    assert next_batch([], 8) == []


def test_the_first_goes_however_large() -> None:
    assert next_batch(asks(("a", 100), ("a", 1)), 8) == [0]


class Model:
    """Answers in capitals; the first batch waits until it may go on."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.busy, self.go = threading.Event(), threading.Event()

    def run(self, said: Sequence[str]) -> list[str]:
        self.batches.append(list(said))
        self.busy.set()
        assert self.go.wait(PATIENCE_S)
        if "bad" in said:
            raise ValueError("bad")
        return [one.upper() for one in said]


@pytest.fixture
def model() -> Model:
    return Model()


def test_what_waits_while_one_runs_goes_together(model: Model) -> None:
    sizes: list[int] = []
    batcher = MicroBatcher("test", model.run, budget=3, ran=lambda name, n: sizes.append(n))
    first = batcher.submit("g", "a", cost=1)
    assert model.busy.wait(PATIENCE_S)
    others = [batcher.submit("g", name, cost=1) for name in "bcde"]
    assert batcher.n_waiting == 4
    model.go.set()
    assert [one.result(PATIENCE_S) for one in [first, *others]] == ["A", "B", "C", "D", "E"]
    assert model.batches == [["a"], ["b", "c", "d"], ["e"]]
    batcher.close()
    assert sizes == [1, 3, 1]


def test_one_that_is_cancelled_shifts_no_answer(model: Model) -> None:
    batcher = MicroBatcher("test", model.run, budget=10)
    first = batcher.submit("g", "a", cost=1)
    assert model.busy.wait(PATIENCE_S)
    others = {name: batcher.submit("g", name, cost=1) for name in "bcd"}
    assert others["c"].cancel()
    assert not first.cancel()  # it runs already
    model.go.set()
    assert others["b"].result(PATIENCE_S) == "B"
    assert others["d"].result(PATIENCE_S) == "D"
    assert first.result(PATIENCE_S) == "A"
    assert model.batches == [["a"], ["b", "d"]]
    batcher.close()


def test_the_fault_of_one_is_not_that_of_the_others(model: Model) -> None:
    batcher = MicroBatcher("test", model.run, budget=10)
    first = batcher.submit("g", "a", cost=1)
    assert model.busy.wait(PATIENCE_S)
    good, bad, also = (batcher.submit("g", name, cost=1) for name in ("b", "bad", "c"))
    model.go.set()
    assert first.result(PATIENCE_S) == "A"
    assert good.result(PATIENCE_S) == "B"
    assert also.result(PATIENCE_S) == "C"
    with pytest.raises(ValueError, match="bad"):
        bad.result(PATIENCE_S)
    batcher.close()


def test_as_many_answers_as_asks() -> None:
    batcher: MicroBatcher[str, str] = MicroBatcher("test", lambda said: [], budget=10)
    with pytest.raises(RuntimeError, match="0 answers for 1 asks"):
        batcher.submit("g", "a", cost=1).result(PATIENCE_S)
    batcher.close()


def test_closing_ends_the_thread_and_who_waits(model: Model) -> None:
    batcher = MicroBatcher("test", model.run, budget=10)
    first = batcher.submit("g", "a", cost=1)
    assert model.busy.wait(PATIENCE_S)
    waiting = batcher.submit("h", "b", cost=1)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    model.go.set()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    assert first.result(PATIENCE_S) == "A"
    assert waiting.cancelled()
    with pytest.raises(RuntimeError, match="asked after it was closed"):
        batcher.submit("g", "c", cost=1)
    batcher.close()


def test_one_that_was_never_asked_closes() -> None:
    MicroBatcher("test", lambda said: said, budget=1).close()
