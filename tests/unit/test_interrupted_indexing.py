"""A job that is killed at any moment goes on and ends with the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

# Encodes slowly enough to be killed, and differs from text to text.
JOB = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import lexmax.building
from conftest import MeanVectors, WordVectors
from lexmax.building import Silent
from lexmax.encoders import Encoders
from lexmax.encoders.loading import Recipe
from lexmax.creating import IndexChoice
from lexmax.indexing import index_corpus

class Slow(WordVectors):
    def encode_documents(self, texts):
        time.sleep(float(sys.argv[4]))
        return super().encode_documents(texts)

encoders = Encoders(
    multivector={"minilm": Recipe({}, lambda values: Slow())},
    dense={"minilm-pooled": Recipe({}, lambda values: MeanVectors())},
)
lexmax.building.PART_DOCS = 40
choice = IndexChoice(pooled="minilm-pooled")
index_corpus(
    Path(sys.argv[1]), [sys.argv[2]], choice=choice, watcher=Silent(), encoders=encoders
)
"""


def start(path: Path, corpus: Path, *, pause: float = 0.0) -> subprocess.Popen[bytes]:
    tests = str(Path(__file__).parent.parent)
    command = [sys.executable, "-c", JOB, str(path), str(corpus), tests, str(pause)]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})


def content(path: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted((path / "segments").rglob("*"))
        if file.is_file()
    }


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.jsonl"
    words = ["sail", "ship", "bone", "milk", "wing", "flow", "dense", "air", "vitamin"]
    with path.open("wb") as file:
        for i in range(1100):
            text = " ".join(words[(i * j) % 9] + str(i % j) for j in range(1, 12))
            # Every tenth document comes a second time, with another text.
            doc_id = str(i - 5) if i % 10 == 9 else str(i)
            file.write(orjson.dumps({"_id": doc_id, "title": f"t{i}", "text": text}) + b"\n")
    return path


def test_killed_jobs_go_on_and_end_with_the_same_bytes(tmp_path: Path, corpus: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole, corpus).wait() == 0
    expected = content(whole)
    assert len(expected) > 10
    assert any(name.endswith("pooled.codes.npy") for name in expected)

    kills = 0
    for wait in (0.0, 0.3, 0.6, 1.0):
        job = start(killed, corpus, pause=0.15)
        while job.poll() is None and not (killed / "catalog.sqlite").exists():
            time.sleep(0.01)
        time.sleep(wait)
        if job.poll() is None:
            job.send_signal(signal.SIGKILL)
            kills += 1
        job.wait()
    assert kills >= 2, "the job ended before it could be killed"
    assert start(killed, corpus).wait() == 0

    assert content(killed) == expected
    assert not list((killed / "staging").iterdir())
