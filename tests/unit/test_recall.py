"""Recall is measured on sample queries, written with the index, and measured again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError, InputError
from lexmax.index.enough import Enough
from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.multivector_build import MultiVectorPlan, build_multivector
from lexmax.index.multivector_engines import AUTO_MAXSIM, EXACT_MAXSIM, parse_multivector_engine
from lexmax.index.recall import drawn_queries, enough, measure, read_queries, write_queries
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch

DIM = 16


def tokens(n_docs: int) -> TokenBatch:
    rng = np.random.default_rng(3)
    rows = []
    for _ in range(n_docs):
        drawn = rng.standard_normal((int(rng.integers(1, 30)), DIM)) + rng.standard_normal(DIM)
        rows.append((drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32))
    return TokenBatch.from_rows(rows, DIM)


@pytest.fixture(scope="module")
def index() -> MultiVectorIndex:
    return build_multivector(TokenStore.from_batch(tokens(700)))


def test_enough_candidates_reach_the_recall_and_fewer_do_not(index: MultiVectorIndex) -> None:
    queries = drawn_queries(index.store, seed=1)
    found = enough(index, queries, recall=0.9)
    assert set(found.numbers) == {"centroids", "fde"}
    for name, numbers in found.numbers.items():
        for k, candidates in numbers.points:
            engine = parse_multivector_engine(f"{name}?candidates={candidates}")
            reached = {one.k: one.share for one in measure(index, queries, engine)}
            assert reached[k] >= 0.9
            fewer = int(candidates / 1.25) - 2
            if fewer >= max(16, k):
                engine = parse_multivector_engine(f"{name}?candidates={fewer}")
                reached = {one.k: one.share for one in measure(index, queries, engine)}
                assert reached[k] < 0.9


def test_a_recall_of_one_is_reached_by_scoring_all(index: MultiVectorIndex) -> None:
    queries = drawn_queries(index.store, seed=1)
    wanted = replace(index, enough=enough(index, queries, recall=1.0))
    found = wanted.search(queries, 10, engine=AUTO_MAXSIM)
    exact = index.search(queries, 10, engine=EXACT_MAXSIM)
    np.testing.assert_array_equal(found.ordinals, exact.ordinals)


def test_searches_take_what_was_measured(index: MultiVectorIndex) -> None:
    queries = drawn_queries(index.store, seed=2).slice(0, 8)
    measured = Enough.from_json(
        {"recall": 0.5, "n_queries": 8, "candidates": {"centroids": {"10": 11, "100": 110}}}
    )
    found = replace(index, enough=measured).search(queries, 10)
    expected = index.search(queries, 10, engine=parse_multivector_engine("centroids?candidates=11"))
    np.testing.assert_array_equal(found.ordinals, expected.ordinals)


def test_a_plan_with_a_recall_writes_its_queries(tmp_path: Path) -> None:
    store = TokenStore.from_batch(tokens(150))
    plan = MultiVectorPlan(recall=0.8)
    index = build_multivector(store, plan, folder=tmp_path)
    index.save(tmp_path)
    opened = MultiVectorIndex.open(tmp_path, index.parameters())
    assert opened.enough == index.enough
    assert opened.enough is not None
    assert opened.enough.recall == 0.8
    reached = measure(opened, read_queries(tmp_path), AUTO_MAXSIM)
    assert [one.k for one in reached] == [10, 100]
    assert all(one.share >= 0.79 for one in reached)


def test_given_queries_are_used(tmp_path: Path) -> None:
    given = tokens(5)
    plan = MultiVectorPlan(recall=0.8)
    built = build_multivector(
        TokenStore.from_batch(tokens(150)), plan, samples=given, folder=tmp_path
    )
    assert built.enough is not None
    assert built.enough.n_queries == 5
    np.testing.assert_allclose(read_queries(tmp_path).vectors, given.vectors, atol=1e-3)


@pytest.mark.parametrize("n_docs", [1, 2, 9])
def test_few_documents(n_docs: int, tmp_path: Path) -> None:
    store = TokenStore.from_batch(tokens(n_docs))
    index = build_multivector(store, MultiVectorPlan(recall=0.99), folder=tmp_path)
    assert len(index.search(drawn_queries(store, seed=0), 3)) == n_docs


def test_drawn_queries_come_from_documents_with_tokens() -> None:
    nothing = np.zeros((0, DIM), np.float32)
    rows = [nothing, tokens(1).vectors, nothing]
    queries = drawn_queries(TokenStore.from_batch(TokenBatch.from_rows(rows, DIM)), seed=0)
    assert len(queries) == 1
    assert 1 <= len(queries.row(0)) <= 16


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"recall": 0.9, "n_queries": 3, "candidates": []},
        {"recall": "high", "n_queries": 3, "candidates": {}},
        {"recall": 0.9, "n_queries": 3, "candidates": {"fde": {"10": 1}}},
        {"recall": 0.9, "n_queries": 3, "candidates": {"fde": {"ten": 1, "100": 5}}},
        7,
    ],
)
def test_damaged_measurements_are_named(written: object) -> None:
    with pytest.raises(CorruptionError, match="measured candidates"):
        Enough.from_json(written)  # type: ignore[arg-type]


def test_damaged_queries_are_named(tmp_path: Path) -> None:
    write_queries(tmp_path, tokens(3))
    np.save(tmp_path / "sample.offsets.npy", np.array([0, 9, 2]))
    with pytest.raises(CorruptionError, match=str(tmp_path)):
        read_queries(tmp_path)


@pytest.mark.parametrize("recall", [0.0, -1.0, 1.01, float("nan")])
def test_impossible_recalls(recall: float) -> None:
    with pytest.raises(InputError, match="expected above 0 and at most 1"):
        MultiVectorPlan(recall=recall)


def test_an_unknown_codec() -> None:
    with pytest.raises(InputError, match="found codec 'int9'; expected one of int8, fp16"):
        MultiVectorPlan("int9")  # type: ignore[arg-type]
