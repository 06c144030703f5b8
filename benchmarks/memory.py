"""How much memory of its own does a program take at its peak?

Run as a program, it watches another one: python memory.py PID. Anonymous memory only: pages of
mapped files can be dropped at any time and are not counted.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

_EVERY_S = 0.01


class PeakMemory:
    """Watches this process and its children while the block runs; then `bytes` is the growth."""

    def __init__(self) -> None:
        self.bytes = 0
        self._watcher: subprocess.Popen[str] | None = None

    def __enter__(self) -> "PeakMemory":
        command = [sys.executable, "-S", __file__, str(os.getpid())]
        self._watcher = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._watcher.stdout is not None
        self._watcher.stdout.readline()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._watcher is not None
        self._watcher.terminate()
        assert self._watcher.stdout is not None
        lines = self._watcher.stdout.read().split()
        self.bytes = int(lines[-1]) if lines else 0
        self._watcher.wait()


def watch(pid: int) -> None:
    """Print a line when watching begins, then a number of bytes whenever the peak has grown."""
    before = anonymous_bytes(pid)
    print("watching", flush=True)
    peak = 0
    while True:
        grown = anonymous_bytes(pid) - before
        if grown > peak:
            peak = grown
            print(peak, flush=True)
        time.sleep(_EVERY_S)


def anonymous_bytes(pid: int) -> int:
    """Resident anonymous bytes of a process and of its children, this watcher left out."""
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        if one == os.getpid():
            continue
        try:
            status = Path(f"/proc/{one}/status").read_text()
            children = Path(f"/proc/{one}/task/{one}/children").read_text()
        except OSError:
            continue
        waiting += map(int, children.split())
        total += sum(
            int(line.split()[1]) << 10
            for line in status.splitlines()
            if line.startswith(("RssAnon:", "RssShmem:"))
        )
    return total


if __name__ == "__main__":
    watch(int(sys.argv[1]))
