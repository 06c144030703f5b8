"""Which documents does a sparse index of format version 1 hold? Its forward index tells."""

from pathlib import Path

import numpy as np

from lexmax.errors import ShapeError
from lexmax.index.npy import map_npy
from lexmax.types import SparseBatch


def is_here(directory: Path) -> bool:
    """Whether a folder's index has the files of version 1."""
    return (directory / "sparse.window_starts.npy").is_file()


def documents(directory: Path) -> SparseBatch:
    """The documents' exact weights.

    Raises:
        CorruptionError: if a file is missing or cut short.
        ShapeError: if the files do not fit together.
    """
    terms = map_npy(directory / "sparse.terms.npy", (np.uint32,), 1)
    indptr = map_npy(directory / "forward.indptr.npy", (np.int64,), 1)
    local = map_npy(directory / "forward.terms.npy", (np.uint32,), 1)
    weights = map_npy(directory / "forward.weights.npy", (np.float32,), 1)
    if np.any(local >= len(terms)):
        raise ShapeError("forward.terms holds a term that sparse.terms does not have")
    return SparseBatch(np.ascontiguousarray(indptr), terms[local], np.ascontiguousarray(weights))
