from collections.abc import Callable
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyroaring import BitMap

from lexmax.index import oracle_multivector, oracle_sparse
from lexmax.index.filters import Filter
from lexmax.index.multivector_engines import AUTO_MAXSIM, EXACT_MAXSIM
from lexmax.index.segment import Segment
from lexmax.index.snapshot import Snapshot
from lexmax.types import Hits, SparseBatch, TokenBatch, best_first

N_DOCS = 30


def batches(seed: int) -> tuple[SparseBatch, TokenBatch]:
    rng = np.random.default_rng(seed)
    rows = [
        {int(t): float(rng.integers(1, 4)) for t in rng.choice(12, rng.integers(0, 6), False)}
        for _ in range(N_DOCS)
    ]
    vectors = [
        rng.integers(-2, 3, (int(rng.integers(0, 4)), 4)).astype(np.float32) for _ in range(N_DOCS)
    ]
    return SparseBatch.from_rows(rows), TokenBatch.from_rows(vectors, 4)


def snapshot_of(
    sparse: SparseBatch, tokens: TokenBatch, cuts: list[int], deleted: set[int]
) -> Snapshot:
    ends = sorted({0, *cuts, N_DOCS})
    segments = [
        Segment.in_memory(np.arange(a, b) * 2, sparse.slice(a, b), tokens.slice(a, b))
        for a, b in pairwise(ends)
    ]
    return Snapshot.of(1, segments, np.array(sorted(deleted), dtype=np.int64) * 2)


ordinals = st.sets(st.integers(0, N_DOCS - 1))


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    cuts=st.lists(st.integers(1, N_DOCS - 1), max_size=3),
    deleted=ordinals,
    allowed=ordinals,
    k=st.integers(1, N_DOCS + 5),
    form=st.sampled_from(["bitmap", "mask", "predicate"]),
)
def test_restricted_searches_find_what_the_oracle_finds(
    seed: int, cuts: list[int], deleted: set[int], allowed: set[int], k: int, form: str
) -> None:
    sparse, tokens = batches(seed)
    mask = np.isin(np.arange(N_DOCS), list(allowed))
    forms: dict[str, BitMap | NDArray[np.bool_] | Callable[..., NDArray[np.bool_]]] = {
        "bitmap": BitMap(allowed),
        "mask": mask,
        "predicate": lambda ordinals: np.isin(ordinals, list(allowed)),
    }
    snapshot = snapshot_of(sparse, tokens, cuts, deleted)
    restricted = snapshot.restricted(Filter.of(forms[form], N_DOCS))
    alive = mask & ~np.isin(np.arange(N_DOCS), list(deleted))

    queries, vectors = batches(seed + 1)
    expected = oracle_sparse.search(sparse, queries, k, alive=alive)
    assert_equal(restricted.search_sparse(queries, k), expected)

    rows = [exact(tokens, vectors.row(i), np.flatnonzero(alive), k) for i in range(N_DOCS)]
    for engine in (EXACT_MAXSIM, AUTO_MAXSIM):
        found = restricted.search_multivector(vectors, k, engine=engine)
        assert_equal(found, Hits.from_rows(rows, k))
    assert restricted.n_living == alive.sum()


def exact(
    tokens: TokenBatch, query: NDArray[np.float32], living: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    held = np.array([o for o in living if len(query) and len(tokens.row(int(o)))], dtype=np.int64)
    scores = [oracle_multivector.quantised_maxsim(query, tokens.row(int(o))) for o in held]
    return best_first(held, np.array(scores, dtype=np.float32), k)


def assert_equal(found: Hits, expected: Hits) -> None:
    for i in range(len(expected)):
        for ours, theirs in zip(found.row(i), expected.row(i), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=60, deadline=None)
@given(a=ordinals, b=ordinals, c=ordinals)
def test_filters_obey_the_laws_of_sets(a: set[int], b: set[int], c: set[int]) -> None:
    x, y, z = (Filter.of(BitMap(chosen), N_DOCS) for chosen in (a, b, c))

    def members(made: Filter) -> set[int]:
        assert made.n_allowed == made.mask.sum()
        return set(np.flatnonzero(made.mask).tolist())

    assert members(x & y | z) == (a & b) | c
    assert members(~(x | y)) == set(range(N_DOCS)) - a - b
    assert members(~(x & y)) == members(~x | ~y)
