"""How many threads may work at once, so that the event loop still gets its turn?

Python runs one thread at a time outside of kernels. Threads that are seldom in kernels crowd the
event loop out: requests wait unread in their sockets, and nobody is turned away. Where the event
loop comes late, fewer threads work; where it is in time for a while, more do again. While there are
writes, it is they who make it late, and searches do not wait for one another because of them.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

LATE_S = 0.01
_LOOK_EVERY_S = 0.05
_CALM_LOOKS = 20


class Pace:
    """A number of threads that falls at once and rises slowly."""

    def __init__(self, most: int) -> None:
        """Begins with `most`, and never allows more, or fewer than one."""
        self.most = self.allowed = most
        self._calm = 0

    def seen(self, late_s: float) -> None:
        """Allow fewer or more, now that the event loop has come so many seconds late."""
        if late_s > LATE_S:
            self._calm = 0
            self.allowed = max(self.allowed - 1, 1)
            return
        self._calm += 1
        if self._calm >= _CALM_LOOKS:
            self._calm = 0
            self.allowed = min(self.allowed + 1, self.most)


class Crowd(Protocol):
    """Threads that do one kind of work."""

    @property
    def pace(self) -> Pace:
        """How many may work."""
        ...

    @property
    def n_running(self) -> int:
        """How many do."""
        ...


def share(late_s: float, searching: Crowd, writing: Crowd) -> None:
    """Tell those who make the event loop late, or both that it is in time."""
    crowds = [searching, writing]
    if late_s > LATE_S:
        crowds = [writing if writing.n_running else searching]
    for crowd in crowds:
        crowd.pace.seen(late_s)


async def keep_pace(searching: Crowd, writing: Crowd, said: Callable[[float], None]) -> None:
    """Look at the event loop for ever; `said` is told how many seconds late it comes."""
    while True:
        start = time.perf_counter()
        await asyncio.sleep(_LOOK_EVERY_S)
        late_s = max(time.perf_counter() - start - _LOOK_EVERY_S, 0.0)
        share(late_s, searching, writing)
        said(late_s)
