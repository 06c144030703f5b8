import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.encoders.ward import ward_clusters
from lexmax.types import TokenBatch


def clusters(vectors: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    text = TokenBatch.from_rows([vectors], vectors.shape[1])
    return ward_clusters(text, np.array([count]))


def plainly(vectors: NDArray[np.float32], count: int) -> set[frozenset[int]]:
    """Every pair of clusters is tried at every step."""
    rows = vectors.astype(np.float64)
    left = [frozenset([i]) for i in range(len(rows))]

    def spread(members: frozenset[int]) -> float:
        chosen = rows[sorted(members)]
        return float(((chosen - chosen.mean(axis=0)) ** 2).sum())

    while len(left) > count:
        pairs = [(a, b) for i, a in enumerate(left) for b in left[i + 1 :]]
        a, b = min(pairs, key=lambda pair: spread(pair[0] | pair[1]) - sum(map(spread, pair)))
        left = [c for c in left if c not in (a, b)] + [a | b]
    return set(left)


@pytest.mark.parametrize(("n", "count", "seed"), [(12, 1, 0), (13, 4, 1), (20, 10, 2), (9, 8, 3)])
def test_it_joins_what_adds_least_to_the_spread(n: int, count: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((n, 6))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    found = clusters(vectors, count)
    assert {frozenset(np.flatnonzero(found == name)) for name in found} == plainly(vectors, count)


def test_clusters_have_the_name_of_their_first_token() -> None:
    vectors = np.eye(3, dtype=np.float32)[[2, 0, 2, 1, 0]]
    assert clusters(vectors, 3).tolist() == [0, 1, 0, 3, 1]


def test_texts_that_keep_all_are_not_looked_at() -> None:
    batch = TokenBatch(np.array([0, 0, 1, 3]), np.eye(3, dtype=np.float32))
    assert ward_clusters(batch, np.array([0, 1, 2])).tolist() == [0, 0, 1]
