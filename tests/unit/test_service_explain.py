"""Explanations over HTTP: the same data as Python's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.explaining import as_json
from lexmax.service import Settings, create_app

PATH = "/v1/collections/pets/explain"
DOCUMENTS: list[dict[str, Any]] = [
    {"doc_id": "cat", "text": "a cat sleeps on the mat", "metadata": {"year": 2020}},
    {"doc_id": "dog", "text": "a dog and a cat run", "title": "Dogs"},
    {"doc_id": "fish", "text": "fish swim"},
]


@pytest.fixture
def client(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[TestClient]:
    settings = Settings(data=tmp_path, warm=())
    with TestClient(create_app(settings, encoders=cheap_encoders)) as client:
        client.put("/v1/collections/pets", json={"fields": {"year": "integer"}}).raise_for_status()
        stored = client.post("/v1/collections/pets/documents", json={"documents": DOCUMENTS})
        stored.raise_for_status()
        yield client


def explained(client: TestClient, **body: Any) -> dict[str, Any]:
    reply: dict[str, Any] = client.post(PATH, json=body).raise_for_status().json()
    return reply


@pytest.mark.parametrize(
    "body",
    [
        {"query": "cat mat", "k": 2},
        {"query": "cat mat", "k": 1, "doc_id": "fish"},
        {"query": "cat", "filter": "year>=2000", "pipeline": "sparse", "doc_id": "dog"},
        {
            "query": "cat",
            "pipeline": {
                "retrieve": [{"signal": "sparse"}, {"signal": "multivector"}],
                "feedback": {"method": "average", "k": 1},
            },
        },
    ],
)
def test_it_is_what_python_says(
    client: TestClient, tmp_path: Path, cheap_encoders: Encoders, body: dict[str, Any]
) -> None:
    reply = explained(client, **body)
    options = {name: value for name, value in body.items() if name != "query"}
    with Collection.open(tmp_path / "pets", encoders=cheap_encoders) as collection:
        said: Any = as_json(collection.explain(body["query"], **options))
    assert reply["documents"] == said["documents"]
    assert reply["feedback"] == said["feedback"]
    assert reply["result"]["hits"] == said["result"]["hits"]
    assert reply["result"]["pipeline"] == said["result"]["pipeline"]


def test_a_document_that_is_no_hit(client: TestClient) -> None:
    reply = explained(client, query="cat", filter="year>=2000", doc_id="dog")
    (document,) = reply["documents"]
    assert document["lost"] == {"stage": "filter", "reason": "it does not meet year>=2000"}
    assert document["conditions"] == [{"where": "search", "condition": "year>=2000", "met": False}]
    assert [hit["doc_id"] for hit in reply["result"]["hits"]] == ["cat"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": "cat", "doc_id": "bird"}, 404, "document_not_found"),
        ({"query": "cat", "doc_id": ""}, 422, "invalid_request"),
        ({"query": "cat", "doc": "cat"}, 422, "invalid_request"),
        ({"query": "cat", "k": 101}, 422, "over_limit"),
        ({"query": "", "doc_id": "cat"}, 422, "query_invalid"),
        ({"query": "cat", "filter": "month=5"}, 422, "filter_invalid"),
        ({"query": "cat", "pipeline": "best"}, 422, "pipeline_unavailable"),
    ],
)
def test_bad_requests(client: TestClient, body: dict[str, Any], status: int, code: str) -> None:
    reply = client.post(PATH, json=body)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_one_document_may_be_asked_for_among_very_many(client: TestClient) -> None:
    reply = explained(client, query="cat", k=1000, doc_id="cat")
    assert [document["doc_id"] for document in reply["documents"]] == ["cat"]


def test_the_schema_names_every_part(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert {"ExplainReply", "ExplainRequest", "TermMatch", "TokenMatch", "Loss"} <= set(schemas)
    assert "doc_id" in schemas["ExplainRequest"]["properties"]
