import random
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future

from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.service.micro_batches import Ask, MicroBatcher, next_batch

groups = st.sampled_from("abc")
asked = st.lists(st.tuples(groups, st.integers(0, 9)), max_size=40)


@given(asked, st.integers(1, 20))
def test_batches_take_everyone_once_in_order_within_the_budget(
    said: list[tuple[str, int]], budget: int
) -> None:
    waiting: list[Ask[int, int]] = [Ask(group, i, cost) for i, (group, cost) in enumerate(said)]
    served: dict[str, list[int]] = {}
    while waiting:
        places = next_batch(waiting, budget)
        assert places[0] == 0  # whoever waits longest is served next
        batch = [waiting[place] for place in places]
        assert len({ask.group for ask in batch}) == 1
        assert len(batch) == 1 or sum(ask.cost for ask in batch) <= budget
        served.setdefault(str(batch[0].group), []).extend(ask.said for ask in batch)
        waiting = [ask for i, ask in enumerate(waiting) if i not in places]
    expected: dict[str, list[int]] = {}
    for i, (group, _) in enumerate(said):
        expected.setdefault(group, []).append(i)
    assert served == expected


@settings(max_examples=60, deadline=None)
@given(asked, st.integers(1, 20), st.integers(0, 1 << 30))
def test_cancelling_at_random_never_shifts_an_answer(
    said: list[tuple[str, int]], budget: int, seed: int
) -> None:
    chance = random.Random(seed)

    def run(batch: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        time.sleep(0.0002)
        assert len({group for group, _ in batch}) == 1
        return [(group, -number) for group, number in batch]

    batcher = MicroBatcher("test", run, budget=budget)
    answers: list[tuple[tuple[str, int], Future[tuple[str, int]], bool]] = []
    for i, (group, cost) in enumerate(said):
        answer = batcher.submit(group, (group, i), cost=cost)
        left = chance.random() < 0.4
        if left and chance.random() < 0.5:
            time.sleep(chance.random() * 0.001)
        answers.append(((group, i), answer, left and answer.cancel()))
    for (group, i), answer, cancelled in answers:
        assert answer.cancelled() is cancelled
        if cancelled:
            continue
        try:
            assert answer.result(30) == (group, -i)
        except CancelledError:
            raise AssertionError("a request that nobody cancelled was cancelled") from None
    batcher.close()
