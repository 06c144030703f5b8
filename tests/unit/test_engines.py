import numpy as np
import pytest

from lexmax.errors import PipelineError, QueryError
from lexmax.index import oracle_sparse
from lexmax.index.engines import AUTO, parse_engine
from lexmax.index.sparse import SparseIndex
from lexmax.stages import named
from lexmax.types import SparseBatch


@pytest.fixture(scope="module")
def documents() -> SparseBatch:
    rng = np.random.default_rng(5)
    held = rng.random((6000, 60)) < rng.uniform(0.01, 0.5, 60)
    indptr = np.concatenate([[0], np.cumsum(held.sum(axis=1))]).astype(np.int64)
    weights = rng.lognormal(0, 0.6, int(held.sum())).astype(np.float32)
    return SparseBatch(indptr, np.nonzero(held)[1].astype(np.uint32), weights)


@pytest.fixture(scope="module")
def queries() -> SparseBatch:
    rng = np.random.default_rng(6)
    return SparseBatch.from_rows(
        [
            {int(t): float(rng.lognormal(0, 1)) for t in rng.choice(60, 20, replace=False)}
            for _ in range(40)
        ]
    )


def _recall(documents: SparseBatch, queries: SparseBatch, spec: str, k: int) -> float:
    index = SparseIndex.build(documents, window_docs=512)
    found = index.search(queries, k, engine=parse_engine(spec))
    truth = oracle_sparse.search(documents, queries, k)
    same = [len(np.intersect1d(found.row(i)[0], truth.row(i)[0])) for i in range(len(queries))]
    return sum(same) / (k * len(queries))


def test_the_knobs_trade_recall(documents: SparseBatch, queries: SparseBatch) -> None:
    shares = [_recall(documents, queries, f"query-mass?share={s}", 10) for s in (0.2, 0.5, 0.9)]
    budgets = [_recall(documents, queries, f"budget?postings={b}", 10) for b in (500, 5000, 10**6)]
    assert shares == sorted(shares)
    assert budgets == sorted(budgets)
    assert shares[0] < shares[-1]
    assert budgets[0] < budgets[-1]
    assert shares[-1] > 0.98
    assert budgets[-1] > 0.98


@pytest.mark.parametrize("spec", ["exact", "query-mass?share=1", "auto"])
def test_what_reads_all_that_matters_is_exact(
    documents: SparseBatch, queries: SparseBatch, spec: str
) -> None:
    assert _recall(documents, queries, spec, 100) == 1.0


def test_scores_are_exact_whatever_is_read(documents: SparseBatch, queries: SparseBatch) -> None:
    index = SparseIndex.build(documents, window_docs=512)
    found = index.search(queries, 10, engine=parse_engine("query-mass?share=0.5"))
    truth = oracle_sparse.search(documents, queries, len(documents))
    for i in range(len(queries)):
        scores = dict(zip(*(side.tolist() for side in truth.row(i)), strict=True))
        ordinals, got = found.row(i)
        assert got.tolist() == [scores[ordinal] for ordinal in ordinals.tolist()]


def test_auto_saves_only_where_exact_is_dear(documents: SparseBatch, queries: SparseBatch) -> None:
    index = SparseIndex.build(documents)
    exact, auto = index.search(queries, 10), index.search(queries, 10, engine=AUTO)
    np.testing.assert_array_equal(exact.ordinals, auto.ordinals)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fast",
        "exact?share=1",
        "query-mass?share=0",
        "query-mass?share=nan",
        "budget?postings=x",
    ],
)
def test_nonsense_names_what_was_expected(text: str) -> None:
    with pytest.raises(QueryError, match=r"expected (exact|a number)"):
        parse_engine(text)


def engines(pipeline: str) -> list[str]:
    return [stage.engine for stage in named(pipeline).retrieve if stage.signal != "pooled"]


def test_a_pipeline_names_an_engine_after_a_colon() -> None:
    assert engines("hybrid:query-mass?share=0.5")[0] == "query-mass?share=0.5"
    assert engines("bm25") == ["exact"]
    with pytest.raises(PipelineError, match="no stage that the engine 'auto' could search"):
        named("lucene:auto")
    with pytest.raises(QueryError, match="no sparse engine 'quick'"):
        named("sparse:quick")


def test_a_colon_chooses_a_multivector_engine_too() -> None:
    assert engines("multivector:fde?candidates=7") == ["fde?candidates=7"]
    assert engines("hybrid:exact") == ["exact", "exact"]
    assert engines("hybrid:query-mass?share=0.5") == ["query-mass?share=0.5", "auto"]
    assert named("multivector:fde+sparse").signals == {"sparse", "multivector"}


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("multivector:query-mass?share=0.5", PipelineError, "no stage that the engine"),
        ("multivector-exact:query-mass?share=0.5", PipelineError, "no stage that the engine"),
        ("sparse:fde", PipelineError, "no stage that the engine 'fde' could search"),
        ("multivector:fdee", QueryError, "found no multi-vector engine 'fdee'"),
        ("hybrid:fdee", QueryError, "found no sparse engine 'fdee'"),
        ("multivector:xtr+fde", QueryError, "use it alone"),
    ],
)
def test_engines_that_no_stage_knows(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        named(name)
