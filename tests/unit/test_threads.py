"""An index does not show how many threads built it."""

import os
import subprocess
import sys

import pytest

_BUILD = """
import hashlib, pathlib, sys, tempfile
import numpy as np
from lexmax.index.fde import FdeParameters
from lexmax.index.multivector_build import MultiVectorPlan, build_multivector
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch

rng = np.random.default_rng(0)
offsets = np.arange(0, 4 * 1201, 4)
batch = TokenBatch(offsets, rng.standard_normal((4800, 48)).astype(np.float32))
fde = FdeParameters(dim=48, repetitions=8, k_sim=4, d_proj=16)
with tempfile.TemporaryDirectory() as folder:
    plan = MultiVectorPlan(threads=int(sys.argv[1]))
    index = build_multivector(TokenStore.from_batch(batch), plan, parameters=fde)
    index.save(pathlib.Path(folder))
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(folder).iterdir()):
        digest.update(path.read_bytes())
sys.stdout.write(digest.hexdigest())
"""


def _digest(threads: int) -> str:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, str(threads)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores to run two threads")
def test_the_number_of_threads_does_not_change_a_byte() -> None:
    assert _digest(1) == _digest(2)
