"""Whatever is done to the files of the graph, it is refused, or it can be walked."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lexmax.diversity.graph import hops, personalised_pagerank
from lexmax.errors import CorruptionError
from lexmax.index.neighbour_build import build_neighbours
from lexmax.index.neighbours import ORDINALS, SIMILARITIES, STARTS, Neighbours
from lexmax.index.pooled import PooledIndex
from lexmax.types import Json

_N_DOCS, _K = 60, 4


def _use(folder: Path, parameters: dict[str, Json]) -> None:
    graph = Neighbours.open(folder, parameters)
    found = np.array([3, 40, 11]), np.array([2.0, 1.0, 0.5], np.float32)
    for walked in (hops(found, graph.edges, hops=3), personalised_pagerank(found, graph.edges)):
        assert np.all(walked[0] < _N_DOCS)
        assert len(np.unique(walked[0])) == len(walked[0])
        assert np.isfinite(walked[1]).all()
    edges = graph.edges(np.arange(_N_DOCS))
    assert np.all(np.diff(edges.starts) <= _K)


@pytest.mark.parametrize("name", [STARTS, ORDINALS, SIMILARITIES])
def test_damaged_files_never_crash(
    tmp_path: Path,
    name: str,
    rounds: Iterator[int],
    mutations: Callable[[bytes, int], Iterator[bytes]],
) -> None:
    vectors = np.random.default_rng(0).standard_normal((_N_DOCS, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    graph = build_neighbours(PooledIndex.from_vectors(vectors), _K, signal="pooled")
    graph.save(tmp_path)
    _use(tmp_path, graph.parameters())
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
                _use(tmp_path, graph.parameters())
            except CorruptionError as error:
                refusals.append(str(error))
    # Every cut file, at the least, and every one with bytes added.
    assert len(refusals) >= 2 * n_rounds
