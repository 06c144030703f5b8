import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from lexmax.reranking import Deadline
from lexmax.service.calls import Call
from lexmax.service.lanes import Lane
from lexmax.service.problems import DEADLINE_EXCEEDED, OVERLOADED, Refusal

PATIENCE_S = 30


class Work:
    """Work that ends when it is told to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go = threading.Event()

    def named(self, name: str) -> Callable[[], str]:
        def run() -> str:
            self.begun.append(name)
            assert self.go.wait(PATIENCE_S)
            return name

        return run


def played(scene: Callable[[Work], Coroutine[Any, Any, None]]) -> None:
    work = Work()

    async def bounded() -> None:
        try:
            await asyncio.wait_for(scene(work), PATIENCE_S)
        finally:
            work.go.set()

    asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_work_that_finds_a_permit_runs_at_once() -> None:
    async def scene(work: Work) -> None:
        lane = Lane("search", 1, 0)
        work.go.set()
        assert await lane.run(work.named("a")) == "a"
        assert (lane.n_running, lane.n_waiting) == (0, 0)

    played(scene)


def test_what_fails_gives_its_permit_back() -> None:
    async def scene(work: Work) -> None:
        lane = Lane("search", 1, 0)
        with pytest.raises(ZeroDivisionError):
            await lane.run(lambda: 1 / 0)
        work.go.set()
        assert await lane.run(work.named("a")) == "a"

    played(scene)


def test_the_others_wait_in_order_and_more_are_turned_away() -> None:
    async def scene(work: Work) -> None:
        waits: list[float] = []
        lane = Lane("search", 1, 2, waited=lambda name, seconds: waits.append(seconds))
        tasks = [asyncio.create_task(lane.run(work.named(name))) for name in "abc"]
        await until(lambda: lane.n_waiting == 2 and work.begun == ["a"])
        with pytest.raises(Refusal, match="1 requests of this kind run and 2 wait") as refused:
            await lane.run(work.named("d"))
        assert refused.value.problem is OVERLOADED
        assert refused.value.headers == {"retry-after": "1"}
        work.go.set()
        assert await asyncio.gather(*tasks) == ["a", "b", "c"]
        assert work.begun == ["a", "b", "c"]
        assert len(waits) == 3

    played(scene)


def test_whoever_waits_too_long_is_told_and_never_begun() -> None:
    async def scene(work: Work) -> None:
        lane = Lane("search", 1, 2)
        first = asyncio.create_task(lane.run(work.named("a")))
        await until(lambda: work.begun == ["a"])
        with pytest.raises(Refusal) as refused:
            await lane.run(work.named("late"), Call(deadline=Deadline.within(5)))
        assert refused.value.problem is DEADLINE_EXCEEDED
        assert lane.n_waiting == 0
        work.go.set()
        await first
        with pytest.raises(Refusal):
            await lane.run(work.named("over"), Call(deadline=Deadline.within(0)))
        assert work.begun == ["a"]
        assert lane.n_running == 0

    played(scene)


def test_whoever_leaves_while_waiting_is_never_begun() -> None:
    async def scene(work: Work) -> None:
        lane = Lane("search", 1, 3)
        left = asyncio.Event()

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        first = asyncio.create_task(lane.run(work.named("a")))
        await until(lambda: work.begun == ["a"])
        call = Call(receive=receive)
        leaving = asyncio.create_task(lane.run(work.named("leaving"), call))
        behind = asyncio.create_task(lane.run(work.named("behind")))
        await until(lambda: lane.n_waiting == 2)
        left.set()
        with pytest.raises(ClientDisconnect):
            await leaving
        assert call.gone
        assert lane.n_waiting == 1
        work.go.set()
        assert [await first, await behind] == ["a", "behind"]
        assert work.begun == ["a", "behind"]

    played(scene)


def test_watched_work_learns_that_its_client_has_left() -> None:
    async def scene(work: Work) -> None:
        lane = Lane("encode", 1, 0)
        left = asyncio.Event()

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        call = Call(receive=receive)
        running = asyncio.create_task(lane.run(work.named("a"), call, watched=True))
        await until(lambda: work.begun == ["a"])
        left.set()
        await until(lambda: call.gone)
        with pytest.raises(ClientDisconnect):
            call.check()
        work.go.set()
        assert await running == "a"

    played(scene)


def test_a_cancelled_task_takes_no_permit_along() -> None:
    async def scene(work: Work) -> None:
        lane = Lane("search", 1, 2)
        first = asyncio.create_task(lane.run(work.named("a")))
        cancelled = asyncio.create_task(lane.run(work.named("b")))
        await until(lambda: work.begun == ["a"] and lane.n_waiting == 1)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        work.go.set()
        await first
        assert await lane.run(work.named("c")) == "c"
        assert (lane.n_running, lane.n_waiting) == (0, 0)

    played(scene)
