"""`lexmax serve` that kills itself at one step, where a kill from outside seldom hits.

    LEXMAX_KILL_AT="Catalog.publish:1:before" python self_killing.py --data ... --port 0

The name of a step, which of its calls, and whether before or after it is done. Nothing is flushed
or closed: the process ends by SIGKILL, as by one from outside.
"""

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

STEPS = {
    "os.fsync": ("os", "fsync"),
    "os.truncate": ("os", "truncate"),
    "Path.replace": ("pathlib", "Path.replace"),
    "Path.rename": ("pathlib", "Path.rename"),
    "Path.mkdir": ("pathlib", "Path.mkdir"),
    "shutil.rmtree": ("shutil", "rmtree"),
    "write_npy": ("lexmax.index.npy", "write_npy"),
    "NpyAppender.append": ("lexmax.index.append", "NpyAppender.append"),
    "write_manifest": ("lexmax.index.segment", "write_manifest"),
    "sync_folder": ("lexmax.merging", "sync_folder"),
    "Layout.sweep": ("lexmax.index.layout", "Layout.sweep"),
    "Catalog.upsert": ("lexmax.index.catalog", "Catalog.upsert"),
    "Catalog.delete": ("lexmax.index.catalog", "Catalog.delete"),
    "Catalog.remember_build": ("lexmax.index.catalog", "Catalog.remember_build"),
    "Catalog.publish": ("lexmax.index.catalog", "Catalog.publish"),
    "Catalog.replace_segments": ("lexmax.index.catalog", "Catalog.replace_segments"),
    "Catalog.end_ingests": ("lexmax.index.catalog", "Catalog.end_ingests"),
    "create_file": ("lexmax.index.catalog", "create_file"),
}
OFTEN = frozenset({"os.fsync", "NpyAppender.append", "write_npy", "Catalog.upsert"})
"""Steps of which there are many: which of them is worth choosing."""


def _dying(call: Callable[..., Any], which: int, when: str) -> Callable[..., Any]:
    lock, calls = threading.Lock(), 0

    def run(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        with lock:
            calls += 1
            is_it = calls == which
        if is_it and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = call(*arguments, **named)
        if is_it:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return run


def prepare(step: str, which: int, when: str) -> None:
    """Put a call that kills in the place of the step."""
    module, name = STEPS[step]
    *owner, attribute = name.split(".")
    place = importlib.import_module(module)
    for part in owner:
        place = getattr(place, part)
    setattr(place, attribute, _dying(getattr(place, attribute), which, when))


if __name__ == "__main__":
    step, which, when = os.environ.pop("LEXMAX_KILL_AT").split(":")
    prepare(step, int(which), when)
    from lexmax.cli import main

    sys.argv = ["lexmax", "serve", *sys.argv[1:]]
    main()
