"""What a filter changes in the search for candidates: how many, and whether there are any."""

import numpy as np
import pytest

from lexmax.index.candidate_search import CandidateSearch, Wanted
from lexmax.index.centroid_index import CentroidIndex
from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.multivector_engines import (
    AUTO_MAXSIM,
    EXACT_MAXSIM,
    parse_multivector_engine,
)
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch

N_DOCS, TOKENS = 2000, 16


@pytest.fixture(scope="module")
def index() -> MultiVectorIndex:
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((N_DOCS, TOKENS, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    store = TokenStore.from_batch(TokenBatch.from_rows(list(rows), 8))
    return MultiVectorIndex(store, None, CentroidIndex.build(store, seed=1))


def candidates(index: MultiVectorIndex, n_living: int, text: str = "auto") -> int | None:
    alive = np.zeros(N_DOCS, dtype=bool)
    alive[np.random.default_rng(2).choice(N_DOCS, n_living, replace=False)] = True
    query = index.store.decode(np.array([3])).vectors
    search = CandidateSearch(index.store, None, index.centroids, None)
    wanted = Wanted(query, 10, alive, n_living, None)
    found = search.candidates(parse_multivector_engine(text), wanted)
    assert found is None or alive[found].all()
    return None if found is None else len(found)


def test_of_few_survivors_twice_as_many_are_candidates(index: MultiVectorIndex) -> None:
    assert candidates(index, N_DOCS // 2) == 100
    assert candidates(index, N_DOCS // 5 + 1) == 100
    assert candidates(index, N_DOCS // 5) == 200
    assert candidates(index, N_DOCS // 2, "centroids?candidates=30") == 30


def test_fewer_survivors_than_the_estimate_costs_are_all_scored(index: MultiVectorIndex) -> None:
    assert index.centroids is not None
    border = 30 + len(index.centroids.centroids) // TOKENS
    assert candidates(index, border, "centroids?candidates=30") is None
    assert candidates(index, border + 1, "centroids?candidates=30") == 30


@pytest.mark.parametrize("n_living", [0, 1, 9, 150])
def test_what_is_scored_whole_is_exact(index: MultiVectorIndex, n_living: int) -> None:
    alive = np.zeros(N_DOCS, dtype=bool)
    alive[np.random.default_rng(n_living).choice(N_DOCS, n_living, replace=False)] = True
    queries = index.store.decode(np.array([0, 7, 1999]))
    scores = np.stack([index.store.maxsim(queries.row(i), None) for i in range(3)])
    for engine in (AUTO_MAXSIM, EXACT_MAXSIM):
        hits = index.search(queries, 10, engine=engine, alive=alive)
        for i in range(3):
            living = np.flatnonzero(alive)
            best = living[np.lexsort((living, -scores[i][living]))][:10]
            assert hits.row(i)[0].tolist() == best.tolist()
            assert hits.row(i)[1].tolist() == scores[i][best].tolist()
