"""PyTerrier's transformer, with its released library; there is nothing of it without that."""

from typing import Any

import pytest

from lexmax.collection import Collection

# Warnings of other projects are not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

pt = pytest.importorskip("pyterrier", reason="pyterrier is not installed: environment.sh")
pandas = pytest.importorskip("pandas")

from lexmax.eval.interfaces.pyterrier import LexmaxRetriever  # noqa: E402

COLUMNS = ["qid", "query", "docno", "score", "rank"]


@pytest.fixture
def queries() -> Any:
    return pandas.DataFrame([["1", "cat"], ["2", "the"], ["3", "fish"]], columns=["qid", "query"])


@pytest.fixture
def bm25(pets: Collection) -> Any:
    return LexmaxRetriever(pets, pipeline="bm25", num_results=10)


@pytest.fixture
def tokens(pets: Collection) -> Any:
    return LexmaxRetriever(pets, pipeline="multivector-exact", num_results=10)


def documents(frame: Any, qid: str) -> list[str]:
    return frame[frame["qid"] == qid].sort_values("rank")["docno"].tolist()


def test_queries_to_ranked_documents(bm25: Any, queries: Any) -> None:
    found = bm25(queries)
    assert list(found.columns) == COLUMNS
    assert documents(found, "1") == ["cat", "dog"]
    assert documents(found, "2") == []
    assert found["rank"].tolist() == [0, 1, 0]
    assert pt.model.add_ranks(found.copy())["rank"].tolist() == found["rank"].tolist()


def test_other_columns_of_queries_stay(bm25: Any, queries: Any) -> None:
    found = bm25(queries.assign(asked_by=["a", "b", "c"]))
    assert found["asked_by"].tolist() == ["a", "a", "c"]


def test_frames_without_rows_and_their_columns(bm25: Any, queries: Any) -> None:
    assert list(bm25(queries[:0]).columns) == COLUMNS
    assert list(bm25(bm25(queries)[:0]).columns) == COLUMNS
    assert pt.inspect.transformer_outputs(bm25, ["qid", "query"]) == COLUMNS
    assert sorted(map(len, pt.inspect.transformer_inputs(bm25))) == [2, 3]


def test_texts_for_models_that_read_them(pets: Collection, queries: Any) -> None:
    found = LexmaxRetriever(pets, pipeline="bm25", text=True)(queries)
    assert list(found.columns) == [*COLUMNS, "text"]
    assert found["text"].tolist()[1] == "Dogs a dog and a cat run"


def test_one_query_in_a_text(bm25: Any) -> None:
    assert bm25.search("fish")["docno"].tolist() == ["fish"]


def test_then_reranks_what_came_before(bm25: Any, tokens: Any, queries: Any) -> None:
    found = (tokens >> bm25)(queries)
    assert list(found.columns) == COLUMNS
    # All four, those first that BM25 finds.
    assert documents(found, "1")[:2] == ["cat", "dog"]
    assert len(documents(found, "1")) == 4
    assert sorted(documents(found, "3")) == sorted(documents(tokens(queries), "3"))


def test_cutoffs_reach_the_search(bm25: Any, tokens: Any, queries: Any) -> None:
    cut = tokens % 2
    assert [len(documents(cut(queries), qid)) for qid in ("1", "3")] == [2, 2]
    compiled = cut.compile()
    assert isinstance(compiled, LexmaxRetriever)
    assert compiled(queries).equals(cut(queries))
    assert (bm25 % 1000).compile() is bm25
    assert documents((tokens % 3 >> bm25 % 1)(queries), "1") == ["cat"]
    assert (tokens % 3 >> bm25 % 1).compile()(queries).equals((tokens % 3 >> bm25 % 1)(queries))


def test_features_of_two_pipelines(bm25: Any, tokens: Any, queries: Any) -> None:
    found = (tokens >> (bm25**tokens))(queries[queries["qid"] == "1"])
    features = {row.docno: row.features.tolist() for row in found.itertuples()}
    assert len(features) == 4
    assert features["cat"][0] > 0
    assert features["fish"][0] == pytest.approx(0, abs=1e-30)
    by_tokens = tokens.search("cat").set_index("docno")["score"].to_dict()
    assert features["cat"][1] == pytest.approx(by_tokens["cat"])


def test_union_intersection_and_sums(bm25: Any, tokens: Any, queries: Any) -> None:
    union, both = bm25 | tokens, bm25 & tokens
    assert set(documents_of(union(queries), "1")) == {"cat", "dog", "fish", "d/é#1"}
    assert set(documents_of(both(queries), "1")) == {"cat", "dog"}
    summed = (0.5 * bm25 + tokens)(queries)
    scores = summed[summed["qid"] == "1"].set_index("docno")["score"]
    apart = [one.search("cat").set_index("docno")["score"] for one in (bm25, tokens)]
    assert scores["cat"] == pytest.approx(0.5 * apart[0]["cat"] + apart[1]["cat"])


def documents_of(frame: Any, qid: str) -> list[str]:
    return frame[frame["qid"] == qid]["docno"].tolist()


def test_an_experiment(bm25: Any, tokens: Any, queries: Any) -> None:
    qrels = pandas.DataFrame([["1", "cat", 1], ["3", "fish", 1]], columns=["qid", "docno", "label"])
    table = pt.Experiment([bm25, tokens >> bm25], queries, qrels, ["recip_rank", "P_1"])
    assert table["recip_rank"].tolist() == [1, 1]


def test_no_java_was_started(bm25: Any, queries: Any) -> None:
    bm25(queries)
    assert not pt.java.started()
