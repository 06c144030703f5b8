from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import CorruptionError
from lexmax.index.stores import faiss_codes
from lexmax.index.stores.kinds import coder, complete, forms, open_store, train
from lexmax.index.stores.products import ProductStore
from lexmax.index.stores.spec import fitted, parse_store
from lexmax.index.stores.store import Arrays, Store

DIM = 32
# What share of the exact ten best must be among the 40 that a store finds.
FLOORS = {
    "flat": 1.0,
    "sq8": 0.99,
    "bits": 0.6,
    "bits?refine=3": 0.8,
    "pq4": 0.9,
    "pq4?refine=3": 0.99,
    "pq8": 0.9,
    "pq8?refine=3": 0.99,
    "opq4": 0.9,
    "opq8": 0.9,
    "ivf-pq4?lists=20&nprobe=10": 0.8,
    "ivf-pq8?refine=3&nprobe=20": 0.9,
    "hnsw": 0.97,
    "hnsw?m=8&ef=60": 0.9,
}


def _vectors(n: int, dim: int = DIM) -> NDArray[np.float32]:
    """About 30 centres, with strong and weak coordinates turned into each other."""
    rng = np.random.default_rng(n)
    strength = 0.9 ** np.arange(dim)
    centres = rng.standard_normal((30, dim))
    rows = (centres[rng.integers(0, 30, n)] + 0.8 * rng.standard_normal((n, dim))) * strength
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((dim, dim)))[0]
    vectors: NDArray[np.float32] = (rows @ turn).astype(np.float32)
    return vectors


def _arrays(text: str, vectors: NDArray[np.float32], *, seed: int = 1, block: int = 200) -> Arrays:
    spec = fitted(parse_store(text), *vectors.shape)
    trained = train(spec, vectors[:1500], seed=seed)
    code = coder(spec, trained)
    parts = [code(vectors[i : i + block]) for i in range(0, len(vectors), block)]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return complete(spec, trained | rows)


def _store(text: str, vectors: NDArray[np.float32]) -> Store:
    return open_store(fitted(parse_store(text), *vectors.shape), _arrays(text, vectors))


@pytest.fixture(scope="module", params=FLOORS)
def text(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return _vectors(3000)


@pytest.fixture(scope="module")
def store(text: str, vectors: NDArray[np.float32]) -> Store:
    return _store(text, vectors)


def _recall(found: Sequence[NDArray[np.int64]], best: Sequence[NDArray[np.int64]]) -> float:
    pairs = zip(found, best, strict=True)
    return float(np.mean([len(np.intersect1d(ours, exact)) / len(exact) for ours, exact in pairs]))


@pytest.mark.parametrize("share", [1.0, 0.5, 0.02])
def test_a_store_finds_what_the_flat_one_does(
    text: str, store: Store, vectors: NDArray[np.float32], share: float
) -> None:
    queries = _vectors(40)
    alive = None if share == 1 else np.random.default_rng(3).random(len(vectors)) < share
    flat = _store("flat", vectors)
    best = [flat.nearest(query, 10, alive)[0] for query in queries]
    found = [store.nearest(query, 40, alive)[0] for query in queries]
    assert all(len(ordinals) == 40 for ordinals in found)
    if alive is not None:
        assert all(alive[ordinals].all() for ordinals in found)
    assert _recall(found, best) >= FLOORS[text]


def test_estimates_are_near_the_products(
    text: str, store: Store, vectors: NDArray[np.float32]
) -> None:
    query = vectors[5]
    ordinals, estimates = store.nearest(query, 200)
    products = vectors[ordinals] @ query
    assert (np.diff(estimates) <= 0).all()
    assert np.corrcoef(products, estimates)[0, 1] > (0.4 if text.startswith("bits") else 0.85)


@pytest.mark.parametrize("share", [None, 0.5, 0.001, 0.0])
def test_as_many_are_found_as_are_asked_for_or_live(
    store: Store, vectors: NDArray[np.float32], share: float | None
) -> None:
    alive = None if share is None else np.random.default_rng(4).random(len(vectors)) < share
    most = len(vectors) if alive is None else int(alive.sum())
    for n in (1, 100, len(vectors), 10**9):
        ordinals, estimates = store.nearest(vectors[0], n, alive)
        assert len(ordinals) == len(np.unique(ordinals)) == len(estimates) == min(n, most)
        assert ordinals.dtype == np.int64
        assert estimates.dtype == np.float32


def test_arrays_have_their_forms_and_equal_seeds_give_equal_bytes(
    text: str, vectors: NDArray[np.float32]
) -> None:
    spec = fitted(parse_store(text), *vectors.shape)
    arrays, again = (_arrays(text, vectors) for _ in range(2))
    expected = forms(spec, *vectors.shape)
    assert {name: (array.dtype.type, array.shape) for name, array in arrays.items()} == {
        name: (form.dtype, form.shape) for name, form in expected.items()
    }
    assert all(arrays[name].tobytes() == again[name].tobytes() for name in arrays)


def test_other_blocks_give_the_same_rows(text: str) -> None:
    vectors = _vectors(500)
    arrays, other = _arrays(text, vectors), _arrays(text, vectors, block=77)
    assert all(arrays[name].tobytes() == other[name].tobytes() for name in arrays)


@pytest.mark.parametrize("n", [1, 2, 17])
def test_few_vectors(text: str, n: int) -> None:
    vectors = _vectors(n)
    ordinals, estimates = _store(text, vectors).nearest(vectors[n - 1], n)
    np.testing.assert_array_equal(np.sort(ordinals), np.arange(n))
    assert (np.diff(estimates) <= 0).all()


def test_zeros_are_found_too(text: str) -> None:
    zeros = np.zeros((40, 8), np.float32)
    ordinals, estimates = _store(text, zeros).nearest(np.ones(8, np.float32), 7)
    np.testing.assert_array_equal(estimates, np.zeros(7))
    assert len(np.unique(ordinals)) == 7


@pytest.mark.parametrize("dim", [1, 7, 60, 130])
@pytest.mark.parametrize("name", ["flat", "sq8", "bits", "hnsw"])
def test_any_number_of_coordinates(name: str, dim: int) -> None:
    vectors = _vectors(300, dim)
    best = (vectors @ vectors[4]).argmax()
    assert best in _store(name, vectors).nearest(vectors[4], 150)[0]


@pytest.mark.parametrize("name", ["pq4", "pq8", "bits", "ivf-pq4"])
def test_a_refinement_of_all_is_a_scan_of_bytes(name: str) -> None:
    vectors = _vectors(900)
    refined, scanned = _store(f"{name}?refine=90", vectors), _store("sq8", vectors)
    for query in _vectors(5):
        found, expected = refined.nearest(query, 10), scanned.nearest(query, 10)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_a_flat_store_is_exact_and_breaks_ties_by_ordinal() -> None:
    vectors = np.array([[1, 0], [2, 0], [1, 5], [0, 9]], dtype=np.float32)
    ordinals, products = _store("flat", vectors).nearest(np.array([1, 0], np.float32), 3)
    np.testing.assert_array_equal(ordinals, [1, 0, 2])
    np.testing.assert_array_equal(products, [2, 1, 1])


def _nearest_centroids(
    vectors: NDArray[np.float32], codebooks: NDArray[np.float32]
) -> NDArray[np.int64]:
    parts = vectors.reshape(len(vectors), len(codebooks), 1, -1)
    distances: NDArray[np.float32] = ((parts - codebooks) ** 2).sum(axis=3)
    return distances.argmin(axis=2)


def test_codes_lie_in_bytes_as_the_format_says() -> None:
    vectors = _vectors(1000, 8)
    arrays = _arrays("pq4", vectors)
    assert arrays["codebooks"].shape == (4, 16, 2)
    expected = _nearest_centroids(vectors, arrays["codebooks"])
    np.testing.assert_array_equal(arrays["codes"] & 15, expected[:, 0::2])
    np.testing.assert_array_equal(arrays["codes"] >> 4, expected[:, 1::2])
    arrays = _arrays("pq8", vectors)
    assert arrays["codebooks"].shape == (2, 256, 4)
    expected = _nearest_centroids(vectors, arrays["codebooks"])
    np.testing.assert_array_equal(arrays["codes"], expected)


@pytest.mark.parametrize(("name", "tolerance"), [("pq4", 0.2), ("pq8", 1e-4)])
def test_estimates_are_products_with_the_centroids(name: str, tolerance: float) -> None:
    vectors = _vectors(1000)
    arrays = _arrays(name, vectors)
    books = arrays["codebooks"]
    chosen = _nearest_centroids(vectors, books)
    decoded = np.concatenate([books[m][chosen[:, m]] for m in range(len(books))], axis=1)
    ordinals, estimates = open_store(parse_store(name), arrays).nearest(vectors[7], 1000)
    # FAISS scans codes of 4 bits with tables of 8 bits.
    np.testing.assert_allclose(estimates, (decoded @ vectors[7])[ordinals], atol=tolerance)


def test_fewer_vectors_than_codes_are_their_own_centroids() -> None:
    vectors = _vectors(9, 4)
    arrays = _arrays("pq8", vectors)
    np.testing.assert_allclose(arrays["codebooks"][0][arrays["codes"][:, 0]], vectors, atol=1e-6)


def test_turning_keeps_more_where_coordinates_belong_together() -> None:
    rng = np.random.default_rng(8)
    # Pairs that one code could hold lie far from each other.
    base = rng.standard_normal((2000, 16)).repeat(2, axis=1)[:, np.r_[0:32:2, 1:32:2]]
    vectors = (base + 0.01 * rng.standard_normal((2000, 32))).astype(np.float32)
    lost = {}
    for name in ("pq4", "opq4"):
        arrays = _arrays(name, vectors)
        turned = vectors @ arrays["rotation"] if name == "opq4" else vectors
        made = faiss_codes.quantiser(arrays["codebooks"]).decode(arrays["codes"])
        lost[name] = float(((turned - made) ** 2).sum())
    assert lost["opq4"] < 0.5 * lost["pq4"]
    rotation = _arrays("opq4", vectors)["rotation"]
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(32), atol=1e-3)


def test_seeds_decide_codebooks() -> None:
    vectors = _vectors(1000, 8)
    one, other = (_arrays("pq4", vectors, seed=seed)["codebooks"] for seed in (5, 6))
    assert (one != other).any()


def test_lists_that_are_not_there_are_damage() -> None:
    vectors = _vectors(200)
    arrays = _arrays("ivf-pq4?lists=5", vectors)
    arrays["lists"] = arrays["lists"].copy()
    arrays["lists"][3] = 5
    store = ProductStore(parse_store("ivf-pq4?lists=5"), arrays)
    with pytest.raises(CorruptionError, match="found list 5; expected less than 5"):
        store.nearest(vectors[0], 3)


def test_damaged_links_lead_to_no_wrong_address() -> None:
    vectors = _vectors(500)
    arrays = _arrays("hnsw", vectors)
    rng = np.random.default_rng(9)
    for links in (rng.integers(-(2**31), 2**31, (500, 32)), np.full((500, 32), -1)):
        damaged = arrays | {"links": links.astype(np.int32)}
        store = open_store(parse_store("hnsw"), damaged)
        assert len(np.unique(store.nearest(vectors[0], 30)[0])) == 30
