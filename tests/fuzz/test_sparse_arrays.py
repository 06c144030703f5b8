"""Arrays that no build writes, given straight to the kernels: an error or hits, never a crash.

Values are damaged one by one here, by what is likely to be an address; files are damaged by bytes.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import CorruptionError
from lexmax.index import _native
from lexmax.index.engines import parse_engine
from lexmax.index.sparse import SparseIndex
from lexmax.types import SparseBatch

Arrays = dict[str, NDArray[Any]]


def _collection(n_docs: int, window_docs: int, n_terms: int) -> Arrays:
    """30 terms from rare to frequent; the last document has the rest for itself."""
    rng = np.random.default_rng(n_docs)
    held = rng.random((n_docs, 30)) < np.linspace(0.002, 0.7, 30)
    rows = [np.flatnonzero(row) for row in held]
    rows[-1] = np.append(rows[-1], np.arange(30, n_terms))
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    term_ids = np.concatenate(rows).astype(np.uint32)
    weights = rng.lognormal(0, 1, len(term_ids)).astype(np.float32)
    documents = SparseBatch(indptr, term_ids, weights)
    return dict(SparseIndex.build(documents, window_docs=window_docs).arrays)


@pytest.fixture(params=[(70, 1, 30), (300, 4, 66_000), (700, 128, 30), (2000, 32_768, 30)])
def arrays(request: pytest.FixtureRequest) -> Arrays:
    """Several spans; more terms than 16 bits can number; windows from 1 document to all."""
    return _collection(*request.param)


def _value(rng: np.random.Generator, array: NDArray[Any], place: int) -> Any:
    if array.dtype == np.float32:
        return rng.choice([0.0, -1.0, np.nan, np.inf, 1e-45, 3.4e38, rng.lognormal()])
    limits = np.iinfo(array.dtype)
    stored = int(array[place])
    likely = [
        *(limits.min, limits.max, limits.max // 2, 0, 1, len(array)),
        *(stored + 1, stored - 1, stored ^ (1 << int(rng.integers(limits.bits - 1)))),
        *(int(array[rng.integers(len(array))]), int(rng.integers(limits.min, limits.max))),
    ]
    return min(max(likely[rng.integers(len(likely))], limits.min), limits.max)


def _damaged(arrays: Arrays, rng: np.random.Generator) -> Arrays:
    """Up to three values of up to two arrays changed; at times an array cut or lengthened too."""
    changed = dict(arrays)
    for name in rng.choice([*arrays], rng.integers(1, 3)):
        array = changed[name].copy()
        for place in rng.integers(len(array), size=rng.integers(1, 4) if len(array) else 0):
            array[place] = _value(rng, array, int(place))
        changed[name] = array
    if rng.random() < 0.1:
        name = str(rng.choice([*arrays]))
        longer = np.concatenate([changed[name], changed[name]])
        changed[name] = longer[: rng.integers(len(longer) + 1)].copy()
    return changed


def _use(arrays: Arrays, rng: np.random.Generator) -> None:
    index = SparseIndex(arrays)
    rows = [{int(t): float(rng.lognormal()) for t in rng.choice(32, 12)} for _ in range(3)]
    queries = SparseBatch.from_rows([*rows, {int(rng.integers(30)): 1.0}])
    k = int(rng.choice([1, 20, 5000]))
    share = rng.choice([0.01, 0.6, 1.0])
    alive = None if share == 1 else rng.random(index.n_docs) < share
    floors = None if rng.random() < 0.5 else rng.lognormal(0, 2, 4).astype(np.float32)
    engine = parse_engine(str(rng.choice(["exact", "query-mass?share=0.3", "budget?postings=90"])))
    threads = int(rng.integers(1, 3))
    for path in _native.available_paths():
        hits = index.search(
            queries, k, alive=alive, floors=floors, engine=engine, threads=threads, path=path
        )
        assert hits.ordinals.max(initial=-1) < index.n_docs
    index.touched_bytes(queries)
    index.weights(np.arange(min(index.n_docs, 50)))


def test_damaged_arrays_never_crash(arrays: Arrays, rounds: Iterator[int]) -> None:
    _use(arrays, np.random.default_rng(0))
    n_refused = 0
    for seed in rounds:
        for step in range(10):
            rng = np.random.default_rng([seed, step])
            try:
                _use(_damaged(arrays, rng), rng)
            except CorruptionError:
                n_refused += 1
    assert n_refused > 0
