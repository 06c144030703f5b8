from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, QueryError, ShapeError
from lexmax.index.candidates import CandidateIndex
from lexmax.index.fde import FdeParameters
from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.multivector_build import MultiVectorPlan, build_multivector
from lexmax.index.multivector_engines import (
    AUTO_MAXSIM,
    EXACT_MAXSIM,
    MultiVectorEngine,
    parse_multivector_engine,
)
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch

DIM = 24
Source = Callable[[int], MultiVectorEngine]
FDE = FdeParameters(dim=DIM, repetitions=6, k_sim=3, d_proj=8)


def fde(candidates: int) -> MultiVectorEngine:
    return parse_multivector_engine(f"fde?candidates={candidates}")


def centroids(candidates: int) -> MultiVectorEngine:
    return parse_multivector_engine(f"centroids?candidates={candidates}")


def built(store: TokenStore, *, seed: int = 42, **more: Any) -> MultiVectorIndex:
    return build_multivector(store, MultiVectorPlan(seed=seed), parameters=FDE, **more)


def _tokens(n_docs: int, *, seed: int = 0) -> TokenBatch:
    """Documents about one of 40 topics: tokens lie around the topic's and the document's centre."""
    rng = np.random.default_rng(seed)
    topics = rng.standard_normal((40, DIM))
    rows = []
    for i in range(n_docs):
        centre = topics[i % 40] + 0.7 * rng.standard_normal(DIM)
        tokens = centre + 0.7 * rng.standard_normal((int(rng.integers(3, 12)), DIM))
        rows.append((tokens / np.linalg.norm(tokens, axis=1, keepdims=True)).astype(np.float32))
    return TokenBatch.from_rows(rows, DIM)


def _queries(documents: TokenBatch, ordinals: list[int]) -> TokenBatch:
    rng = np.random.default_rng(1)
    rows = [documents.row(i) + 0.1 * rng.standard_normal(documents.row(i).shape) for i in ordinals]
    return TokenBatch.from_rows([row.astype(np.float32) for row in rows], DIM)


@pytest.fixture(scope="module", params=[300, 1300], ids=["flat", "pq4"])
def index(request: pytest.FixtureRequest) -> MultiVectorIndex:
    store = TokenStore.from_batch(_tokens(request.param))
    return built(store, seed=3)


@pytest.mark.parametrize("source", [fde, centroids])
def test_candidates_hold_most_of_the_best(index: MultiVectorIndex, source: Source) -> None:
    queries = _queries(index.store.decode(np.arange(100)), list(range(30)))
    exact = index.search(queries, 10, engine=EXACT_MAXSIM)
    found = index.search(queries, 10, engine=source(100))
    overlap = [len(np.intersect1d(exact.ordinals[i], found.ordinals[i])) for i in range(30)]
    assert np.mean(overlap) >= 9
    np.testing.assert_array_equal(found.ordinals[:, 0], np.arange(30))


@pytest.mark.parametrize("source", [fde, centroids])
def test_a_score_does_not_depend_on_how_the_document_was_found(
    index: MultiVectorIndex, source: Source
) -> None:
    queries = _queries(index.store.decode(np.arange(5)), [0, 4])
    found = index.search(queries, 8, engine=source(50))
    for i in range(2):
        ordinals, scores = found.row(i)
        np.testing.assert_array_equal(scores, index.score(queries.row(i), ordinals))
        assert (np.diff(scores) <= 0).all()


@pytest.mark.parametrize("source", [fde, centroids])
def test_a_batch_is_its_queries_one_by_one(index: MultiVectorIndex, source: Source) -> None:
    queries = _queries(index.store.decode(np.arange(20)), [3, 8, 15])
    batch = index.search(queries, 7, engine=source(20))
    for i in range(3):
        single = index.search(queries.slice(i, i + 1), 7, engine=source(20))
        np.testing.assert_array_equal(batch.ordinals[i], single.ordinals[0])
        np.testing.assert_array_equal(batch.scores[i], single.scores[0])


@pytest.mark.parametrize("source", [fde, centroids])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.06, 0.0])
def test_deleted_documents_do_not_take_the_places_of_candidates(
    index: MultiVectorIndex, source: Source, share: float
) -> None:
    queries = _queries(index.store.decode(np.arange(9)), [0, 7])
    alive = np.random.default_rng(5).random(index.store.n_docs) < share
    found = index.search(queries, 60, engine=source(60), alive=alive)
    assert alive[found.ordinals[found.ordinals >= 0]].all()
    expected = min(60, int(alive.sum()))
    np.testing.assert_array_equal((found.ordinals >= 0).sum(axis=1), expected)


def test_the_living_candidates_are_the_best_living_estimates(index: MultiVectorIndex) -> None:
    assert index.candidates is not None
    n_docs = index.store.n_docs
    queries = _queries(index.store.decode(np.arange(3)), [0])
    ranked = index.candidates.search(queries, n_docs).row(0)[0]
    assert len(np.unique(ranked)) == n_docs
    alive = np.ones(n_docs, dtype=bool)
    alive[ranked[:150]] = False
    found = index.search(queries, 40, engine=fde(40), alive=alive)
    np.testing.assert_array_equal(np.sort(found.ordinals[0]), np.sort(ranked[150:190]))


@pytest.mark.parametrize("source", [fde, centroids])
def test_k_above_the_candidates_asks_for_as_many(index: MultiVectorIndex, source: Source) -> None:
    queries = _queries(index.store.decode(np.arange(3)), [2])
    assert (index.search(queries, 90, engine=source(10)).ordinals >= 0).sum() == 90
    everything = index.search(queries, 10**9, engine=source(10))
    assert everything.ordinals.shape == (1, index.store.n_docs)
    assert (everything.ordinals >= 0).all()


def test_a_query_without_tokens_has_no_hits(index: MultiVectorIndex) -> None:
    empty = TokenBatch.from_rows([np.zeros((0, DIM), np.float32)], DIM)
    for engine in (EXACT_MAXSIM, AUTO_MAXSIM, fde(20), centroids(20)):
        hits = index.search(empty, 5, engine=engine)
        np.testing.assert_array_equal(hits.ordinals, np.full((1, 5), -1))
    assert index.candidates is not None
    assert len(index.candidates.search(empty, 5).row(0)[0]) == 0
    assert index.search(empty.slice(0, 0), 5).ordinals.shape == (0, 5)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"k": 0}, QueryError, "k is 0; expected 1 or more"),
        ({"k": -3}, QueryError, "k is -3"),
        ({"alive": np.ones(3, bool)}, ShapeError, "one a document"),
        ({"alive": np.ones(300, np.int8)}, ShapeError, "expected bool"),
        ({"queries": TokenBatch.from_rows([], 7)}, ShapeError, f"dim 7, documents {DIM}"),
    ],
)
def test_bad_requests(
    index: MultiVectorIndex, asked: dict[str, Any], error: type[Exception], message: str
) -> None:
    request = {"queries": TokenBatch.from_rows([], DIM), "k": 1} | asked
    with pytest.raises(error, match=message):
        index.search(**request)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_an_opened_index_answers_as_the_built_one(index: MultiVectorIndex, tmp_path: Path) -> None:
    index.save(tmp_path)
    opened = MultiVectorIndex.open(tmp_path, index.parameters())
    queries = _queries(index.store.decode(np.arange(9)), [1, 8])
    for engine in (EXACT_MAXSIM, AUTO_MAXSIM, fde(30), centroids(30)):
        found = opened.search(queries, 9, engine=engine)
        expected = index.search(queries, 9, engine=engine)
        np.testing.assert_array_equal(found.ordinals, expected.ordinals)
        np.testing.assert_array_equal(found.scores, expected.scores)
    before = _bytes(tmp_path)
    opened.save(tmp_path)
    assert _bytes(tmp_path) == before
    assert ("fde.codebooks.npy" in before) == (index.store.n_docs >= 1000)


def test_equal_stores_and_seeds_give_equal_bytes(index: MultiVectorIndex, tmp_path: Path) -> None:
    again = built(index.store, seed=3)
    other = built(index.store, seed=4)
    for name, made in (("a", index), ("b", again), ("c", other)):
        (tmp_path / name).mkdir()
        made.save(tmp_path / name)
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")
    assert _bytes(tmp_path / "a") != _bytes(tmp_path / "c")


@pytest.mark.parametrize("n_docs", [1, 2, 17])
def test_few_documents(n_docs: int) -> None:
    documents = _tokens(n_docs)
    index = built(TokenStore.from_batch(documents))
    found = index.search(_queries(documents, [n_docs - 1]), 1, engine=fde(1))
    assert found.ordinals[0, 0] == n_docs - 1


def test_documents_without_tokens_are_found_by_no_query() -> None:
    nothing = np.zeros((0, DIM), dtype=np.float32)
    one = np.eye(1, DIM, dtype=np.float32)
    for rows, expected in (([nothing] * 1200, []), ([nothing, one, nothing], [1])):
        store = TokenStore.from_batch(TokenBatch.from_rows(rows, DIM))
        index = built(store)
        hits = index.search(TokenBatch.from_rows([one], DIM), 2, engine=fde(2))
        np.testing.assert_array_equal(hits.row(0)[0], expected)


@pytest.mark.parametrize("source", [fde, centroids])
@pytest.mark.parametrize("n_living", [12, 300])
def test_documents_without_tokens_do_not_take_the_places_of_candidates(
    source: Source, n_living: int
) -> None:
    """Estimates of documents that point away from the query are below those of no tokens."""
    full = _tokens(300)
    ones = np.ones((1, DIM), np.float32)
    rows = [np.zeros((0, DIM), np.float32) if i % 2 else -np.abs(full.row(i)) for i in range(300)]
    index = built(TokenStore.from_batch(TokenBatch.from_rows(rows, DIM)))
    alive = np.arange(300) < n_living
    hits = index.search(TokenBatch.from_rows([ones], DIM), 5, engine=source(5), alive=alive)
    assert len(hits.row(0)[0]) == 5


def test_an_empty_store_has_no_candidates_and_no_hits() -> None:
    store = TokenStore.from_batch(TokenBatch.from_rows([], DIM))
    index = build_multivector(store)
    assert index.candidates is None
    one = TokenBatch.from_rows([np.eye(1, DIM, dtype=np.float32)], DIM)
    assert index.search(one, 3).ordinals.shape == (1, 0)
    with pytest.raises(ShapeError, match="no documents"):
        CandidateIndex.build(store, parameters=FDE, seed=0)


def test_progress_counts_every_document_once() -> None:
    told: list[int] = []
    store = TokenStore.from_batch(_tokens(300))
    CandidateIndex.build(store, parameters=FDE, seed=0, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 300


def test_documents_past_the_sample_are_encoded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lexmax.index.candidate_build.MAX_SAMPLE", 100)
    told: list[int] = []
    documents = _tokens(400)
    index = built(
        TokenStore.from_batch(documents),
        progress=lambda stage, done: told.append(done) if stage == "fde" else None,
    )
    assert told[-1] == 400
    found = index.search(_queries(documents, list(range(0, 400, 20))), 1, engine=fde(40))
    np.testing.assert_array_equal(found.ordinals[:, 0], np.arange(0, 400, 20))


def _other(name: str, value: Any) -> Any:
    return lambda written: written | {name: value}


def _other_candidates(name: str, value: Any) -> Any:
    return lambda written: written | {"candidates": written["candidates"] | {name: value}}


@pytest.mark.parametrize(
    "damage",
    [
        _other("n_docs", 299),
        _other("codec", "fp16"),
        _other("candidates", {}),
        _other_candidates("dim", 8),
        _other_candidates("dim", "8"),
        _other_candidates("codes", "hnsw"),
        _other_candidates("codes", "pq4"),
        _other_candidates("seed", 99.5),
        _other_candidates("fde", FdeParameters(dim=DIM).to_json()),
        _other_candidates("fde", {"dim": DIM}),
    ],
)
def test_parameters_that_are_not_of_these_files(tmp_path: Path, damage: Any) -> None:
    index = built(TokenStore.from_batch(_tokens(300)))
    index.save(tmp_path)
    with pytest.raises(CorruptionError, match=str(tmp_path)):
        MultiVectorIndex.open(tmp_path, damage(index.parameters()))


def test_candidates_of_another_store_are_refused() -> None:
    stores = [TokenStore.from_batch(_tokens(n)) for n in (5, 6)]
    candidates = CandidateIndex.build(stores[0], parameters=FDE, seed=0)
    with pytest.raises(ShapeError, match="of 5 documents of dim 24; expected 6"):
        MultiVectorIndex(stores[1], candidates)


def _distinct(values: NDArray[np.int64]) -> bool:
    return len(np.unique(values)) == len(values)


def test_candidates_are_in_order_and_distinct(index: MultiVectorIndex) -> None:
    assert index.candidates is not None
    hits = index.candidates.search(_queries(index.store.decode(np.arange(2)), [0, 1]), 77)
    assert hits.ordinals.shape == (2, 77)
    for i in range(2):
        assert (np.diff(hits.scores[i]) <= 0).all()
        assert _distinct(hits.ordinals[i])
