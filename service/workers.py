"""Which thread does the next piece of work? The first that is free, in the order of arrival."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from lexmax.service.pace import Pace


class Workers:
    """At most `n` threads, of which as many work as the pace allows.

    Unlike those of `concurrent.futures`, work can be taken back out of the queue, and the number
    of threads that work can change.
    """

    def __init__(self, name: str, n: int) -> None:
        """Threads start when there is work for them."""
        self.name, self.pace = name, Pace(n)
        self._begun = 0
        self._queue: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._closed = False

    @property
    def n_running(self) -> int:
        """Work that a thread has begun, or is about to."""
        return self._begun + min(len(self._queue), self._free)

    @property
    def n_waiting(self) -> int:
        """Work behind that."""
        return max(len(self._queue) - self._free, 0)

    @property
    def _free(self) -> int:
        return max(self.pace.allowed - self._begun, 0)

    def submit(self, work: Callable[[], Any], *, most_waiting: int) -> "Future[Any] | None":
        """The result to come; None where that many wait already and no thread is free.

        Raises:
            RuntimeError: if they were closed.
        """
        job: Future[Any] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError(f"{self.name}: asked for work after the end")
            if self.is_full(most_waiting):
                return None
            self._queue.append((job, work))
            if len(self._threads) < min(self.pace.most, self._begun + len(self._queue)):
                self._start_one()
            self._changed.notify()
        return job

    def is_full(self, most_waiting: int) -> bool:
        """Whether work that comes now would have to wait behind that many."""
        return len(self._queue) >= self._free + most_waiting

    def take_back(self, job: "Future[Any]") -> bool:
        """Cancel work that no thread has begun; False where one has."""
        with self._changed:
            kept = [entry for entry in self._queue if entry[0] is not job]
            found = len(kept) < len(self._queue)
            if found:
                self._queue = deque(kept)
        return found and job.cancel()

    def close(self) -> None:
        """Finish what was begun or waits, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _start_one(self) -> None:
        name = f"lexmax-{self.name}-{len(self._threads)}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while self._did_one():
            pass

    def _did_one(self) -> bool:
        """Wait for work and do it; False where there will be none."""
        with self._changed:
            self._changed.wait_for(self._may_go_on)
            if not self._queue:
                return False
            job, work = self._queue.popleft()
            self._begun += 1
        tell = _done(job, work)
        # First the room, then the result: whoever is told may ask again at once.
        with self._changed:
            self._begun -= 1
            self._changed.notify()
        tell()
        return True

    def _may_go_on(self) -> bool:
        if self._queue:
            return self._free > 0
        return self._closed


def _done(job: "Future[Any]", work: Callable[[], Any]) -> Callable[[], None]:
    """Do the work; what is given tells its result."""
    if not job.set_running_or_notify_cancel():
        return lambda: None
    try:
        return partial(job.set_result, work())
    except BaseException as error:  # whatever it is, it is the asker's
        return partial(job.set_exception, error)
