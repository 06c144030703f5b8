"""Whose turn is it to run the model?"""

from collections import deque
from threading import Condition


class Turns:
    """A lock that is given in the order of asking.

    With a plain lock a thread that encodes a corpus would take it again before a waiting query
    wakes up; here the query waits for one batch at most.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._queue: deque[object] = deque()

    def __enter__(self) -> None:
        ticket = object()
        with self._condition:
            self._queue.append(ticket)
            try:
                self._condition.wait_for(lambda: self._queue[0] is ticket)
            except BaseException:  # Ctrl-C while waiting must not block those behind.
                self._queue.remove(ticket)
                self._condition.notify_all()
                raise

    def __exit__(self, *failure: object) -> None:
        with self._condition:
            self._queue.popleft()
            self._condition.notify_all()
