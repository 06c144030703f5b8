import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.index.projection import Projection
from lexmax.index.scan import FlatScan, PqScan, encode, train_codebooks


def _vectors(n: int, dim: int) -> NDArray[np.float32]:
    return np.random.default_rng(n).standard_normal((n, dim)).astype(np.float32)


def _nearest_centroids(
    vectors: NDArray[np.float32], codebooks: NDArray[np.float32]
) -> NDArray[np.int64]:
    pairs = vectors.reshape(len(vectors), -1, 1, 2)
    distances: NDArray[np.float32] = ((pairs - codebooks) ** 2).sum(axis=3)
    return distances.argmin(axis=2)


def test_codes_lie_in_bytes_as_the_format_says() -> None:
    vectors = _vectors(1000, 8)
    codebooks = train_codebooks(vectors, seed=1)
    assert codebooks.shape == (4, 16, 2)
    codes = encode(vectors, codebooks)
    expected = _nearest_centroids(vectors, codebooks)
    np.testing.assert_array_equal(codes & 15, expected[:, 0::2])
    np.testing.assert_array_equal(codes >> 4, expected[:, 1::2])


def test_estimates_are_products_with_the_centroids() -> None:
    vectors = _vectors(1000, 32)
    codebooks = train_codebooks(vectors, seed=1)
    chosen = _nearest_centroids(vectors, codebooks)
    decoded = np.stack([codebooks[m][chosen[:, m]] for m in range(16)], axis=1).reshape(-1, 32)
    ordinals, scores = PqScan(codebooks, encode(vectors, codebooks)).nearest(vectors[7], 1000)
    np.testing.assert_array_equal(np.sort(ordinals), np.arange(1000))
    # FAISS scans with tables of 8 bits.
    np.testing.assert_allclose(scores, (decoded @ vectors[7])[ordinals], atol=0.5)
    assert ordinals[np.argmax(scores)] == 7


def test_seeds_decide_codebooks() -> None:
    vectors = _vectors(1000, 8)
    np.testing.assert_array_equal(
        train_codebooks(vectors, seed=5), train_codebooks(vectors, seed=5)
    )
    assert (train_codebooks(vectors, seed=5) != train_codebooks(vectors, seed=6)).any()


def test_a_flat_scan_is_exact_and_breaks_ties_by_ordinal() -> None:
    vectors = np.array([[1, 0], [2, 0], [1, 5], [0, 9]], dtype=np.float32)
    ordinals, scores = FlatScan(vectors).nearest(np.array([1, 0], dtype=np.float32), 3)
    np.testing.assert_array_equal(ordinals, [1, 0, 2])
    np.testing.assert_array_equal(scores, [2, 1, 1])


def test_a_projection_keeps_the_products_of_vectors_in_its_span() -> None:
    rng = np.random.default_rng(2)
    flat = (rng.standard_normal((300, 12)) @ rng.standard_normal((12, 200))).astype(np.float32)
    projection = Projection.fit(flat, 12, seed=0)
    short = projection.apply(flat)
    assert short.shape == (300, 12)
    np.testing.assert_allclose(short @ short.T, flat @ flat.T, rtol=0.01, atol=5)
    basis = projection.matrix.astype(np.float32)
    np.testing.assert_allclose(basis.T @ basis, np.eye(12), atol=1e-3)


def test_a_projection_keeps_nearly_as_much_as_the_best_one() -> None:
    rng = np.random.default_rng(3)
    scales = 0.97 ** np.arange(150)
    sample = (rng.standard_normal((400, 150)) * scales).astype(np.float32)
    kept = float((Projection.fit(sample, 40, seed=0).apply(sample) ** 2).sum())
    best = float((np.linalg.svd(sample, compute_uv=False)[:40] ** 2).sum())
    assert best * 0.99 < kept < best * 1.001


def test_a_projection_spreads_the_variance_over_its_coordinates() -> None:
    rng = np.random.default_rng(4)
    scales = 0.9 ** np.arange(100)
    sample = (rng.standard_normal((400, 100)) * scales).astype(np.float32)
    variances = (Projection.fit(sample, 32, seed=0).apply(sample) ** 2).mean(axis=0)
    # In the order of singular values the ratio would be about 0.9 ** -62, or 700.
    assert variances.max() / variances.min() < 50


@pytest.mark.parametrize("n", [1, 3])
def test_a_sample_of_zeros_has_a_basis_too(n: int) -> None:
    zeros = np.zeros((n, 20), dtype=np.float32)
    short = Projection.fit(zeros, n, seed=0).apply(zeros)
    np.testing.assert_array_equal(short, np.zeros((n, n)))
