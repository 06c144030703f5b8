from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError, ShapeError
from lexmax.index import centroid_index, centroids
from lexmax.index import oracle_centroids as oracle
from lexmax.index.centroid_index import CentroidIndex, mean_residual, sampled_rows
from lexmax.index.centroid_training import train_centroids
from lexmax.index.centroids import Centroids, QuantisedRows, suitable_number, unit
from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.multivector_build import MultiVectorPlan, build_multivector
from lexmax.index.multivector_engines import EXACT_MAXSIM, parse_multivector_engine
from lexmax.index.plaid import plaid_candidates
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch

DIM = 24


def clustered(n_docs: int, *, seed: int = 0, spread: float = 0.3) -> TokenBatch:
    rng = np.random.default_rng(seed)
    words = unit(rng.standard_normal((200, DIM)).astype(np.float32))
    rows = []
    for _ in range(n_docs):
        drawn = words[rng.integers(0, 200, int(rng.integers(1, 20)))]
        noise = spread * rng.standard_normal(drawn.shape).astype(np.float32) / np.sqrt(DIM)
        rows.append(unit(drawn + noise))
    return TokenBatch.from_rows(rows, DIM)


@pytest.fixture
def small_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(centroid_index, "LISTED_FROM", 100)


def test_numbers_of_centroids() -> None:
    assert [suitable_number(n) for n in (1, 8, 15, 16, 10_000, 1_231_885)] == [
        1,
        1,
        1,
        2,
        1024,
        16384,
    ]
    assert suitable_number(10**9) == 65_536


def test_tokens_of_one_word_get_one_centroid() -> None:
    sample = QuantisedRows.of(clustered(400, spread=0.05).vectors)
    trained = train_centroids(sample, 1500, seed=0)
    residual = mean_residual(trained, sample)
    assert residual < 0.08
    rough = train_centroids(sample, 20, seed=0)
    assert mean_residual(rough, sample) > 5 * residual


def test_groups_find_nearly_the_same_centroid_as_a_look_at_all() -> None:
    rng = np.random.default_rng(0)
    sample = QuantisedRows.of(unit(rng.standard_normal((9000, DIM)).astype(np.float32)))
    trained = train_centroids(sample, 4096, seed=0)
    assert len(trained) == 4096
    assert len(trained.heads) == 64
    near, nearest = trained.assign(sample), trained.assign(sample, exhaustive=True)
    assert (near == nearest).mean() > 0.9
    directions = QuantisedRows.of(unit(trained.vectors.astype(np.float32)))
    np.testing.assert_array_equal(nearest, oracle.nearest(sample, directions))
    for path in ("avx512", "avx2", "portable"):
        if path in centroids._native.available_paths():
            np.testing.assert_array_equal(near, trained.assign(sample, path=path, threads=2))


@pytest.mark.usefixtures("small_lists")
def test_lists_hold_each_document_once_for_each_of_its_centroids() -> None:
    store = TokenStore.from_batch(clustered(150))
    index = CentroidIndex.build(store, seed=0)
    assert index.lists is not None
    for centroid in range(len(index.centroids)):
        start, stop = index.lists.starts[centroid], index.lists.starts[centroid + 1]
        tokens = np.flatnonzero(index.codes == centroid)
        docs = np.unique(np.searchsorted(index.offsets, tokens, side="right") - 1)
        np.testing.assert_array_equal(index.lists.docs[start:stop], docs)


@pytest.mark.usefixtures("small_lists")
@pytest.mark.parametrize("listed", [True, False])
def test_documents_in_cells(listed: bool) -> None:
    store = TokenStore.from_batch(clustered(150))
    index = CentroidIndex.build(store, seed=0)
    if not listed:
        index = CentroidIndex(index.centroids, index.codes, index.offsets, 0.0)
    alive = np.arange(150) % 3 > 0
    expected = [
        doc
        for doc in range(150)
        if alive[doc]
        and np.isin(index.codes[index.offsets[doc] : index.offsets[doc + 1]], [0, 3]).any()
    ]
    assert index.documents_in(np.array([0, 3]), alive).tolist() == expected


@pytest.mark.usefixtures("small_lists")
def test_searches_with_lists_find_what_searches_without_find() -> None:
    store = TokenStore.from_batch(clustered(600))
    index = build_multivector(store)
    queries = clustered(20, seed=9)
    exact = index.search(queries, 10, engine=EXACT_MAXSIM)
    for text in ("centroids?candidates=60&probes=0", "centroids?candidates=60&probes=64"):
        found = index.search(queries, 10, engine=parse_multivector_engine(text))
        overlap = [len(np.intersect1d(a, b)) for a, b in zip(exact.ordinals, found.ordinals)]  # noqa: B905
        assert np.mean(overlap) > 8.5


@pytest.mark.usefixtures("small_lists")
@pytest.mark.parametrize("share", [0.5, 0.02])
def test_a_filter_is_obeyed_before_candidates_are_counted(share: float) -> None:
    store = TokenStore.from_batch(clustered(900))
    index = build_multivector(store)
    alive = np.random.default_rng(0).random(900) < share
    queries = clustered(5, seed=9)
    for name in ("centroids", "plaid", "warp", "fde"):
        engine = parse_multivector_engine(f"{name}?candidates=20")
        found = index.search(queries, 5, engine=engine, alive=alive)
        held = found.ordinals[found.ordinals >= 0]
        assert alive[held].all()
        if name != "plaid":
            assert (found.ordinals >= 0).all()


def test_plaid_narrows_stage_by_stage() -> None:
    store = TokenStore.from_batch(clustered(500))
    index = CentroidIndex.build(store, seed=0)
    source = parse_multivector_engine("plaid?cells=4&threshold=0.1&documents=80").sources[0]
    query = store.decode(np.array([7])).vectors
    found = plaid_candidates(index, source, query, 10, None)  # type: ignore[arg-type]
    assert found[0] == 7
    assert len(found) == 20
    assert len(np.unique(found)) == 20


def test_centroids_are_inherited_until_tokens_drift_away() -> None:
    first = build_multivector(TokenStore.from_batch(clustered(400)))
    alike = TokenStore.from_batch(clustered(450, seed=0))
    other = TokenStore.from_batch(clustered(450, seed=77))
    many = TokenStore.from_batch(clustered(4000, seed=0))
    kept, drifted, grown = (
        build_multivector(store, inherited=first.centroids) for store in (alike, other, many)
    )
    assert first.centroids
    assert kept.centroids
    assert drifted.centroids
    assert grown.centroids
    assert np.array_equal(kept.centroids.centroids.vectors, first.centroids.centroids.vectors)
    assert kept.centroids.mean_residual == first.centroids.mean_residual
    assert not np.array_equal(
        drifted.centroids.centroids.vectors, first.centroids.centroids.vectors
    )
    assert len(grown.centroids.centroids) > len(first.centroids.centroids)


@pytest.mark.usefixtures("small_lists")
def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    index = build_multivector(TokenStore.from_batch(clustered(150)), MultiVectorPlan(fde=False))
    index.save(tmp_path)
    parameters = index.parameters()
    MultiVectorIndex.open(tmp_path, parameters)
    for name in sorted(path.name for path in tmp_path.glob("centroids.*.npy")):
        kept = (tmp_path / name).read_bytes()
        array = np.load(tmp_path / name)
        np.save(tmp_path / name, array[:-1])
        with pytest.raises(CorruptionError, match=str(tmp_path)):
            MultiVectorIndex.open(tmp_path, parameters)
        (tmp_path / name).write_bytes(kept[:-3])
        with pytest.raises(CorruptionError, match=str(tmp_path)):
            MultiVectorIndex.open(tmp_path, parameters)
        (tmp_path / name).write_bytes(kept)
    for wrong in ({"n": 1}, {"listed": 1, "mean_residual": 0.1, "n": 3}, {}):
        with pytest.raises(CorruptionError, match=str(tmp_path)):
            MultiVectorIndex.open(tmp_path, parameters | {"centroids": wrong})


@pytest.mark.usefixtures("small_lists")
def test_damaged_numbers_are_never_read_out_of_bounds(tmp_path: Path) -> None:
    index = build_multivector(TokenStore.from_batch(clustered(150)), MultiVectorPlan(fde=False))
    index.save(tmp_path)
    rng = np.random.default_rng(0)
    queries = clustered(3, seed=2)
    for name in ("centroids.codes.npy", "centroids.starts.npy", "centroids.lists.npy"):
        array = np.load(tmp_path / name)
        damaged = array.copy()
        damaged[:-1] = rng.integers(0, np.iinfo(array.dtype).max, len(array) - 1)
        np.save(tmp_path / name, damaged)
        opened = MultiVectorIndex.open(tmp_path, index.parameters())
        for engine in ("centroids?candidates=5&probes=3", "centroids?candidates=5&probes=0"):
            found = opened.search(queries, 3, engine=parse_multivector_engine(engine))
            assert found.ordinals.max() < 150
        np.save(tmp_path / name, array)


def test_nonsense_is_refused() -> None:
    rows = QuantisedRows.of(np.eye(3, dtype=np.float32))
    with pytest.raises(ShapeError, match="at least one of both"):
        train_centroids(rows, 0, seed=0)
    with pytest.raises(ShapeError, match="at least one of both"):
        train_centroids(rows.take(np.zeros(0, np.int64)), 3, seed=0)
    trained = train_centroids(rows, 3, seed=0)
    with pytest.raises(ShapeError, match="rows have dim 2; expected 3"):
        trained.assign(QuantisedRows.of(np.ones((1, 2), np.float32)))
    with pytest.raises(ShapeError, match="query vectors have dim 2"):
        trained.table(np.ones((1, 2), np.float32))
    with pytest.raises(CorruptionError, match="NaN"):
        Centroids(np.full((1, 3), np.nan, np.float16), trained.heads[:1], np.array([0, 1]))
    index = CentroidIndex.build(TokenStore.from_batch(clustered(5)), seed=0)
    table = index.centroids.table(np.ones((1, DIM), np.float32))
    with pytest.raises(ShapeError, match="found no lists"):
        index.probe(table, 3, n_queries=1, n_probes=1)


def test_a_sample_is_bounded_and_the_same_for_the_same_seed() -> None:
    store = TokenStore.from_batch(clustered(3000))
    one, two = sampled_rows(store, seed=1), sampled_rows(store, seed=1)
    np.testing.assert_array_equal(one.codes, two.codes)
    assert len(one) <= store.n_tokens
