"""Who works while others search and write? One thread, started when there is something to do."""

import atexit
import logging
import threading
import time
from collections.abc import Callable

from lexmax.building import Watcher
from lexmax.errors import LexmaxError
from lexmax.index.memory import give_back

_log = logging.getLogger(__name__)

_PAUSE_SECONDS = 60.0


class Background:
    """Runs one job again and again, each time that it was woken, in a thread of its own.

    The job is given a watcher that asks it to stop once `stop` was called, and may end with a
    KeyboardInterrupt then. A failure is logged; for a minute after it nothing is run.
    """

    def __init__(
        self, job: Callable[[Watcher], object], *, verb: str = "merge", doing: str = "merging"
    ) -> None:
        """What it does, for the name of its thread and for the log."""
        self._job, self._verb, self._doing = job, verb, doing
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._again = False
        self._stop = threading.Event()
        self._not_before = 0.0

    def wake(self) -> bool:
        """Run the job soon, once more if it runs now; never waits. False where it will not run."""
        with self._lock:
            self._again = True
            if self._stop.is_set() or time.monotonic() < self._not_before:
                return False
            if self._thread is not None:
                return True
            # Not waited for when the interpreter ends, but asked to stop before.
            name = f"lexmax-{self._verb}"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # what was written is written all the same
                _log.error("no thread to %s in: %s", self._verb, error)
                return False
            self._thread = thread
            atexit.register(self.stop)
            return True

    def stop(self) -> None:
        """Ask the job to stop, wait until it has, and never run it again."""
        self._stop.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def advance(self, stage: str, done: int, total: int) -> None:
        """Nobody watches."""

    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def _run(self) -> None:
        while self._is_wanted():
            self._once()

    def _is_wanted(self) -> bool:
        with self._lock:
            paused = time.monotonic() < self._not_before
            wanted = self._again and not self._stop.is_set() and not paused
            self._again = False
            if not wanted:
                self._thread = None
                # Under the lock: not what the next thread has registered.
                atexit.unregister(self.stop)
            return wanted

    def _once(self) -> None:
        try:
            self._job(self)
        except KeyboardInterrupt:
            return
        except Exception as error:  # whatever it is, writes and searches go on without it
            self._not_before = time.monotonic() + _PAUSE_SECONDS
            unexpected = not isinstance(error, LexmaxError)
            _log.error("%s in the background failed: %s", self._doing, error, exc_info=unexpected)
        finally:
            give_back()
