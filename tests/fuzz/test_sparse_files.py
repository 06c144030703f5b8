"""Whatever is done to a written index, it is refused, or it answers; it never crashes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError
from lexmax.index import _native
from lexmax.index.sparse import SparseIndex
from lexmax.index.sparse_build import SPARSE_FILES
from lexmax.types import Hits, SparseBatch

_QUERIES = SparseBatch.from_rows(
    [{t: 1.0 + t for t in range(30)}, {29: 1.0}, {3: 1.0, 28: 0.01}, {99: 1.0}, {}]
)


def _documents() -> SparseBatch:
    """Terms from rare to frequent, in 9 windows of 64 documents."""
    rng = np.random.default_rng(3)
    held = rng.random((550, 30)) < np.linspace(0.002, 0.6, 30)
    indptr = np.concatenate([[0], np.cumsum(held.sum(axis=1))]).astype(np.int64)
    term_ids = np.nonzero(held)[1].astype(np.uint32)
    return SparseBatch(indptr, term_ids, rng.lognormal(0, 1, len(term_ids)).astype(np.float32))


def _use(folder: Path) -> None:
    index = SparseIndex.open(folder)
    index.doc_freqs(np.arange(40, dtype=np.uint32))
    alive = np.arange(index.n_docs) % 3 > 0
    for k in (1, 1000):
        for path in _native.available_paths():
            assert isinstance(index.search(_QUERIES, k, alive=alive, path=path), Hits)
    assert isinstance(index.search(_QUERIES, 9, alive=np.arange(index.n_docs) < 4), Hits)
    index.touched_bytes(_QUERIES)
    index.weights(np.arange(index.n_docs))


@pytest.mark.parametrize("name", SPARSE_FILES)
def test_a_damaged_file_is_refused_or_answers(
    tmp_path: Path,
    name: str,
    rounds: Iterator[int],
    mutations: Callable[[bytes, int], Iterator[bytes]],
) -> None:
    SparseIndex.write(tmp_path, _documents(), window_docs=64)
    _use(tmp_path)
    path = tmp_path / f"{name}.npy"
    original = path.read_bytes()
    n_rounds, refusals = 0, list[str]()
    for seed in rounds:
        n_rounds += 1
        for damaged in mutations(original, seed):
            # A new file, as a copy from a backup would be: what is mapped is never cut short.
            path.unlink()
            path.write_bytes(damaged)
            try:
                _use(tmp_path)
            except CorruptionError as error:
                refusals.append(str(error))
        assert all(refusal.startswith(str(tmp_path)) for refusal in refusals)
    # Every cut file, at the least, and every one with bytes added.
    assert len(refusals) >= 2 * n_rounds
