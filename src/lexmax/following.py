"""Who looks for what another process has written? One thread, while searches come."""

import logging
import threading
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
_LEAST_REST_SECONDS = 0.005


class Follower:
    """Looks soon after it was asked to, and not again before it is asked again."""

    def __init__(self, look: Callable[[], object], *, every_s: float = 0.02) -> None:
        """Its thread is started when it is first asked; looks begin `every_s` after one another."""
        self._look, self._every_s = look, every_s
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asked, self._stopped = threading.Event(), threading.Event()

    def ask(self) -> None:
        """Look soon; never waits."""
        if self._asked.is_set():
            return
        self._asked.set()
        if self._thread is None:
            self._start()

    def stop(self) -> None:
        """End the thread, once it has looked."""
        self._stopped.set()
        self._asked.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None or self._stopped.is_set():
                return
            thread = threading.Thread(target=self._run, name="lexmax-follow", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # searches look themselves, as long as nobody else does
                _log.error("no thread to look for what others write: %s", error)
                return
            self._thread = thread

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._asked.wait()
            self._asked.clear()
            start = time.monotonic()
            rest = self._every_s if self._did_look() else _PAUSE_SECONDS
            self._stopped.wait(max(start + rest - time.monotonic(), _LEAST_REST_SECONDS))

    def _did_look(self) -> bool:
        try:
            self._look()
        except Exception as error:  # the next search finds it too, and is told
            _log.error("what others have written could not be read: %s", error)
            return False
        return True
