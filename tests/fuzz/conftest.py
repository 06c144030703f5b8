"""How long do fuzz tests go on, and what do they do to bytes? Described in README.md."""

import os
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

_ROUNDS = 25


def _rounds(test: str) -> Iterator[int]:
    first = int(os.environ.get("LEXMAX_FUZZ_SEED", "0"))
    end = monotonic() + float(os.environ.get("LEXMAX_FUZZ_SECONDS", "0"))
    last = os.environ.get("LEXMAX_FUZZ_LAST")
    for seed in count(first):
        if seed >= first + _ROUNDS and monotonic() >= end:
            return
        told = f"LEXMAX_FUZZ_SEED={seed} {test}\n"
        sys.stdout.write(told)
        if last:
            Path(last).write_text(told)
        yield seed


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Iterator[int]:
    """Seeds, one a round: 25, or as many as fit into LEXMAX_FUZZ_SECONDS.

    The first is LEXMAX_FUZZ_SEED, or 0. The last is in the captured output of a test that failed
    and, for a process that died, in the file LEXMAX_FUZZ_LAST.
    """
    return _rounds(request.node.nodeid)


def _mutations(original: bytes, seed: int) -> Iterator[bytes]:
    """What an accident may leave of a file: cut, a bit flipped, overwritten, noise, added to."""
    rng = np.random.default_rng(seed)
    yield original[: rng.integers(len(original))]
    for least in (0, 128):
        flipped = bytearray(original)
        flipped[rng.integers(min(least, len(original) - 1), len(original))] ^= 1 << int(
            rng.integers(8)
        )
        yield bytes(flipped)
    for extreme in (b"\xff", b"\x00", b"\x7f", b"\x80"):
        place, width = int(rng.integers(64, len(original))), int(rng.choice([1, 4, 8, 64]))
        yield (original[:place] + extreme * width + original[place + width :])[: len(original)]
    noise = bytearray(original)
    noise[128:] = rng.bytes(len(original) - 128)
    yield bytes(noise)
    yield original + rng.bytes(int(rng.integers(1, 20)))


@pytest.fixture
def mutations() -> Callable[[bytes, int], Iterator[bytes]]:
    """Nine damaged versions of a `.npy` file's bytes for a seed; the first and last are refused."""
    return _mutations
