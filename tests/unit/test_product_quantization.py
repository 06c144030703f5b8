"""Product quantisation and OPQ against plain numpy; ADC scores and their gradients."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lexmax.encoders.training import product_quantization as module
from lexmax.encoders.training.opq import Fit, fitted
from lexmax.encoders.training.product_quantization import ProductQuantizer
from lexmax.errors import EncoderError, ShapeError

M, K, DIM = 3, 4, 6


def _random(*shape: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _quantizer(*, dtype: torch.dtype = torch.float32) -> ProductQuantizer:
    made = ProductQuantizer(DIM, subspaces=M, n_centroids=K).to(dtype)
    with torch.no_grad():
        made.centroids.copy_(_random(M, K, DIM // M, seed=1))
        made.rotation.copy_(torch.linalg.qr(_random(DIM, DIM, seed=2)).Q)
    return made


def _nearest(quantizer: ProductQuantizer, vectors: np.ndarray) -> np.ndarray:
    centroids, rotation = quantizer.centroids.detach().numpy(), quantizer.rotation.numpy()
    codes = np.zeros((len(vectors), M), np.uint8)
    for i, vector in enumerate(vectors):
        parts = (rotation @ vector).reshape(M, -1)
        for m in range(M):
            codes[i, m] = np.argmin(((centroids[m] - parts[m]) ** 2).sum(axis=1))
    return codes


@pytest.mark.parametrize("part_bytes", [1, 1 << 20])
def test_codes_are_the_nearest_centroids(part_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART_BYTES", part_bytes)
    quantizer, vectors = _quantizer(), _random(50, DIM, seed=3)
    codes = quantizer.codes(vectors)
    assert codes.dtype == torch.uint8
    np.testing.assert_array_equal(codes.numpy(), _nearest(quantizer, vectors.numpy()))
    assert quantizer.codes(vectors[:0]).shape == (0, M)
    assert quantizer.tables(vectors[:0]).shape == (0, M, K)


def test_distances_are_squared_and_euclidean() -> None:
    quantizer, rotated = _quantizer(), _random(7, DIM, seed=4)
    found = quantizer.distances(rotated).detach().numpy()
    parts = rotated.numpy().reshape(7, M, 1, -1)
    expected = ((parts - quantizer.centroids.detach().numpy()[None]) ** 2).sum(axis=3)
    np.testing.assert_allclose(found, expected.transpose(1, 0, 2), atol=1e-5)


def test_scores_are_sums_of_table_entries_and_products_with_what_codes_stand_for() -> None:
    quantizer, queries = _quantizer(), _random(5, DIM, seed=5)
    codes = quantizer.codes(_random(9, DIM, seed=6))
    scores = quantizer.scores(queries, codes).detach()
    tables = quantizer.tables(queries).detach()
    assert tables.shape == (5, M, K)
    for b in range(5):
        for c in range(9):
            entries = [tables[b, m, int(codes[c, m])] for m in range(M)]
            assert float(scores[b, c]) == pytest.approx(float(torch.stack(entries).sum()), abs=1e-5)
    torch.testing.assert_close(scores, queries @ quantizer.restored(codes).T)


def test_each_query_may_have_documents_of_its_own() -> None:
    quantizer, queries = _quantizer(), _random(5, DIM, seed=5)
    codes = quantizer.codes(_random(9, DIM, seed=6))
    rows = torch.tensor([[0, 3], [8, 8], [1, 2], [4, 5], [7, 6]])
    found = quantizer.scores(queries, codes[rows])
    torch.testing.assert_close(found, quantizer.scores(queries, codes).gather(1, rows))


def test_gradients_reach_queries_and_centroids() -> None:
    quantizer = _quantizer(dtype=torch.float64)
    codes = quantizer.codes(_random(4, DIM, seed=6, dtype=torch.float64))
    queries = _random(3, DIM, seed=5, dtype=torch.float64).requires_grad_()

    def scores(queries: Tensor, centroids: Tensor) -> Tensor:
        given = {"rotation": quantizer.rotation, "centroids": centroids}
        return torch.func.functional_call(_Scores(quantizer, codes), _named(given), (queries,))

    assert torch.autograd.gradcheck(scores, (queries, quantizer.centroids))
    quantizer.scores(queries, codes).sum().backward()
    assert quantizer.centroids.grad is not None
    used = {(m, int(code)) for row in codes for m, code in enumerate(row)}
    moved = {(int(m), int(k)) for m, k in quantizer.centroids.grad.any(dim=2).nonzero()}
    assert moved == used


class _Scores(torch.nn.Module):
    def __init__(self, quantizer: ProductQuantizer, codes: Tensor) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.codes = codes

    def forward(self, queries: Tensor) -> Tensor:
        return self.quantizer.scores(queries, self.codes)


def _named(given: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"quantizer.{name}": value for name, value in given.items()}


@pytest.mark.parametrize("part_bytes", [1, 200, 1 << 20])
@pytest.mark.parametrize("k", [1, 4, 30, 50])
def test_search_ranks_all_documents(
    k: int, part_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PART_BYTES", part_bytes)
    quantizer, queries = _quantizer(), _random(5, DIM, seed=5)
    codes = torch.randint(K, (30, M), generator=torch.Generator().manual_seed(7)).to(torch.uint8)
    scores, rows = quantizer.search(queries, codes, k)
    whole = quantizer.scores(queries, codes)
    torch.testing.assert_close(scores, whole.sort(dim=1, descending=True).values[:, :k])
    torch.testing.assert_close(whole.gather(1, rows), scores)
    assert all(len(set(row)) == min(k, 30) for row in rows.tolist())
    with pytest.raises(ShapeError, match="k is 0"):
        quantizer.search(queries, codes, 0)


def _error(quantizer: ProductQuantizer, vectors: Tensor) -> float:
    missing = quantizer.restored(quantizer.codes(vectors)).detach() - vectors
    return float(missing.square().sum(dim=1).mean() / vectors.square().sum(dim=1).mean())


def _correlated(n: int, dim: int) -> Tensor:
    """Variances fall steeply, along directions that are no coordinates."""
    scales = torch.linspace(2, 0.05, dim).square()
    turned = torch.linalg.qr(_random(dim, dim, seed=8)).Q
    return (_random(n, dim, seed=9) * scales) @ turned


def test_a_rotation_loses_less() -> None:
    vectors = _correlated(1500, 16)
    fit = Fit(subspaces=4, n_centroids=16, rounds=15, last_rounds=5)
    opq = fitted(vectors, fit)
    pq = fitted(vectors, Fit(subspaces=4, n_centroids=16, rotate=False, rounds=15, last_rounds=5))
    assert _error(opq, vectors) < 0.7 * _error(pq, vectors)
    torch.testing.assert_close(opq.rotation @ opq.rotation.T, torch.eye(16), atol=1e-5, rtol=0)
    assert torch.equal(pq.rotation, torch.eye(16))


def test_faiss_loses_no_less() -> None:
    faiss = pytest.importorskip("faiss")
    vectors = _correlated(1500, 16).numpy()
    ours = _error(fitted(torch.from_numpy(vectors), Fit(4, 16)), torch.from_numpy(vectors))
    turn = faiss.OPQMatrix(16, 4)
    turn.pq = faiss.ProductQuantizer(16, 4, 4)
    turn.train(vectors)
    turned = turn.apply(vectors)
    coder = faiss.ProductQuantizer(16, 4, 4)
    coder.train(turned)
    missing = coder.decode(coder.compute_codes(turned)) - turned
    theirs = float((missing**2).sum(axis=1).mean() / (turned**2).sum(axis=1).mean())
    assert ours < 1.02 * theirs


def test_as_many_vectors_as_centroids_are_kept_whole() -> None:
    vectors = _random(16, 4, seed=1)
    quantizer = fitted(vectors, Fit(subspaces=2, n_centroids=16, rotate=False))
    assert _error(quantizer, vectors) < 1e-10


def test_equal_vectors_leave_no_centroid_empty_of_numbers() -> None:
    quantizer = fitted(torch.ones(40, 4), Fit(subspaces=2, n_centroids=16, rounds=3))
    assert torch.isfinite(quantizer.centroids).all()
    assert _error(quantizer, torch.ones(40, 4)) < 1e-4


def test_fits_follow_their_seed() -> None:
    vectors = _correlated(400, 8)
    one, same, other = (
        fitted(vectors, Fit(2, 16, rounds=3, sample=200, seed=seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one.centroids, same.centroids)
    assert torch.equal(one.rotation, same.rotation)
    assert not torch.equal(one.centroids, other.centroids)


def test_what_cannot_be_quantised() -> None:
    with pytest.raises(EncoderError, match="6 coordinates in 4 subspaces"):
        ProductQuantizer(6, subspaces=4)
    with pytest.raises(EncoderError, match="n_centroids is 257"):
        ProductQuantizer(6, subspaces=3, n_centroids=257)
    with pytest.raises(EncoderError, match="found 3 vectors for 4 centroids"):
        fitted(torch.ones(3, 6), Fit(subspaces=3, n_centroids=4))
    with pytest.raises(EncoderError, match="NaN or infinity"):
        fitted(torch.full((5, 6), torch.nan), Fit(subspaces=3, n_centroids=4))
