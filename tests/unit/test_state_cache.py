import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.encoders.training import state_cache
from lexmax.encoders.training.state_cache import StateCache
from lexmax.errors import DiskFullError, EncoderError

DIM = 4


def key(i: int) -> bytes:
    return i.to_bytes(16, "little")


def states(i: int) -> NDArray[np.float16]:
    return np.random.default_rng(i).standard_normal((1 + i % 5, DIM)).astype(np.float16)


def opened(folder: Path) -> StateCache:
    return StateCache(folder, fingerprint="toy", dim=DIM)


def append(cache: StateCache, *numbers: int) -> None:
    cache.append([key(i) for i in numbers], [states(i) for i in numbers])


def require(cache: StateCache, *numbers: int) -> None:
    assert len(cache) == len(numbers)
    for i in numbers:
        assert key(i) in cache
        np.testing.assert_array_equal(cache[key(i)], states(i))


def test_what_is_stored_is_found_again(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    assert len(cache) == 0
    append(cache, 1, 2)
    append(cache, 3)
    require(cache, 1, 2, 3)
    require(opened(tmp_path), 1, 2, 3)
    with pytest.raises(KeyError):
        cache[key(4)]


def test_each_backbone_has_a_folder(tmp_path: Path) -> None:
    append(opened(tmp_path), 1)
    assert len(StateCache(tmp_path, fingerprint="other", dim=DIM)) == 0
    assert len(StateCache(tmp_path, fingerprint="toy", dim=DIM + 1)) == 0
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("left", [0, 1, 31, 32, 33, 63])
def test_records_that_were_cut_off_are_gone_and_the_rest_is_there(
    tmp_path: Path, left: int
) -> None:
    cache = opened(tmp_path)
    append(cache, 1, 2)
    rows = cache.folder / "rows.bin"
    os.truncate(rows, left)
    again = opened(tmp_path)
    require(again, *[1, 2][: left // 32])
    append(again, 3)
    require(opened(tmp_path), *[1, 2][: left // 32], 3)


def test_states_without_a_record_are_overwritten(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    append(cache, 1)
    with (cache.folder / "states.f16").open("ab") as file:
        file.write(b"\xff" * 100)
    again = opened(tmp_path)
    append(again, 2)
    require(opened(tmp_path), 1, 2)


@pytest.mark.parametrize("place", range(0, 32, 5))
def test_a_damaged_record_ends_what_is_known(tmp_path: Path, place: int) -> None:
    cache = opened(tmp_path)
    append(cache, 1, 2, 3)
    rows = cache.folder / "rows.bin"
    damaged = bytearray(rows.read_bytes())
    damaged[32 + place] ^= 0x40
    rows.write_bytes(damaged)
    require(opened(tmp_path), 1)


def test_records_of_states_that_are_gone_are_not_believed(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    append(cache, 1, 2)
    os.truncate(cache.folder / "states.f16", len(states(1)) * DIM * 2)
    require(opened(tmp_path), 1)


def test_two_that_are_open_at_once_do_not_overwrite_each_other(tmp_path: Path) -> None:
    one, other = opened(tmp_path), opened(tmp_path)
    append(one, 1, 2)
    append(other, 3)
    require(other, 1, 2, 3)
    append(one, 4)
    require(one, 1, 2, 3, 4)
    require(opened(tmp_path), 1, 2, 3, 4)


WRITER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_state_cache import append, opened
cache = opened(Path({folder!r}))
print("open", flush=True)
i = 0
while True:
    append(cache, i, i + 1, i + 2)
    i += 3
"""


def test_a_killed_writer_leaves_whole_rows(tmp_path: Path) -> None:
    script = WRITER.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    for delay in (0.0, 0.01, 0.05):
        writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        cache = opened(tmp_path)
        require(cache, *range(len(cache)))


def test_a_full_disk_keeps_what_was_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = opened(tmp_path)
    append(cache, 1)

    def full(file: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(state_cache, "_to_disk", full)
    with pytest.raises(DiskFullError, match="free some space"):
        append(cache, 2)
    monkeypatch.undo()
    require(cache, 1)
    append(cache, 2)
    require(opened(tmp_path), 1, 2)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EncoderError, match="give another one"):
        opened(tmp_path / "file")
