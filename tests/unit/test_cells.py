import numpy as np
import pytest

from lexmax.errors import ShapeError
from lexmax.index.cells import train_cells


def test_cells_lie_where_vectors_cluster() -> None:
    rng = np.random.default_rng(0)
    middles = np.eye(3, 5)
    vectors = (np.repeat(middles, 50, axis=0) + 0.05 * rng.standard_normal((150, 5))).astype("f4")
    cells = train_cells(vectors, 3, seed=(0,))
    np.testing.assert_allclose(np.linalg.norm(cells, axis=1), 1, atol=1e-6)
    products = cells @ middles.T
    # Lloyd's method may leave two cells in one cluster; this seed does not.
    assert sorted(products.argmax(axis=1)) == [0, 1, 2]
    assert products.max(axis=1).min() > 0.99


def test_the_seed_decides() -> None:
    vectors = np.random.default_rng(0).standard_normal((500, 6)).astype(np.float32)
    first, again, other = (train_cells(vectors, 8, seed=(7, r)) for r in (0, 0, 1))
    assert first.tobytes() == again.tobytes()
    assert (first != other).any()


def test_a_vector_moves_the_first_of_equal_cells() -> None:
    vectors = np.array([[3, 0], [3, 0]], np.float32)
    np.testing.assert_array_equal(train_cells(vectors, 4, seed=(0,)), np.tile([1, 0], (4, 1)))


def test_vectors_of_zeros_leave_finite_cells() -> None:
    assert not train_cells(np.zeros((5, 3), np.float32), 2, seed=(0,)).any()


def test_nothing_to_train_on() -> None:
    with pytest.raises(ShapeError, match="no vectors"):
        train_cells(np.zeros((0, 3), np.float32), 2, seed=(0,))
