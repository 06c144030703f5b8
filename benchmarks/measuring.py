"""How are a system's build and its queries timed? The same for every system.

A system is a script that reads a `Task` from its arguments (task.py of the benchmark), builds (or
finds) its index by `built`, answers one query at a time by `timed`, and prints a row by `report`.
It runs in its own environment, so this needs nothing but numpy.
"""

import json
import os
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from memory import PeakMemory
from numpy.typing import NDArray

Figures: TypeAlias = dict[str, float | int | str | None]

_WARM_QUERIES = 20


class Task(Protocol):
    """What a system is asked for; every benchmark has its own."""

    @property
    def indexes(self) -> Path:
        """Folder to keep indexes in."""
        ...

    @property
    def found(self) -> Path:
        """Folder for the ordinals found."""
        ...

    @property
    def rebuild(self) -> bool:
        """Do not use an index that is there."""
        ...


def built(task: Task, index: str, build: Callable[[Path], float | None]) -> tuple[Path, Figures]:
    """The folder of an index, made by `build` if it is not there, and what the build took.

    `build` may return seconds of one thread that went into making its input: they do not count.
    """
    folder = task.indexes / index
    figures_path = task.indexes / f"{index}.build.json"
    if task.rebuild or not figures_path.exists():
        figures_path.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        figures = _build_figures(folder, build)
        figures_path.write_text(json.dumps(figures, indent=1) + "\n")
    return folder, dict(json.loads(figures_path.read_text()))


def _build_figures(folder: Path, build: Callable[[Path], float | None]) -> Figures:
    load_before, cpu_before, began = os.getloadavg()[0], _cpu_s(), time.perf_counter()
    with PeakMemory() as memory:
        aside = build(folder) or 0.0
    return {
        "build_s": round(time.perf_counter() - began - aside, 2),
        "build_cpu_s": round(_cpu_s() - cpu_before - aside, 2),
        "bytes": sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()),
        "peak_build_bytes": memory.bytes,
        "load_at_build": round(max(load_before, os.getloadavg()[0]), 1),
    }


def _cpu_s() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of every query, wall clock and CPU, and what each returned."""

    wall_ms: NDArray[np.float64]
    cpu_ms: NDArray[np.float64]
    returned: list[Any]


def timed(
    search: Callable[[int], Any],
    n: int,
    *,
    warm: int = _WARM_QUERIES,
    cpu_clock: Callable[[], int] = time.thread_time_ns,
) -> Timing:
    """Call `search` for queries 0 ... n - 1, one at a time, after `warm` that do not count.

    `cpu_clock` is the calling thread's; a system that searches in a thread of its own needs the
    clock of the process.
    """
    for i in range(min(warm, n)):
        search(i)
    wall_ms, cpu_ms = np.empty(n), np.empty(n)
    returned = []
    for i in range(n):
        cpu, began = cpu_clock(), time.perf_counter_ns()
        returned.append(search(i))
        wall_ms[i] = (time.perf_counter_ns() - began) / 1e6
        cpu_ms[i] = (cpu_clock() - cpu) / 1e6
    return Timing(wall_ms, cpu_ms, returned)


def report(
    task: Task,
    *,
    system: str,
    mode: str,
    k: int,
    timing: Timing,
    ordinals: Sequence[Sequence[int] | NDArray[Any]],
    build: Figures,
    settings: str = "",
) -> None:
    """Write the ordinals found and print a row that names their file."""
    table = np.full((len(ordinals), k), -1, np.int64)
    for row, found in zip(table, ordinals, strict=True):
        row[: len(found)] = found
    task.found.mkdir(parents=True, exist_ok=True)
    name = "".join(c if c.isalnum() else "-" for c in f"{system}-{mode}-{k}")
    np.save(task.found / f"{name}.npy", table, allow_pickle=False)
    figures: Figures = {
        "system": system,
        "mode": mode,
        "k": k,
        "queries": len(ordinals),
        **_percentiles("cpu_", timing.cpu_ms),
        **_percentiles("", timing.wall_ms),
        **build,
        "settings": settings,
        "found": str(task.found / f"{name}.npy"),
    }
    say("row", figures)


def say(kind: str, what: object) -> None:
    """Print one line for the program that started this one."""
    print(json.dumps({kind: what}), flush=True)


def note(text: str) -> None:
    """Say why something was not measured."""
    say("note", text)


def _percentiles(prefix: str, ms: NDArray[np.float64]) -> Figures:
    p50, p99 = np.percentile(ms, [50, 99])
    return {f"{prefix}p50_ms": round(float(p50), 4), f"{prefix}p99_ms": round(float(p99), 4)}
