"""Where does blocking work run? On a bounded number of threads, never on the event loop."""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

T = TypeVar("T")


class Threads:
    """At most `n` pieces of work at once; the others wait their turn."""

    def __init__(self, n: int) -> None:
        self._limiter = CapacityLimiter(n)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises, once a thread was free for it."""
        return await to_thread.run_sync(work, limiter=self._limiter)
