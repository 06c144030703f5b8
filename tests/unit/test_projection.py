from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lexmax.errors import CorruptionError
from lexmax.index.projection import Projection


def _normal(n: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def _falling(dim: int, rate: float) -> NDArray[np.float32]:
    return (_normal(400, dim) * rate ** np.arange(dim)).astype(np.float32)


def _sides() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Documents that vary most where queries are silent."""
    documents, queries = _normal(300, 16), _normal(200, 16, seed=1)
    documents[:, :12] *= 2
    queries[:, :12] *= 0.1
    return documents, queries


def _error(
    projection: Projection, queries: NDArray[np.float32], documents: NDArray[np.float32]
) -> float:
    found = projection.apply_queries(queries) @ projection.apply(documents).T
    return float(((found - queries @ documents.T) ** 2).sum())


def test_without_queries_both_sides_have_one_matrix(tmp_path: Path) -> None:
    rows = _normal(40, 20)
    projection = Projection.fit(rows, 8, seed=3)
    projection.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["fde.projection.npy"]
    for one in (projection, Projection.open(tmp_path)):
        assert (one.long_dim, one.dim) == (20, 8)
        np.testing.assert_array_equal(one.apply(rows), one.apply_queries(rows))
    gram = projection.matrix.T.astype(np.float64) @ projection.matrix
    np.testing.assert_allclose(gram, np.eye(8), atol=2e-3)


def test_queries_decide_which_products_are_kept() -> None:
    documents, queries = _sides()
    plain = Projection.fit(documents, 8, seed=0)
    both = Projection.fit(documents, 8, seed=0, queries=queries)
    unseen = _sides()[1] * np.float32(0.5)
    assert _error(both, unseen, documents) < 0.2 * _error(plain, unseen, documents)


def test_all_directions_keep_all_products() -> None:
    documents, queries = _sides()
    projection = Projection.fit(documents, 16, seed=0, queries=queries)
    exact = float(((queries @ documents.T) ** 2).sum())
    assert _error(projection, queries, documents) < 1e-4 * exact


def test_both_matrices_are_kept(tmp_path: Path) -> None:
    documents, queries = _sides()
    projection = Projection.fit(documents, 5, seed=0, queries=queries)
    projection.save(tmp_path)
    again = Projection.open(tmp_path)
    assert again.apply(documents).tobytes() == projection.apply(documents).tobytes()
    assert again.apply_queries(queries).tobytes() == projection.apply_queries(queries).tobytes()
    assert (again.apply(queries) != again.apply_queries(queries)).any()


def test_the_number_of_threads_changes_nothing() -> None:
    documents, queries = _normal(400, 200), _normal(50, 200, seed=1)
    made = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            made.append(Projection.fit(documents, 30, seed=0, queries=queries))
    assert made[0].matrix.tobytes() == made[1].matrix.tobytes()
    assert made[0].query_matrix.tobytes() == made[1].query_matrix.tobytes()


@pytest.mark.parametrize("n_zero", [0, 30])
def test_samples_without_spread(n_zero: int) -> None:
    zeros = np.zeros((30, 10), np.float32)
    projection = Projection.fit(zeros, 4, seed=0, queries=zeros[:n_zero])
    assert np.isfinite(projection.apply(_normal(2, 10))).all()


def test_a_sketch_puts_each_coordinate_in_one_place() -> None:
    projection = Projection.sketch(100, 8, seed=1)
    np.testing.assert_array_equal(np.abs(projection.matrix).sum(axis=1), np.ones(100))
    assert (projection.matrix != 0).any(axis=0).all()
    assert set(np.unique(projection.matrix)) == {-1, 0, 1}
    again = Projection.sketch(100, 8, seed=1)
    assert again.matrix.tobytes() == projection.matrix.tobytes()


def test_a_query_matrix_of_another_shape(tmp_path: Path) -> None:
    Projection.sketch(10, 4, seed=0).save(tmp_path)
    np.save(tmp_path / "fde.query_projection.npy", np.zeros((10, 5), np.float16))
    with pytest.raises(CorruptionError, match=r"query_projection.*found \(10, 5\)"):
        Projection.open(tmp_path)


@pytest.mark.parametrize("name", ["fde.projection.npy", "fde.query_projection.npy"])
def test_a_matrix_with_nan_is_named(tmp_path: Path, name: str) -> None:
    documents, queries = _sides()
    Projection.fit(documents, 4, seed=0, queries=queries).save(tmp_path)
    matrix = np.load(tmp_path / name)
    matrix[3, 2] = np.nan
    np.save(tmp_path / name, matrix)
    projection = Projection.open(tmp_path)
    apply = projection.apply if name == "fde.projection.npy" else projection.apply_queries
    with pytest.raises(CorruptionError, match=f"{name}: found NaN"):
        apply(documents)


def test_a_projection_keeps_the_products_of_vectors_in_its_span() -> None:
    flat = _normal(300, 12) @ _normal(12, 200, seed=1)
    short = Projection.fit(flat, 12, seed=0).apply(flat)
    np.testing.assert_allclose(short @ short.T, flat @ flat.T, rtol=0.01, atol=5)


def test_a_projection_keeps_nearly_as_much_as_the_best_one() -> None:
    sample = _falling(150, 0.97)
    kept = float((Projection.fit(sample, 40, seed=0).apply(sample) ** 2).sum())
    best = float((np.linalg.svd(sample, compute_uv=False)[:40] ** 2).sum())
    assert best * 0.99 < kept < best * 1.001


def test_a_projection_spreads_the_variance_over_its_coordinates() -> None:
    sample = _falling(100, 0.9)
    variances = (Projection.fit(sample, 32, seed=0).apply(sample) ** 2).mean(axis=0)
    # In the order of singular values the ratio would be about 0.9 ** -62, or 700.
    assert variances.max() / variances.min() < 50
