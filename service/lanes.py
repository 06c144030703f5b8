"""Who may work now, who waits, and who is turned away? One lane for each kind of work.

A lane has so many threads, and so many places to wait; who finds neither is told so at once.
Whoever waits is served in the order of arrival, and leaves the lane when its time is over or its
client has left: such work is never begun. Threads take the next work themselves, because under
overload the event loop is busy turning others away.
"""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from lexmax.service.calls import Call, too_late
from lexmax.service.pacing import Pace
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
        """`waited` is told, on the thread, how long each piece of work waited, in seconds."""
        self.name, self.n_permits, self.most_waiting = name, n, most_waiting
        self._entered = 0
        self._lock = threading.Lock()
        self.pace = Pace(n)
        self._threads = ThreadPoolExecutor(n, thread_name_prefix=f"lexmax-{name}")
        self._waited = waited

    @property
    def n_running(self) -> int:
        """Threads that are in use."""
        return min(self._entered, self.n_permits)

    @property
    def n_waiting(self) -> int:
        """Those behind them."""
        return max(self._entered - self.n_permits, 0)

    def require_room(self) -> None:
        """Turn away whom there is neither a thread nor a place to wait for.

        Raises:
            Refusal: 503.
        """
        if self._entered >= self.n_permits + self.most_waiting:
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
        job = self._submitted(work, call)
        answer = asyncio.wrap_future(job)
        if not watched and self.n_waiting == 0:
            return await answer
        leaving = _Leaving(call, job)
        try:
            return await answer
        except asyncio.CancelledError:
            if leaving.reason is not None:
                raise leaving.reason from None
            raise
        finally:
            leaving.stop()

    def close(self) -> None:
        """End the threads, once what runs is done."""
        self._threads.shutdown()

    def _submitted(self, work: Callable[[], T], call: Call) -> "Future[T]":
        """The result to come; it may be cancelled until a thread has begun."""
        self.require_room()
        with self._lock:
            self._entered += 1
        run = partial(self._turn, work, call, time.perf_counter())
        job = self._threads.submit(contextvars.copy_context().run, run)
        # Even where nobody waits for it any more: a thread cannot be stopped.
        job.add_done_callback(self._left)
        return job

    def _turn(self, work: Callable[[], T], call: Call, entered_at: float) -> T:
        with self.pace:
            seconds = time.perf_counter() - entered_at
            call.waited_s += seconds
            self._waited(self.name, seconds)
            call.check()
            return work()

    def _left(self, _: object) -> None:
        with self._lock:
            self._entered -= 1


class _Leaving:
    """Takes a request out of the queue when its time is over or its client has left."""

    def __init__(self, call: Call, job: "Future[T]") -> None:
        self.reason: Exception | None = None
        self._job = job
        self._timer = self._watch = None
        if call.deadline.is_set:
            wait = max(call.deadline.left_s, 0.0)
            self._timer = asyncio.get_running_loop().call_later(wait, self._leave, too_late())
        if call.receive is not None:
            self._watch = asyncio.create_task(self._watched(call, call.receive))

    def stop(self) -> None:
        """Whatever happens from here on changes nothing."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()

    async def _watched(self, call: Call, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        call.gone = True
        self._leave(ClientDisconnect())

    def _leave(self, reason: Exception) -> None:
        # Only ours if the job is cancelled by us: a cancelled request has no other reason.
        if not self._job.done() and self._job.cancel():
            self.reason = reason
