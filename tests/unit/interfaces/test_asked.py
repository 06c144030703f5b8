"""What toolkits ask, and the form of the answers: no toolkit is needed."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from lexmax.client import Client
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import ClientError, EvaluationError
from lexmax.eval.interfaces.asked import (
    ServedCollection,
    answers,
    document_texts,
    fill,
    reranked,
)
from lexmax.stages import named
from lexmax.types import Document

QUERIES = {"1": "cat", "2": "the", "3": "fish water"}


def test_answers_hold_every_query_best_document_first(pets: Collection) -> None:
    found = answers(pets, QUERIES, 2, pipeline="bm25")
    assert list(found) == ["1", "2", "3"]
    assert list(found["1"]) == ["cat", "dog"]
    assert found["2"] == {}
    assert list(found["3"]) == ["fish"]
    expected = pets.search("cat", 2, pipeline="bm25").hits
    assert list(found["1"].values()) == pytest.approx([hit.score for hit in expected])


def test_more_queries_than_a_batch_holds(pets: Collection) -> None:
    queries = {str(i): "cat" if i % 2 else "fish" for i in range(75)}
    found = answers(pets, queries, 1, pipeline="bm25")
    assert [next(iter(one)) for one in found.values()] == [
        "cat" if i % 2 else "fish" for i in range(75)
    ]


def test_equal_scores_are_told_apart_in_the_order_found(empty: Collection) -> None:
    fill(empty, [Document(f"d{i}", "the same words") for i in range(5)])
    found = answers(empty, {"q": "words"}, 5, pipeline="bm25")["q"]
    assert list(found) == [f"d{i}" for i in range(5)]
    held = np.array(list(found.values()), np.float32)
    assert np.all(held[:-1] > held[1:])


def test_reranking_keeps_every_candidate(pets: Collection) -> None:
    candidates = {"1": ["fish", "dog", "d/é#1", "cat", "cat"], "2": ["dog", "cat"]}
    found = reranked(pets, QUERIES, candidates, pipeline="bm25")
    # BM25 finds nothing in the last two: in the order given, at zero, which is what they score.
    assert list(found["1"]) == ["cat", "dog", "fish", "d/é#1"]
    assert found["1"]["fish"] == 0
    assert -1e-30 < found["1"]["d/é#1"] < 0
    assert list(found["2"]) == ["dog", "cat"]
    assert found["3"] == {}


def test_reranking_gives_the_scores_of_a_search(pets: Collection) -> None:
    whole = answers(pets, {"q": "a cat"}, 10, pipeline="multivector-exact")["q"]
    some = reranked(pets, {"q": "a cat"}, {"q": ["fish", "dog"]}, pipeline="multivector-exact")
    assert list(some["q"]) == ["dog", "fish"]
    # But for what parts equal ones: "cat" scores as "dog" does.
    assert some["q"] == pytest.approx({doc_id: whole[doc_id] for doc_id in ("dog", "fish")})


def test_candidates_that_the_collection_does_not_hold_come_last(pets: Collection) -> None:
    found = reranked(pets, {"q": "cat"}, {"q": ["unknown", "cat"]}, pipeline="bm25")
    assert list(found["q"]) == ["cat", "unknown"]


def test_filling_twice_changes_nothing(pets: Collection) -> None:
    documents = pets.get(["cat", "dog", "fish", "d/é#1"])
    fill(pets, [one for one in documents if one is not None])
    assert pets.n_docs == 4


def test_other_documents_are_refused(pets: Collection) -> None:
    with pytest.raises(EvaluationError, match="holds 5 documents and the corpus 1"):
        fill(pets, [Document("new", "text")])


def test_texts_in_order(pets: Collection) -> None:
    assert document_texts(pets, ["dog", "unknown", "fish"]) == [
        "Dogs a dog and a cat run",
        "",
        "fish swim in water",
    ]


@pytest.fixture
def served(tmp_path: Path, cheap_encoders: Encoders) -> Any:
    """A collection of a service, which is asked without a socket."""
    from fastapi.testclient import TestClient

    from lexmax.service import Settings, create_app

    settings = Settings(data=tmp_path / "data", warm=(), log_level="error")
    with TestClient(create_app(settings, encoders=cheap_encoders)) as inner:

        def answer(request: httpx.Request) -> httpx.Response:
            reply = inner.request(
                request.method,
                request.url.raw_path.decode(),
                content=request.content,
                headers={"content-type": "application/json"},
            )
            return httpx.Response(reply.status_code, content=reply.content)

        with Client("http://test", transport=httpx.MockTransport(answer)) as client:
            client.create("pets")
            yield ServedCollection(client, "pets")


def test_a_service_answers_as_a_collection_does(served: Any, pets: Collection) -> None:
    documents = [one for one in pets.get(["cat", "dog", "fish", "d/é#1"]) if one is not None]
    fill(served, documents)
    assert served.n_docs == 4
    for pipeline in ("bm25", named("hybrid"), {"preset": "bm25"}):
        assert answers(served, QUERIES, 3, pipeline=pipeline) == answers(
            pets, QUERIES, 3, pipeline=pipeline
        )
    assert document_texts(served, ["dog", "unknown"]) == ["Dogs a dog and a cat run", ""]


def test_what_is_wrong_with_all_queries_is_said(served: Any) -> None:
    with pytest.raises(ClientError, match="engine"):
        answers(served, QUERIES, 3, pipeline="bm25:unknown")
    with pytest.raises(EvaluationError, match="expected a collection in a folder"):
        reranked(served, {"q": "cat"}, {"q": ["cat"]})
