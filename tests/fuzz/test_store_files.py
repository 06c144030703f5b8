"""Whatever is done to the files of a candidate store, it is refused, or it answers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError
from lexmax.index.candidates import CandidateIndex
from lexmax.index.fde import FdeParameters
from lexmax.index.stores.kinds import forms
from lexmax.index.stores.spec import parse_store
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch

_DIM, _N_DOCS = 12, 150
_TEXTS = ["sq8", "bits?refine=2", "pq8", "opq4", "ivf-pq4?lists=5&nprobe=2", "hnsw?m=4&ef=20"]
_FILES = [(text, name) for text in _TEXTS for name in forms(parse_store(text), 1, 8)]


def _batch(n: int) -> TokenBatch:
    rng = np.random.default_rng(n)
    rows = [rng.standard_normal((int(rng.integers(0, 6)), _DIM)) for _ in range(n)]
    return TokenBatch.from_rows([row.astype(np.float32) for row in rows], _DIM)


def _use(folder: Path, built: CandidateIndex) -> None:
    opened = CandidateIndex.open(folder, built.parameters())
    alive = np.arange(_N_DOCS) % 3 == 0
    vectors = np.nan_to_num(opened.project(_batch(4)))
    for mask in (None, alive):
        for n in (3, 11, _N_DOCS):
            for vector in vectors:
                ordinals, estimates = opened.nearest(vector, n, mask)
                assert len(ordinals) == len(estimates) <= n
                assert len(np.unique(ordinals)) == len(ordinals)
                assert ((ordinals >= 0) & (ordinals < _N_DOCS)).all()
                assert mask is None or mask[ordinals].all()


@pytest.mark.parametrize(("text", "name"), _FILES)
def test_damaged_files_never_crash(
    tmp_path: Path,
    text: str,
    name: str,
    rounds: Iterator[int],
    mutations: Callable[[bytes, int], Iterator[bytes]],
) -> None:
    store = TokenStore.from_batch(_batch(_N_DOCS))
    fde = FdeParameters(dim=_DIM, repetitions=2, k_sim=2, d_proj=4)
    built = CandidateIndex.build(
        store, parameters=fde, store_spec=parse_store(text), projection_dim=16, seed=1
    )
    built.save(tmp_path)
    _use(tmp_path, built)
    path = tmp_path / f"fde.{name}.npy"
    original = path.read_bytes()
    n_rounds, refusals = 0, list[str]()
    for seed in rounds:
        n_rounds += 1
        for damaged in mutations(original, seed):
            # A new file, as a copy from a backup would be: what is mapped is never cut short.
            path.unlink()
            path.write_bytes(damaged)
            try:
                _use(tmp_path, built)
            except CorruptionError as error:
                refusals.append(str(error))
    # Every cut file, at the least, and every one with bytes added.
    assert len(refusals) >= 2 * n_rounds
