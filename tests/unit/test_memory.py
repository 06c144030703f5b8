"""Does the allocator give back what nobody uses?"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lexmax.index.memory import give_back, share_heaps


def resident_mb() -> float:
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(said["RssAnon"].split()[0]) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
def test_what_is_free_goes_back_to_the_system() -> None:
    # Small enough to come from the heap; every other one stays, so that it cannot shrink.
    arrays = [np.ones(8000) for _ in range(2000)]
    kept = arrays[::2]
    arrays.clear()
    before = resident_mb()
    give_back()
    assert resident_mb() < before - 30
    assert sum(len(array) for array in kept) == 8_000_000


def test_heaps_can_be_shared_anywhere() -> None:
    share_heaps()
    give_back()


def test_what_is_there_at_the_beginning_is_passed_over() -> None:
    program = (
        "import gc, lexmax.service\n"
        "from lexmax.index.memory import keep_for_good\n"
        "before = len(gc.get_objects())\n"
        "keep_for_good()\n"
        "assert gc.get_freeze_count() > 0.9 * before\n"
        "assert len(gc.get_objects()) < 0.1 * before\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
