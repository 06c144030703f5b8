"""Whatever is done to the files of pooled vectors, it is refused, or it answers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError
from lexmax.index.pooled import CODES, SCALES, PooledCodec, PooledIndex, PooledPlan, PooledWriter
from lexmax.types import Json

_DIM, _N_DOCS = 12, 150
_FILES: list[tuple[PooledCodec, str]] = [("int8", CODES), ("int8", SCALES), ("fp16", CODES)]


def _use(folder: Path, parameters: dict[str, Json]) -> None:
    index = PooledIndex.open(folder, parameters)
    queries = np.random.default_rng(1).standard_normal((10, _DIM)).astype(np.float32)
    for mask in (None, np.arange(_N_DOCS) % 3 == 0):
        for some in (queries[:1], queries):
            hits = index.search(some, 11, alive=mask)
            for i in range(len(some)):
                ordinals, scores = hits.row(i)
                assert len(np.unique(ordinals)) == len(ordinals)
                assert (ordinals < _N_DOCS).all()
                assert not np.isnan(scores).any()
                assert mask is None or mask[ordinals].all()
    index.score(queries[0], np.arange(_N_DOCS))
    index.vectors(np.arange(_N_DOCS))


@pytest.mark.parametrize(("codec", "name"), _FILES)
def test_damaged_files_never_crash(
    tmp_path: Path,
    codec: PooledCodec,
    name: str,
    rounds: Iterator[int],
    mutations: Callable[[bytes, int], Iterator[bytes]],
) -> None:
    vectors = np.random.default_rng(0).standard_normal((_N_DOCS, _DIM)).astype(np.float32)
    writer = PooledWriter(tmp_path, PooledPlan(_DIM, codec))
    writer.append(vectors)
    writer.close()
    _use(tmp_path, writer.parameters())
    path = tmp_path / name
    original = path.read_bytes()
    n_rounds, refusals = 0, list[str]()
    for seed in rounds:
        n_rounds += 1
        for damaged in mutations(original, seed):
            # A new file, as a copy from a backup would be: what is mapped is never cut short.
            path.unlink()
            path.write_bytes(damaged)
            try:
                _use(tmp_path, writer.parameters())
            except CorruptionError as error:
                refusals.append(str(error))
    # Every cut file, at the least, and every one with bytes added.
    assert len(refusals) >= 2 * n_rounds
