"""BEIR's retrieval, with its released library where it is installed."""

import inspect

import pytest

from lexmax.collection import Collection
from lexmax.errors import EvaluationError
from lexmax.eval.interfaces.beir import LexmaxRetrieval

CORPUS = {
    "cat": {"title": "", "text": "a cat sleeps on the mat"},
    "dog": {"title": "Dogs", "text": "a dog and a cat run"},
    "fish": {"text": "fish swim in water"},
}
QUERIES = {"q1": "cat", "q2": "dogs", "fish": "fish"}
QRELS = {"q1": {"cat": 2, "dog": 1}, "q2": {"dog": 1}, "fish": {"fish": 1}}


def test_search_has_the_shape_that_beir_calls(empty: Collection) -> None:
    found = LexmaxRetrieval(empty, pipeline="bm25").search(CORPUS, QUERIES, 2, "cos_sim")
    assert list(found) == list(QUERIES)
    assert list(found["q1"]) == ["cat", "dog"]
    # A word that stands in the title alone.
    assert list(found["q2"]) == ["dog"]
    assert all(type(score) is float for one in found.values() for score in one.values())


def test_a_corpus_is_added_once(empty: Collection) -> None:
    retrieval = LexmaxRetrieval(empty, pipeline="bm25")
    first = retrieval.search(CORPUS, QUERIES, 2)
    assert retrieval.search(CORPUS, QUERIES, 2) == first
    assert empty.n_docs == 3
    with pytest.raises(EvaluationError, match="holds 3 documents and the corpus 1"):
        retrieval.search({"cat": CORPUS["cat"]}, QUERIES, 2)


@pytest.mark.filterwarnings("ignore")
def test_the_released_library_retrieves_and_evaluates(empty: Collection) -> None:
    pytest.importorskip("beir", reason="beir is not installed: environment.sh")
    from beir.retrieval.evaluation import EvaluateRetrieval  # type: ignore[import-not-found]
    from beir.retrieval.search import BaseSearch  # type: ignore[import-not-found]

    asked = list(inspect.signature(BaseSearch.search).parameters)[1:4]
    assert list(inspect.signature(LexmaxRetrieval.search).parameters)[1:4] == asked
    retriever = EvaluateRetrieval(LexmaxRetrieval(empty, pipeline="bm25"), k_values=[1, 3])
    results = retriever.retrieve(CORPUS, QUERIES)
    # A document that is called as its query is left out, as ArguAna and Quora need.
    ndcg, _, recall, _ = retriever.evaluate(QRELS, results, retriever.k_values)
    assert recall["Recall@3"] == pytest.approx(2 / 3, abs=1e-5)
    ndcg, _, recall, _ = retriever.evaluate(
        QRELS, retriever.retrieve(CORPUS, QUERIES), retriever.k_values, ignore_identical_ids=False
    )
    assert ndcg["NDCG@3"] == 1
    assert recall["Recall@3"] == 1
