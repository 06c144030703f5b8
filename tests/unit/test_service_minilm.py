"""The routes that need token vectors, with the real encoder."""

import time
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from lexmax.service import Settings, create_app

TEXTS = [
    "Python was written by Guido van Rossum.",
    "The cat sleeps on the warm mat.",
    "Vitamin D strengthens bones.",
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(data=tmp_path_factory.mktemp("data"), warm=("minilm",))
    with TestClient(create_app(settings)) as client:
        deadline = time.monotonic() + 120
        while client.get("/ready").status_code == 503 and time.monotonic() < deadline:
            time.sleep(0.05)
        yield client


def test_it_becomes_ready(client: TestClient) -> None:
    assert client.get("/ready").status_code == 200


def test_a_collection_has_both_indexes_unless_told_otherwise(client: TestClient) -> None:
    made = client.put("/v1/collections/texts").raise_for_status().json()
    assert set(made["encoders"]) == {"sparse", "multivector"}
    assert "hybrid" in made["pipelines"]
    documents = [{"doc_id": str(i), "text": text} for i, text in enumerate(TEXTS)]
    client.post("/v1/collections/texts/documents", json={"documents": documents})
    query = "where does the feline rest?"
    reply = client.post("/v1/collections/texts/search", json={"query": query, "k": 2}).json()
    assert reply["pipeline"] == "hybrid"
    assert reply["hits"][0]["doc_id"] == "1"
    assert {"multivector", "fuse"} <= set(reply["hits"][0]["scores"])
    assert "encode_ms" in reply["timings_ms"]


def test_rerank_orders_texts(client: TestClient) -> None:
    request = {"query": "who made Python?", "documents": [*TEXTS, {"text": "Guido"}, ""]}
    reply = client.post("/v1/rerank", json=request).raise_for_status().json()
    assert reply["results"][0]["index"] == 0
    assert sorted(result["index"] for result in reply["results"]) == [0, 1, 2, 3, 4]
    scores = [result["score"] for result in reply["results"]]
    assert scores[-1] is None
    assert scores[:-1] == sorted(scores[:-1], reverse=True)
    assert reply["results"][-1]["index"] == 4
    assert reply["model"] == "minilm"


def test_rerank_returns_the_best_and_keeps_ties_in_order(client: TestClient) -> None:
    request = {"query": "cat", "documents": ["dog", "cat", "cat", "dog"], "top_n": 3}
    reply = client.post("/v1/rerank", json=request).json()
    assert [result["index"] for result in reply["results"]] == [1, 2, 0]
    more = client.post("/v1/rerank", json=request | {"top_n": 100}).json()
    assert len(more["results"]) == 4


def test_rerank_takes_no_parameters(client: TestClient) -> None:
    request = {"query": "cat", "documents": ["dog"], "model": "minilm?max_tokens=128"}
    assert client.post("/v1/rerank", json=request).status_code == 422


def test_an_encoder_that_cannot_be_loaded_is_said(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = Settings(data=tmp_path_factory.mktemp("data"), warm=("nothing",))
    with TestClient(create_app(settings)) as client:
        deadline = time.monotonic() + 60
        while "log says why" not in client.get("/ready").text and time.monotonic() < deadline:
            time.sleep(0.01)
        reply = client.get("/ready")
        assert (reply.status_code, reply.json()["code"]) == (503, "not_ready")
        assert client.get("/health").status_code == 200
