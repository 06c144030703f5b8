"""Fields over HTTP: declared with a collection, shown with it, kept to by its documents."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lexmax.service import Settings, create_app


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data=tmp_path, warm=()))) as client:
        made = {"multivector": None, "fields": {"year": "integer", "tag": "keyword"}}
        client.put("/v1/collections/pets", json=made).raise_for_status()
        yield client


def store(client: TestClient, metadata: dict[str, Any]) -> Any:
    documents = [{"doc_id": "cat", "text": "a cat", "metadata": metadata}]
    return client.post("/v1/collections/pets/documents", json={"documents": documents})


def search(client: TestClient, conditions: Any) -> Any:
    body = {"query": "cat", "filter": conditions}
    return client.post("/v1/collections/pets/search", json=body)


def test_fields_are_shown_and_filtered_by(client: TestClient) -> None:
    described = client.get("/v1/collections/pets").json()
    assert described["fields"] == {"tag": "keyword", "year": "integer"}
    assert store(client, {"year": 2020, "tag": ["a"]}).status_code == 200
    for conditions, n_hits in (
        ({"must": [{"field": "year", "range": {"gte": 2020}}]}, 1),
        ("year > 2020", 0),
        ("tag in (a, b)", 1),
    ):
        assert len(search(client, conditions).json()["hits"]) == n_hits


def test_a_document_that_does_not_fit_is_refused(client: TestClient) -> None:
    reply = store(client, {"year": "2020"})
    assert (reply.status_code, reply.json()["code"]) == (422, "document_invalid")
    assert "metadata year is a text; expected a whole number" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"must": [{"field": "yaer", "exists": True}]}, "declares tag (keyword), year (integer)"),
        ({"must": [{"field": "year", "match": "a"}]}, "must[0].match: year is declared as integer"),
        ("year >", "character 7: found the end"),
    ],
)
def test_a_filter_that_cannot_be_used_is_refused(
    client: TestClient, conditions: Any, said: str
) -> None:
    reply = search(client, conditions)
    assert (reply.status_code, reply.json()["code"]) == (422, "filter_invalid")
    assert said in reply.json()["detail"]


@pytest.mark.parametrize(
    "fields", [{"year": "int"}, {"": "integer"}, {"y" * 65: "float"}, ["year"]]
)
def test_a_declaration_that_is_none_is_refused(client: TestClient, fields: Any) -> None:
    reply = client.put("/v1/collections/other", json={"multivector": None, "fields": fields})
    assert reply.status_code == 422
    assert client.get("/v1/collections/other").status_code == 404
