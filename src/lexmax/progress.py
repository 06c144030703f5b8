"""How far is it? A bar for people, a JSON line every ten seconds for logs."""

import resource
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_EVERY_SECONDS = 10.0
_UNITS = {
    "read": "bytes",
    "encode": "docs",
    "mine": "queries",
    "teach": "queries",
    "train": "steps",
}
_TITLES = {
    "read": "reading",
    "encode": "encoding",
    "centroids": "centroids",
    "fde": "fde",
    "residuals": "residuals",
    "check": "checking",
    "merge": "merging",
    "search": "searching",
    "mine": "mining",
    "teach": "teaching",
    "train": "training",
}


class Watch:
    """Shows the stages of one long job; `stopped` is true once the user has pressed Ctrl-C."""

    def __init__(self, show: "_Bars | _Lines") -> None:
        self._show = show
        self._stop = False

    def advance(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` have passed `stage`; a total of 0 is not known."""
        self._show.advance(stage, done, total)

    def stopped(self) -> bool:
        """Whether to stop once the part at hand is safe on the disk."""
        return self._stop

    def say(self, text: str) -> None:
        """Write a line beside the progress, for someone who waits."""
        self._show.say(text)

    def stop(self) -> None:
        """Ask the job to stop at the next safe place."""
        self._stop = True


@contextmanager
def watch(*, unit: str = "docs") -> Generator[Watch, None, None]:
    """Show progress on stderr; the first Ctrl-C stops at a safe place, the second at once."""
    console = Console(stderr=True)
    with _bars(console, unit) if console.is_terminal else _lines(unit) as show:
        watching = Watch(show)
        with _first_interrupt(watching, console):
            yield watching


@contextmanager
def _first_interrupt(watching: Watch, console: Console) -> Generator[None, None, None]:
    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if watching.stopped():
            raise KeyboardInterrupt
        watching.stop()
        console.print("stopping after this part; press Ctrl-C again to stop at once")

    try:
        before = signal.signal(signal.SIGINT, on_interrupt)
    except ValueError:  # not the main thread: whoever runs us handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Bars:
    def __init__(self, progress: Progress, unit: str) -> None:
        self._progress, self._unit = progress, unit
        self._tasks: dict[str, TaskID] = {}

    def advance(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            title = _TITLES.get(stage, stage)
            # What an earlier run has done must not count as speed of this one.
            unit = _UNITS.get(stage, self._unit)
            self._tasks[stage] = self._progress.add_task(
                title, total=total or None, completed=done, unit=unit, rate=""
            )
        task = self._tasks[stage]
        self._progress.update(task, completed=done, total=total or None)
        speed = self._progress.tasks[task].speed
        self._progress.update(task, rate="" if speed is None else f"{speed:,.0f}/s")

    def say(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)


@contextmanager
def _bars(console: Console, unit: str) -> Generator[_Bars, None, None]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:>9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]} {task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield _Bars(progress, unit)


class _Lines:
    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._began: dict[str, tuple[float, int]] = {}
        self._said = time.monotonic()

    def advance(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        start, already = self._began.setdefault(stage, (now, done))
        if done < already:  # the same stage of the next segment
            start, already = self._began[stage] = (now, done)
        if now - self._said < _EVERY_SECONDS and not 0 < total == done:
            return
        self._said = now
        rate = (done - already) / (now - start) if now > start else 0.0
        line: dict[str, Any] = {"stage": stage, "done": done, "total": total}
        line["unit"] = _UNITS.get(stage, self._unit)
        line["per_second"] = round(rate, 1)
        line["eta_s"] = round((total - done) / rate) if rate and total else None
        line["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        sys.stderr.write(orjson.dumps(line).decode() + "\n")

    def say(self, text: str) -> None:
        sys.stderr.write(orjson.dumps({"message": text}).decode() + "\n")


@contextmanager
def _lines(unit: str) -> Generator[_Lines, None, None]:
    yield _Lines(unit)
