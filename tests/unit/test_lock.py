import os
import subprocess
import sys
from pathlib import Path

import pytest

from lexmax.errors import LockedError
from lexmax.index.lock import WriterLock


def test_a_second_writer_learns_who_the_first_is(tmp_path: Path) -> None:
    first, second = WriterLock(tmp_path / "writer.lock"), WriterLock(tmp_path / "writer.lock")
    first.acquire()

    with pytest.raises(LockedError, match=f"process {os.getpid()} is writing"):
        second.acquire()

    first.release()
    second.acquire()
    assert second.held
    second.release()


def test_a_killed_writer_leaves_the_lock_free(tmp_path: Path) -> None:
    path = tmp_path / "writer.lock"
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom lexmax.index.lock import WriterLock\n"
        "WriterLock(Path(sys.argv[1])).acquire()\nos.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -9

    lock = WriterLock(path)
    lock.acquire()
    assert lock.held
    lock.release()
