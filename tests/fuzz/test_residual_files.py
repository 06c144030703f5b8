"""Whatever is done to the files of residual codes, they are refused, or answer; nothing crashes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError
from lexmax.index import _native
from lexmax.index.npy import write_npy
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch

_DIM = 21
_NAMES = [
    "tokens.codes",
    "tokens.scales",
    "tokens.offsets",
    "tokens.levels",
    "tokens.widths",
    "centroids.codes",
    "centroids.vectors",
]


def _write(folder: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [rng.standard_normal((int(rng.integers(0, 9)), _DIM)) for _ in range(40)]
    batch = TokenBatch.from_rows([row.astype(np.float32) for row in rows], _DIM)
    centroids = rng.standard_normal((8, _DIM)).astype(np.float16)
    assigned = rng.integers(0, 8, len(batch.vectors)).astype(np.uint16)
    write_npy(folder / "centroids.vectors.npy", centroids)
    write_npy(folder / "centroids.codes.npy", assigned)
    TokenStore.recoded(
        folder,
        TokenStore.from_batch(batch),
        codec="residual4",
        centroids=centroids.astype(np.float32),
        assigned=assigned,
    )


def _use(folder: Path) -> None:
    store = TokenStore.open(folder)
    query = np.random.default_rng(2).standard_normal((37, store.dim)).astype(np.float32)
    for path in _native.available_paths():
        store.maxsim(query, None, path=path)
        store.best(query, None, 5, path=path)
    store.decode(np.arange(store.n_docs))


@pytest.mark.parametrize("name", _NAMES)
def test_damaged_files_never_crash(
    tmp_path: Path,
    name: str,
    rounds: Iterator[int],
    mutations: Callable[[bytes, int], Iterator[bytes]],
) -> None:
    _write(tmp_path)
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
        assert all(str(tmp_path) in refusal for refusal in refusals)
    # Every cut file, at the least, and every one with bytes added.
    assert len(refusals) >= 2 * n_rounds
