"""Where do the token vectors of a collection lie, and how are they read?

A folder `<data>-<dim>` (or `synth-<n_docs>-<dim>`) holds `documents`, `test` and `train`, each as
offsets int64 (n + 1,) and unit vectors (n_tokens, dim), float16 for documents and float32 for
queries; `<name>.ids.json` where texts have names; and truth, see oracle.py.
Documents too large to keep are drawn whenever they are read: then `synthetic.json` says how.
"""

import json
import multiprocessing
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import Any

import numpy as np
import synthetic
from numpy.typing import NDArray

SYNTHETIC = "synthetic.json"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token vectors of n texts: offsets int64 (n + 1,), vectors (n_tokens, dim)."""

    offsets: NDArray[np.int64]
    vectors: NDArray[Any]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def dim(self) -> int:
        """Coordinates of a vector."""
        return int(self.vectors.shape[1])

    def row(self, i: int) -> NDArray[Any]:
        """Vectors of text `i`, (its tokens, dim)."""
        return self.vectors[self.offsets[i] : self.offsets[i + 1]]

    def slice(self, start: int, stop: int) -> "Tokens":
        """Texts `start` to `stop`, sharing memory."""
        offsets = self.offsets[start : stop + 1]
        return Tokens(offsets - offsets[0], self.vectors[offsets[0] : offsets[-1]])

    def first(self, n: int) -> "Tokens":
        """The first n texts, sharing memory."""
        return self.slice(0, min(n, len(self)))


def write_tokens(folder: Path, name: str, tokens: Tokens) -> None:
    """Write the two files."""
    np.save(folder / f"{name}.offsets.npy", tokens.offsets, allow_pickle=False)
    np.save(folder / f"{name}.vectors.npy", tokens.vectors, allow_pickle=False)


def map_tokens(folder: Path, name: str) -> Tokens:
    """Map the files of `documents`, `test` or `train`."""
    offsets = np.load(folder / f"{name}.offsets.npy", allow_pickle=False)
    vectors = np.load(folder / f"{name}.vectors.npy", mmap_mode="r", allow_pickle=False)
    return Tokens(offsets, vectors)


def batches(folder: Path, docs_a_batch: int, *, processes: int = 1) -> Iterator[Tokens]:
    """All documents in order, some at a time, read from their files or drawn by processes."""
    if is_drawn(folder):
        model = synthetic.Model(**json.loads((folder / SYNTHETIC).read_text()))
        yield from _drawn(model, docs_a_batch, processes)
        return
    documents = map_tokens(folder, "documents")
    for start in range(0, len(documents), docs_a_batch):
        yield documents.slice(start, min(start + docs_a_batch, len(documents)))


def _drawn(model: synthetic.Model, docs_a_batch: int, processes: int) -> Iterator[Tokens]:
    starts = range(0, model.n_docs, docs_a_batch)
    stops = [min(start + docs_a_batch, model.n_docs) for start in starts]
    draw = partial(_draw, model)
    if processes == 1:
        yield from map(draw, starts, stops)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        waiting: deque[AsyncResult[Tokens]] = deque()
        for bounds in zip(starts, stops, strict=True):
            # A few ahead: a pool that runs on would fill the memory.
            waiting.append(pool.apply_async(draw, bounds))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().get()
        while waiting:
            yield waiting.popleft().get()


def _draw(model: synthetic.Model, start: int, stop: int) -> Tokens:
    return Tokens(*synthetic.documents(model, start, stop))


def is_drawn(folder: Path) -> bool:
    """Whether the documents have no files."""
    return not (folder / "documents.vectors.npy").exists()


def read_ids(folder: Path, name: str) -> list[str]:
    """The names of the texts; their numbers where they have none."""
    path = folder / f"{name}.ids.json"
    if path.exists():
        return list(json.loads(path.read_text()))
    return [str(i) for i in range(len(map_tokens(folder, name)))]
