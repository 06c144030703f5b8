"""Where do the vectors of a collection lie, and how are they read?

A folder `<profile>-<n_docs>` holds `documents`, `test` and `train`, each as three mapped files:
indptr int64, term_ids uint32 (ascending in a row), weights float32.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PARTS = ("indptr", "term_ids", "weights")
TRUTH_DEPTH = 1000


@dataclass(frozen=True, slots=True)
class Vectors:
    """Rows in CSR form: indptr (n + 1,), term_ids and weights (nnz,)."""

    indptr: NDArray[np.int64]
    term_ids: NDArray[np.uint32]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def row(self, i: int) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """Term ids and weights of row `i`."""
        a, b = self.indptr[i], self.indptr[i + 1]
        return self.term_ids[a:b], self.weights[a:b]

    def first(self, n: int) -> "Vectors":
        """The first n rows, sharing memory."""
        end = self.indptr[min(n, len(self))]
        return Vectors(self.indptr[: n + 1], self.term_ids[:end], self.weights[:end])


def part_path(folder: Path, name: str, part: str) -> Path:
    """The file of one part, such as documents.indptr.npy."""
    return folder / f"{name}.{part}.npy"


def map_vectors(folder: Path, name: str) -> Vectors:
    """Map the files of `documents`, `test` or `train`."""
    return Vectors(
        *(np.load(part_path(folder, name, p), mmap_mode="r", allow_pickle=False) for p in PARTS)
    )


def write_vectors(folder: Path, name: str, vectors: Vectors) -> None:
    """Write the three files."""
    for part in PARTS:
        np.save(part_path(folder, name, part), getattr(vectors, part), allow_pickle=False)


def truth_path(folder: Path, name: str, part: str) -> Path:
    """The file of the true `ordinals` or `scores` of the queries called `name`."""
    return folder / f"truth.{name}.{part}.npy"


def true_ordinals(folder: Path, name: str) -> NDArray[np.int64]:
    """(n_queries, 1000) best documents of each query by float64 scores, ties by ordinal."""
    found: NDArray[np.int64] = np.load(truth_path(folder, name, "ordinals"), allow_pickle=False)
    return found


def recall(found: NDArray[np.int64], truth: NDArray[np.int64], k: int) -> float:
    """Mean share of the true first k that is among the first k found; -1 stands for no hit."""
    k = min(k, truth.shape[1])
    return float(
        np.mean([len(np.intersect1d(f[:k], t[:k])) / k for f, t in zip(found, truth, strict=False)])
    )
