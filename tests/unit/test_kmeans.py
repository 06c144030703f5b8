import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.encoders.kmeans import ROUNDS, _refilled, _uniforms, kmeans_clusters
from lexmax.types import TokenBatch


def unit(n: int, dim: int, *, seed: int = 0) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clusters(vectors: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    text = TokenBatch.from_rows([vectors], vectors.shape[1])
    return kmeans_clusters(text, np.array([count]), seed=0)


def plainly(vectors: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    """The same algorithm, token by token and with its means written out."""
    rows = vectors.astype(np.float64)
    uniforms = _uniforms(seed, count)
    drawn = [int(uniforms[0] * len(rows))]
    for uniform in uniforms[1:]:
        weights = np.min([1 - rows @ rows[i] for i in drawn], axis=0).clip(0)
        weights[drawn] = 0
        totals = np.cumsum(weights)
        drawn.append(int(np.searchsorted(totals, uniform * totals[-1], side="right")))
    found = np.argmax(rows @ rows[drawn].T, axis=1)
    for _ in range(ROUNDS):
        means = np.array([rows[found == i].sum(axis=0) for i in range(count)])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        found = np.argmax(rows @ means.T, axis=1)
    return found


@pytest.mark.parametrize(("n", "count", "seed"), [(40, 5, 0), (65, 30, 1), (200, 16, 2)])
def test_it_is_k_means_as_written_in_the_books(n: int, count: int, seed: int) -> None:
    vectors = unit(n, 12, seed=seed)
    text = TokenBatch.from_rows([vectors], 12)
    found = kmeans_clusters(text, np.array([count]), seed=seed)
    np.testing.assert_array_equal(found, plainly(vectors, count, seed))


def test_groups_that_lie_apart_are_found() -> None:
    centres = unit(6, 32)
    groups = np.repeat(np.arange(6), 9)
    vectors = centres[groups] + 0.05 * unit(54, 32, seed=1)
    found = clusters((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)), 6)
    assert len({*zip(groups.tolist(), found.tolist(), strict=True)}) == 6


def test_texts_of_all_lengths_and_counts_at_once() -> None:
    lengths = [0, 1, 30, 7, 30, 300]
    counts = np.array([0, 1, 3, 7, 12, 40])
    rows = [unit(n, 8, seed=i) for i, n in enumerate(lengths)]
    batch = TokenBatch.from_rows(rows, 8)
    found = kmeans_clusters(batch, counts, seed=0)
    for i, count in enumerate(counts):
        of_text = found[batch.offsets[i] : batch.offsets[i + 1]]
        assert np.unique(of_text).tolist() == list(range(count))


def test_no_bit_depends_on_the_texts_beside_it() -> None:
    lengths = np.random.default_rng(0).integers(90, 300, 70)  # More than go together at once.
    batch = TokenBatch.from_rows([unit(int(n), 16, seed=i) for i, n in enumerate(lengths)], 16)
    counts = lengths // 3
    together = kmeans_clusters(batch, counts, seed=0)
    for i, count in enumerate(counts):
        alone = clusters(batch.row(i), int(count))
        np.testing.assert_array_equal(alone, together[batch.offsets[i] : batch.offsets[i + 1]])


def test_an_emptied_cluster_takes_the_token_that_fits_its_own_worst() -> None:
    cosines = np.full((1, 3, 5), -np.inf, np.float32)
    cosines[0, 0] = [0.9, 0.2, 0.8, 0.7, 0.0]
    cosines[0, 2] = [0, 0, 0, 0.1, 0]
    real = np.array([[True, True, True, True, False]])
    found = _refilled(np.array([[0, 0, 0, 2, 0]]), cosines, real, np.array([3]))
    # Token 3 fits worse, but is alone in its cluster; token 4 is padding.
    assert found[0, :4].tolist() == [0, 1, 0, 2]


def test_draws_are_the_same_for_ever() -> None:
    np.testing.assert_allclose(_uniforms(0, 3), KNOWN, atol=1e-9)


KNOWN = [0.636961687, 0.269786714, 0.040973524]
