"""Vectors of documents and queries over HTTP: stored, searched with, refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lexmax.service import Settings, create_app

GIVEN = {"sparse": "impacts", "multivector": "given?dim=2", "pooled": "given-pooled?dim=3"}
DOCUMENTS = [
    {
        "doc_id": "a",
        "text": "a^strange text",
        "vectors": {"sparse": {"sail": 2, "wind": 1.5}, "tokens": [[1, 0]], "pooled": [1, 0, 0]},
    },
    {
        "doc_id": "b",
        "text": "",
        "vectors": {
            "sparse": {"sail": 1},
            "tokens": [[0, 1], [0.5, 0.5]],
            "pooled": [0, 1, 0],
        },
    },
]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data=tmp_path, warm=()))) as client:
        client.put("/v1/collections/c", json=GIVEN).raise_for_status()
        yield client


def store(client: TestClient, documents: Any) -> Any:
    return client.post("/v1/collections/c/documents", json={"documents": documents})


def search(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/collections/c/search", json=body)


def test_documents_are_found_by_the_vectors_they_came_with(client: TestClient) -> None:
    assert store(client, DOCUMENTS).json()["added"] == 2
    assert store(client, DOCUMENTS).json()["unchanged"] == 2
    for vectors, pipeline, expected in (
        ({"sparse": {"wind": 2}}, "sparse", {"a": 3.0}),
        ({"tokens": [[0, 1]]}, "multivector-exact", {"a": 0.0, "b": 1.0}),
        ({"pooled": [0, 1, 0]}, "pooled", {"a": 0.0, "b": 1.0}),
    ):
        reply = search(client, vectors=vectors, pipeline=pipeline)
        assert reply.status_code == 200, reply.json()
        found = {hit["doc_id"]: hit["score"] for hit in reply.json()["hits"]}
        assert found == pytest.approx(expected, abs=1e-2)
    assert search(client, query="sail^2 wind", pipeline="sparse").json()["hits"][0]["score"] == 5.5


def test_terms_are_called_by_their_names_in_explanations(client: TestClient) -> None:
    store(client, DOCUMENTS)
    body = {"vectors": {"sparse": {"sail": 1}, "tokens": [[1, 0]]}, "pipeline": "sparse"}
    reply = client.post("/v1/collections/c/explain", json=body)
    assert reply.status_code == 200, reply.json()
    assert '"sail"' in reply.text


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (None, "no vectors called sparse, tokens, pooled"),
        ({**DOCUMENTS[0]["vectors"], "pooled": [1]}, "pooled has 1 dimensions; expected 3"),
        ({**DOCUMENTS[0]["vectors"], "tokens": [[1], [1, 2]]}, "vectors of one length"),
        ({"sparse": {"indices": [1, 1], "values": [1, 1]}}, "no index twice"),
    ],
)
def test_documents_whose_vectors_do_not_fit_are_refused(
    client: TestClient, vectors: Any, said: str
) -> None:
    reply = store(client, [DOCUMENTS[1], {"doc_id": "bad", "text": "x", "vectors": vectors}])
    assert reply.status_code == 422
    assert said in reply.json()["detail"]
    assert "'bad'" in reply.json()["detail"]
    assert client.get("/v1/collections/c").json()["n_docs"] == 0


def test_vectors_of_another_shape_are_refused(client: TestClient) -> None:
    for vectors in ({"dense": [1]}, {"pooled": ["1"]}, {"tokens": [1]}, {"sparse": {"a": "1"}}):
        assert search(client, vectors=vectors).status_code == 422
    assert search(client).json()["code"] == "query_invalid"
    assert search(client, vectors={}).json()["code"] == "query_invalid"
    assert search(client, query="words", pipeline="pooled").status_code == 422
