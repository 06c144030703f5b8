"""Who may work now, who waits, and who is turned away? One lane for each kind of work.

A lane has as many permits as threads, and so many places to wait; who finds neither is told so at
once. Whoever waits is served in the order of arrival, and leaves the lane when its time is over or
its client has left: such work is never begun.
"""

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from lexmax.service.calls import Call, too_late
from lexmax.service.problems import OVERLOADED, Refusal

T = TypeVar("T")

RETRY_AFTER = {"retry-after": "1"}


class Lane:
    """At most `n` pieces of work at once, on threads, and `most_waiting` behind them."""

    def __init__(
        self,
        name: str,
        n: int,
        most_waiting: int,
        *,
        waited: Callable[[str, float], None] = lambda name, seconds: None,
    ) -> None:
        """`waited` is told how long each piece of work waited, in seconds."""
        self.name, self.n_permits, self.most_waiting = name, n, most_waiting
        self._free = n
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._threads = ThreadPoolExecutor(n, thread_name_prefix=f"lexmax-{name}")
        self._waited = waited

    @property
    def n_running(self) -> int:
        """Permits that are in use."""
        return self.n_permits - self._free

    @property
    def n_waiting(self) -> int:
        """Those behind them."""
        return len(self._waiting)

    def require_room(self) -> None:
        """Turn away whom there is neither a permit nor a place to wait for.

        Raises:
            Refusal: 503.
        """
        if self._free == 0 and len(self._waiting) >= self.most_waiting:
            raise Refusal(
                OVERLOADED,
                f"{self.n_running} requests of this kind run and {self.n_waiting} wait; expected "
                "fewer; try again later, with fewer requests at one time",
                headers=RETRY_AFTER,
            )

    async def run(
        self, work: Callable[[], T], call: Call | None = None, *, watched: bool = False
    ) -> T:
        """What `work` returns or raises, on a thread, when its turn has come.

        Args:
            work: Is finished once it is begun, unless it asks `call.check`.
            call: The request that it is for.
            watched: Whether `call.gone` is to be set when the client leaves meanwhile.

        Raises:
            Refusal: 503 if too many wait, 504 if the call's time is over before its turn.
            ClientDisconnect: if its client has left before its turn.
        """
        call = call or Call()
        start = time.perf_counter()
        await self._turn(call)
        try:
            waited = time.perf_counter() - start
            call.waited_s += waited
            self._waited(self.name, waited)
            call.check()
            running = self._begun(work)
        except BaseException:
            self._release()
            raise
        watch = _watching(call) if watched else None
        try:
            return await asyncio.shield(running)
        finally:
            if watch is not None:
                watch.cancel()

    def close(self) -> None:
        """End the threads, once what runs is done."""
        self._threads.shutdown()

    def _begun(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """The result to come of work that has its permit, which it gives back when it ends.

        Even where nobody waits for it any more: a thread cannot be stopped.
        """
        context = contextvars.copy_context()
        running = asyncio.get_running_loop().run_in_executor(self._threads, context.run, work)
        running.add_done_callback(self._ended)
        return running

    def _ended(self, running: "asyncio.Future[T]") -> None:
        self._release()
        if not running.cancelled():
            running.exception()  # seen, though its request may be gone

    async def _turn(self, call: Call) -> None:
        if self._free:  # and so nobody waits
            self._free -= 1
            return
        self.require_room()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        timer, watch = _timer(call, turn), _watching(call, turn)
        try:
            await turn
        except BaseException:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif not turn.cancelled() and turn.exception() is None:
                self._release()  # it was given as the request was cancelled
            raise
        finally:
            if timer is not None:
                timer.cancel()
            if watch is not None:
                watch.cancel()

    def _release(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _timer(call: Call, turn: "asyncio.Future[None]") -> asyncio.TimerHandle | None:
    if not call.deadline.is_set:
        return None
    return asyncio.get_running_loop().call_later(
        max(call.deadline.left_s, 0.0), _fail, turn, too_late()
    )


def _watching(
    call: Call, turn: "asyncio.Future[None] | None" = None
) -> "asyncio.Task[None] | None":
    if call.receive is None:
        return None
    return asyncio.create_task(_watch(call, call.receive, turn))


async def _watch(call: Call, receive: Receive, turn: "asyncio.Future[None] | None") -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    call.gone = True
    if turn is not None:
        _fail(turn, ClientDisconnect())


def _fail(turn: "asyncio.Future[None]", error: Exception) -> None:
    if not turn.done():
        turn.set_exception(error)
