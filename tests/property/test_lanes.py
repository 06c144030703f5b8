import asyncio
import random
import threading
import time
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect
from starlette.types import Message

from lexmax.reranking import Deadline
from lexmax.service.calls import Call
from lexmax.service.lanes import Lane
from lexmax.service.problems import Refusal

kinds = st.lists(st.sampled_from(["stays", "late", "leaves", "cancelled"]), max_size=30)


class Machine:
    """Counts how much runs at one time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = self.most = 0

    def work(self) -> str:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(0.0005)
        with self.lock:
            self.running -= 1
        return "done"


async def answer(lane: Lane, machine: Machine, kind: str, chance: random.Random) -> str:
    async def receive() -> Message:
        await asyncio.sleep(chance.random() * 0.003)
        return {"type": "http.disconnect"}

    call = Call(receive=receive) if kind == "leaves" else Call()
    if kind == "late":
        call.deadline = Deadline.within(chance.random() * 3)
    try:
        return await lane.run(machine.work, call)
    except Refusal as refused:
        return refused.problem.code
    except ClientDisconnect:
        return "gone"


async def answers(
    lane: Lane, machine: Machine, requests: list[str], chance: random.Random
) -> Counter[str]:
    tasks: list[asyncio.Task[str]] = []
    for kind in requests:
        tasks.append(asyncio.create_task(answer(lane, machine, kind, chance)))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.002)
        assert lane.n_waiting <= lane.most_waiting
        assert lane.n_running <= lane.pace.most
        if kind == "cancelled":
            tasks[-1].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert lane.n_waiting == 0
    if "cancelled" not in requests:
        assert lane.n_running == 0
    while lane.n_running:  # a thread whose task was cancelled keeps its permit to its end
        await asyncio.sleep(0.0005)
    assert await lane.run(machine.work) == "done"
    return Counter(one if isinstance(one, str) else type(one).__name__ for one in found)


@settings(max_examples=60, deadline=None)
@given(kinds, st.integers(1, 3), st.integers(0, 4), st.integers(0, 1 << 30))
def test_every_request_gets_one_answer_and_nothing_leaks(
    requests: list[str], n: int, most_waiting: int, seed: int
) -> None:
    machine, lane = Machine(), Lane("search", n, most_waiting)
    counted = asyncio.run(answers(lane, machine, requests, random.Random(seed)))
    lane.close()
    assert machine.most <= n
    assert counted.total() == len(requests)
    known = {"done", "overloaded", "deadline_exceeded", "gone", "CancelledError"}
    assert set(counted) <= known
    if requests.count("stays") == len(requests):
        assert set(counted) <= {"done", "overloaded"}
        assert counted["done"] >= min(len(requests), n)
