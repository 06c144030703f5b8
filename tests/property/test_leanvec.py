"""The closed form of LeanVec beside the paper's loss, which is computed as it is written."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.eval.compression.codecs.codec import Sample
from lexmax.eval.compression.codecs.leanvec import LeanVec, id_matrix, lost, ood_matrices
from lexmax.eval.compression.codecs.scalar import Plain
from lexmax.index.projection import Projection

Floats = NDArray[np.float32]
Wide = NDArray[np.float64]


def _skewed(n: int, dim: int, seed: int) -> Floats:
    """Vectors whose directions differ in strength."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    strengths = 1 / (1 + np.arange(dim))
    return (rng.standard_normal((n, dim)) * strengths @ turn + 0.3).astype(np.float32)


def _papers_loss(documents: Floats, queries: Floats, a: Wide, b: Wide) -> float:
    """||Q^T (A^T B - I) X||_F^2 of section 2, with Q and X as columns and A and B as rows."""
    q, x = queries.T.astype(np.float64), documents.T.astype(np.float64)
    rest = a @ b.T - np.eye(len(q))
    return float(np.linalg.norm(q.T @ rest @ x) ** 2)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(0, 99))
def test_the_loss_by_traces_is_the_papers(dim: int, seed: int) -> None:
    documents, queries = _skewed(60, 9, seed), _skewed(40, 9, seed + 1000)
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((9, dim)), rng.standard_normal((9, dim))
    found = lost(documents, queries, a, b)
    assert found == pytest.approx(_papers_loss(documents, queries, a, b), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(0, 99))
def test_the_closed_form_leaves_the_least_singular_values(dim: int, seed: int) -> None:
    documents, queries = _skewed(60, 9, seed), _skewed(40, 9, seed + 1000)
    products = queries.astype(np.float64) @ documents.T.astype(np.float64)
    strengths = np.linalg.svd(products, compute_uv=False)
    least = float((strengths[dim:] ** 2).sum())
    a, b = ood_matrices(documents, queries, dim)
    found = _papers_loss(documents, queries, a, b)
    # No product of that rank is nearer (Eckart & Young 1936).
    assert found == pytest.approx(least, rel=1e-4, abs=1e-6 * float((strengths**2).sum()))


def _one_sided(documents: Floats, queries: Floats, dim: int, beta: float) -> Wide:
    """LeanVec-ES, section 3: A = B, the strongest directions of both moments mixed."""
    of_documents = documents.T.astype(np.float64) @ documents / len(documents)
    of_queries = queries.T.astype(np.float64) @ queries / len(queries)
    vectors = np.linalg.eigh((1 - beta) * of_documents + beta * of_queries)[1]
    found: Wide = vectors[:, ::-1][:, :dim]
    return found


@pytest.mark.parametrize("dim", [1, 3, 6])
def test_it_loses_less_than_id_and_than_one_matrix_for_both(dim: int) -> None:
    documents, queries = _skewed(200, 10, seed=1), _skewed(80, 10, seed=2)
    best = lost(documents, queries, *ood_matrices(documents, queries, dim))
    alone = id_matrix(documents, dim)
    assert best < lost(documents, queries, alone, alone)
    for beta in np.linspace(0, 1, 9).tolist():
        one = _one_sided(documents, queries, dim, beta)
        assert best <= lost(documents, queries, one, one) * (1 + 1e-9)


def test_neither_gradient_of_the_paper_is_left() -> None:
    documents, queries = _skewed(200, 8, seed=3), _skewed(90, 8, seed=4)
    a, b = (side.T for side in ood_matrices(documents, queries, 3))
    k_x = documents.T.astype(np.float64) @ documents
    k_q = queries.T.astype(np.float64) @ queries
    rest = a.T @ b - np.eye(8)
    for gradient, size in (
        (2 * b @ k_x @ rest.T @ k_q, np.linalg.norm(b @ k_x @ k_q)),
        (2 * a @ k_q @ rest @ k_x, np.linalg.norm(a @ k_q @ k_x)),
    ):
        assert np.linalg.norm(gradient) < 1e-6 * size


def test_id_leaves_the_least_singular_values_of_documents() -> None:
    documents = _skewed(200, 8, seed=5)
    matrix = id_matrix(documents, 3)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(3), atol=1e-9)
    rest = documents - documents @ matrix @ matrix.T
    strengths = np.linalg.svd(documents.astype(np.float64), compute_uv=False)
    assert (rest**2).sum() == pytest.approx((strengths[3:] ** 2).sum(), rel=1e-5)


def test_all_coordinates_keep_all_products() -> None:
    documents, queries = _skewed(100, 7, seed=6), _skewed(50, 7, seed=7)
    a, b = ood_matrices(documents, queries, 7)
    np.testing.assert_allclose((queries @ a) @ (documents @ b).T, queries @ documents.T, atol=1e-3)


def test_the_scale_of_a_side_changes_nothing() -> None:
    documents, queries = _skewed(100, 7, seed=8), _skewed(50, 7, seed=9)
    one, other = (ood_matrices(documents, scale * queries, 3) for scale in (1, 64))
    np.testing.assert_allclose(one[0] @ one[1].T, other[0] @ other[1].T, atol=1e-8)


def _same_products(a: Wide, b: Wide, matrix: Wide) -> None:
    np.testing.assert_allclose(a @ b.T, matrix @ matrix.T, atol=1e-6)


def test_queries_that_are_wholly_shrunk_away_or_missing_give_id() -> None:
    documents, queries = _skewed(100, 7, seed=10), _skewed(50, 7, seed=11)
    matrix = id_matrix(documents, 3)
    _same_products(*ood_matrices(documents, queries, 3, shrinkage=1.0), matrix)
    _same_products(*ood_matrices(documents, queries[:0], 3), matrix)
    _same_products(*ood_matrices(documents, np.zeros_like(queries), 3), matrix)


def test_fewer_queries_than_coordinates_give_finite_maps() -> None:
    documents, queries = _skewed(100, 12, seed=12), _skewed(2, 12, seed=13)
    a, b = ood_matrices(documents, queries, 6)
    assert np.isfinite(a).all()
    assert np.isfinite(b).all()
    np.testing.assert_allclose((queries @ a) @ (documents @ b).T, queries @ documents.T, atol=1e-2)


def test_a_coordinate_without_spread_is_no_obstacle() -> None:
    documents, queries = _skewed(100, 6, seed=14), _skewed(50, 6, seed=15)
    documents[:, 2] = queries[:, 2] = 0
    a, b = ood_matrices(documents, queries, 5)
    np.testing.assert_allclose((queries @ a) @ (documents @ b).T, queries @ documents.T, atol=1e-3)


def test_the_index_projects_as_well_among_all_directions() -> None:
    documents, queries = _skewed(300, 8, seed=16), _skewed(200, 8, seed=17)
    theirs = Projection.fit(documents, 4, seed=1, queries=queries)
    ours = ood_matrices(documents, queries, 4, shrinkage=0.3)
    found = [
        lost(documents, queries, *sides)
        for sides in (
            (theirs.query_matrix.astype(np.float64), theirs.matrix.astype(np.float64)),
            ours,
        )
    ]
    # It looks among all 8 directions here, keeps halves, and floors roots elsewhere.
    assert found[0] == pytest.approx(found[1], rel=0.02)


def test_a_codec_fits_no_more_coordinates_than_there_are() -> None:
    documents, queries = _skewed(30, 5, seed=18), _skewed(20, 5, seed=19)
    fitted = LeanVec(64, Plain(), by_queries=True).fit(Sample(documents, queries))
    products = fitted.queries(queries) @ fitted.decode(fitted.encode(documents)).T
    np.testing.assert_allclose(products, queries @ documents.T, atol=1e-3)


@pytest.mark.parametrize("dim", [0, 6])
def test_a_number_of_coordinates_out_of_range_is_refused(dim: int) -> None:
    documents = _skewed(30, 5, seed=20)
    with pytest.raises(ShapeError, match="expected 1 to 5"):
        id_matrix(documents, dim)
    with pytest.raises(ShapeError, match="expected 1 to 5"):
        ood_matrices(documents, documents, dim)
