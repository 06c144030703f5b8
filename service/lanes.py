"""Who may work now, who waits, and who is turned away? One lane for each kind of work.

A lane has so many threads, and so many places to wait; who finds neither is told so at once.
Whoever waits is served in the order of arrival, and leaves the lane when its time is over or its
client has left: such work is never begun. Threads take the next work themselves, because under
overload the event loop is busy turning others away.
"""

import asyncio
import contextvars
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from lexmax.service.calls import Call, too_late
from lexmax.service.pace import Pace
from lexmax.service.problems import OVERLOADED, Refusal
from lexmax.service.workers import Workers

T = TypeVar("T")

# Most have their turn before it is worth a task to see whether their client is still there.
_WATCHED_AFTER_S = 0.1
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
        """`waited` is told, on the thread, how long each piece of work waited, in seconds."""
        self.name, self.most_waiting = name, most_waiting
        self._workers = Workers(name, n)
        self._waited = waited

    @property
    def pace(self) -> Pace:
        """How many threads may work at once now."""
        return self._workers.pace

    @property
    def n_running(self) -> int:
        """Threads that work."""
        return self._workers.n_running

    @property
    def n_waiting(self) -> int:
        """Those behind them."""
        return self._workers.n_waiting

    def require_room(self) -> None:
        """Turn away whom there is neither a thread nor a place to wait for.

        Raises:
            Refusal: 503.
        """
        if self._workers.is_full(self.most_waiting):
            raise self._full()

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
        turn = partial(self._turn, work, call, time.perf_counter())
        context = contextvars.copy_context()
        job = self._workers.submit(partial(context.run, turn), most_waiting=self.most_waiting)
        if job is None:
            raise self._full()
        answer: asyncio.Future[T] = asyncio.wrap_future(job)
        if not watched and self.n_waiting == 0:
            return await answer
        leaving = _Leaving(call, partial(self._workers.take_back, job))
        try:
            return await answer
        except asyncio.CancelledError:
            if leaving.reason is not None:
                raise leaving.reason from None
            raise
        finally:
            leaving.stop()

    def close(self) -> None:
        """End the threads, once what runs or waits is done."""
        self._workers.close()

    def _turn(self, work: Callable[[], T], call: Call, entered_at: float) -> T:
        seconds = time.perf_counter() - entered_at
        call.waited_s += seconds
        self._waited(self.name, seconds)
        call.check()
        return work()

    def _full(self) -> Refusal:
        return Refusal(
            OVERLOADED,
            f"{self.n_running} requests of this kind run and {self.n_waiting} wait; expected "
            "fewer; try again later, with fewer requests at one time",
            headers=RETRY_AFTER,
        )


class _Leaving:
    """Takes a request out of the queue when its time is over or its client has left."""

    def __init__(self, call: Call, take_back: Callable[[], bool]) -> None:
        self.reason: Exception | None = None
        self._take_back = take_back
        self._watch: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        loop = asyncio.get_running_loop()
        if call.deadline.is_set:
            wait = max(call.deadline.left_s, 0.0)
            self._timers.append(loop.call_later(wait, self._leave, too_late()))
        if call.receive is not None:
            self._timers.append(loop.call_later(_WATCHED_AFTER_S, self._look_for_client, call))

    def stop(self) -> None:
        """Whatever happens from here on changes nothing."""
        for timer in self._timers:
            timer.cancel()
        if self._watch is not None:
            self._watch.cancel()

    def _look_for_client(self, call: Call) -> None:
        if call.receive is not None:
            self._watch = asyncio.create_task(self._watched(call, call.receive))

    async def _watched(self, call: Call, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        call.gone = True
        self._leave(ClientDisconnect())

    def _leave(self, reason: Exception) -> None:
        if self._take_back():
            self.reason = reason
