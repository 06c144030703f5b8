"""Whatever is done to a saved index, it is refused, or it answers; it never crashes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError
from lexmax.index import centroid_index
from lexmax.index.fde import FdeParameters
from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.multivector_build import MultiVectorPlan, build_multivector
from lexmax.index.multivector_engines import parse_multivector_engine
from lexmax.index.token_codec import Codec
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch, ranges

_DIM = 16
_N_DOCS = {"flat": 40, "pq4": 1100, "centroids": 60, "residual4": 40, "residual2": 40}
_CENTROIDS = [f"centroids.{name}" for name in ("vectors", "heads", "groups", "codes")]
_RESIDUALS = [f"tokens.{name}" for name in ("codes", "scales", "offsets", "levels", "widths")]
_NAMES = {
    "centroids": [*_CENTROIDS, "centroids.starts", "centroids.lists"],
    "residual4": [*_RESIDUALS, "centroids.codes", "centroids.vectors"],
    "residual2": _RESIDUALS,
    "flat": ["tokens.codes", "tokens.scales", "tokens.offsets", "fde.projection", "fde.codes"],
    "pq4": ["fde.projection", "fde.codes", "fde.codebooks"],
}


_ENGINES = (
    "exact",
    "fde?candidates=9",
    "centroids?candidates=9&probes=0",
    "centroids?candidates=9&probes=2",
    "warp?candidates=9&probes=2",
    "plaid?candidates=9",
)


def _batch(n: int) -> TokenBatch:
    rng = np.random.default_rng(n)
    rows = [rng.standard_normal((int(rng.integers(0, 6)), _DIM)) for _ in range(n)]
    return TokenBatch.from_rows([row.astype(np.float32) for row in rows], _DIM)


def _use(folder: Path, index: MultiVectorIndex) -> None:
    opened = MultiVectorIndex.open(folder, index.parameters())
    queries, n_docs = _batch(4), opened.store.n_docs
    alive = np.arange(n_docs) % 3 == 0
    for text in _ENGINES:
        engine = parse_multivector_engine(text)
        for living in (None, alive):
            hits = opened.search(queries, 3, engine=engine, alive=living)
            assert hits.ordinals.max() < n_docs
    for start, stop in ranges(n_docs, 500):
        opened.store.decode(np.arange(start, stop))


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in _NAMES.items() for name in names]
)
def test_damaged_files_never_crash(
    tmp_path: Path,
    kind: str,
    name: str,
    rounds: Iterator[int],
    mutations: Callable[[bytes, int], Iterator[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(centroid_index, "LISTED_FROM", 50)
    fde = FdeParameters(dim=_DIM, repetitions=2, k_sim=2, d_proj=4)
    codec: Codec = "residual4" if kind == "residual4" else "int8"
    plan = MultiVectorPlan("residual2" if kind == "residual2" else codec)
    store = TokenStore.from_batch(_batch(_N_DOCS[kind]))
    index = build_multivector(store, plan, parameters=fde, folder=tmp_path)
    index.save(tmp_path)
    _use(tmp_path, index)
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
                _use(tmp_path, index)
            except CorruptionError as error:
                refusals.append(str(error))
        assert all(str(tmp_path) in refusal for refusal in refusals)
    # Every cut file, at the least, and every one with bytes added.
    assert len(refusals) >= 2 * n_rounds
