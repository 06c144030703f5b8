"""A disk that fills up at any moment of a job: a clear error, nothing lost, the job goes on."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from lexmax.collection import Collection
from lexmax.index.verification import verify

# A limit on the size of any file stands in for a full disk: a write past it fails in the same
# places, with EFBIG, and no special rights are needed.
JOB = """
import sys
from lexmax.cli import main
sys.argv = ["lexmax", "index", sys.argv[1], sys.argv[2], "--multivector", "none"]
main()
"""


def index(path: Path, corpus: Path, *, most_bytes: int | None) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return subprocess.run(
        [sys.executable, "-c", JOB, str(path), str(corpus)],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.jsonl"
    words = ["sail", "ship", "bone", "milk", "wing", "flow", "dense", "air", "vitamin", "calcium"]
    with path.open("wb") as file:
        for i in range(1500):
            text = " ".join(words[(i * j) % 10] + str(i % (j + 3)) for j in range(1, 40))
            file.write(orjson.dumps({"_id": str(i), "text": text}) + b"\n")
    return path


@pytest.mark.parametrize("most_bytes", [10_000, 60_000, 300_000, 450_000])
def test_a_job_on_a_full_disk_says_so_and_goes_on_later(
    tmp_path: Path, corpus: Path, most_bytes: int
) -> None:
    path = tmp_path / "ix"
    full = index(path, corpus, most_bytes=most_bytes)

    assert full.returncode == 1, full.stderr
    assert "disk is full" in full.stderr.replace("\n", " ")
    assert "Traceback" not in full.stderr
    if path.exists():
        assert verify(path).problems == ()

    again = index(path, corpus, most_bytes=None)
    assert again.returncode == 0, again.stderr
    with Collection.open(path) as collection:
        assert collection.n_docs == 1500
        assert collection.search("sail1 ship2", 3).hits
    assert verify(path).problems == ()
