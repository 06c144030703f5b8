"""Which collections are there, and how do they come to be?"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import datasets
import numpy as np
import synthetic
from oracle import truth_path
from token_files import SYNTHETIC, Tokens, batches, map_tokens, write_tokens

HERE = Path(__file__).parent
# By the name that --data takes: the folder in the place of BEIR folders.
REAL = {"scifact": "scifact", "dl-pool": "msmarco-dl-pool"}
N_QUERIES = 200
# Above this documents are drawn when they are read: 1,000,000 would take 18 GB of files.
_MOST_KEPT = 200_000
_TRUTH_QUERIES_OF_DRAWN = 100
_DOCS_A_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection in the work folder; n_docs is for synthetic ones."""

    work: Path
    data: str
    dim: int
    n_docs: int = 0
    seed: int = 7

    @property
    def folder(self) -> Path:
        """Where its vectors lie."""
        size = f"-{self.n_docs}" if self.data == "synth" else ""
        return self.work / f"{self.data}{size}-{self.dim}"

    @property
    def place(self) -> dict[str, str | int]:
        """What its rows are marked with."""
        docs = self.n_docs or len(map_tokens(self.folder, "documents"))
        return {"data": self.data, "docs": docs, "dim": self.dim}

    def make(self, *, beir: Path | None, name: str, queries: int, own_truth: bool = False) -> None:
        """Vectors and truth, where they are not there yet.

        Args:
            beir: folder that holds the BEIR folders of real collections.
            name: which queries need their truth, `test` or `train`.
            queries: how many of them, at most.
            own_truth: whether the truth is left to `make_own_truth`.
        """
        if not self.folder.exists():
            _made(self.folder, lambda place: self._write(place, beir))
        if not (self.folder / f"{name}.vectors.npy").exists():
            raise SystemExit(f"{self.data} has no {name} queries; leave out --train")
        wanted = min(queries, len(map_tokens(self.folder, name)))
        if self.n_docs > _MOST_KEPT:
            wanted = min(wanted, _TRUTH_QUERIES_OF_DRAWN)
        if not own_truth:
            self._find_truth(name, wanted)

    def make_own_truth(self, name: str, queries: int) -> None:
        """Truth by the index that was built; see own_truth.py."""
        say(f"{self.folder.name}: exact int8 MaxSim of {queries} {name} queries ...")
        command = [sys.executable, "own_truth.py", str(self.folder), "--name", name]
        environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
        subprocess.run([*command, "--queries", str(queries)], cwd=HERE, env=environment, check=True)

    def _find_truth(self, name: str, wanted: int) -> None:
        path = truth_path(self.folder, name, "ordinals")
        if path.exists() and len(np.load(path, mmap_mode="r")) >= wanted:
            return
        say(f"{self.folder.name}: exact float32 MaxSim of {wanted} {name} queries ...")
        command = [sys.executable, "oracle.py", str(self.folder), "--name", name]
        environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
        subprocess.run([*command, "--queries", str(wanted)], cwd=HERE, env=environment, check=True)

    def _write(self, place: Path, beir: Path | None) -> None:
        if self.data == "synth":
            self._draw(place)
        elif self.dim == datasets.ENCODED_DIM:
            if beir is None:
                raise SystemExit(f"--beir is missing: the folder that holds {REAL[self.data]}")
            datasets.encode(beir / REAL[self.data], place, say=say)
        else:
            whole = Collection(self.work, self.data, datasets.ENCODED_DIM)
            if not whole.folder.exists():
                _made(whole.folder, lambda folder: whole._write(folder, beir))
            kept = datasets.reduce(whole.folder, place, self.dim)
            say(f"{self.folder.name}: {kept:.0%} of the energy of {datasets.ENCODED_DIM} kept")

    def _draw(self, place: Path) -> None:
        model = synthetic.Model(self.n_docs, self.dim, self.seed)
        (place / SYNTHETIC).write_text(json.dumps(asdict(model)) + "\n")
        for name, kind in (("test", synthetic.TEST), ("train", synthetic.TRAIN)):
            write_tokens(place, name, Tokens(*synthetic.queries(model, kind, N_QUERIES)))
        if self.n_docs <= _MOST_KEPT:
            parts = list(batches(place, _DOCS_A_BATCH))
            lengths = np.concatenate([np.diff(part.offsets) for part in parts])
            offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
            vectors = np.concatenate([part.vectors for part in parts])
            write_tokens(place, "documents", Tokens(offsets, vectors))


def say(text: str) -> None:
    """Tell the person who waits."""
    print(text, file=sys.stderr, flush=True)


def _made(folder: Path, write: Callable[[Path], None]) -> None:
    """A folder that appears when complete."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write(partial)
    os.replace(partial, folder)
