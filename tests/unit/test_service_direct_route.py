"""Searches go past FastAPI's own reading of parameters; what is wrong is told as everywhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastapi.routing
import pytest
from fastapi.testclient import TestClient

from lexmax.service import Settings, create_app

PATH = "/v1/collections/pets/search"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder: Path = tmp_path_factory.mktemp("collections")
    with TestClient(create_app(Settings(data=folder, warm=()))) as made:
        made.put("/v1/collections/pets", json={"multivector": None}).raise_for_status()
        documents = {"documents": [{"doc_id": "cat", "text": "a cat"}]}
        made.post("/v1/collections/pets/documents", json=documents).raise_for_status()
        yield made


def test_a_search_that_can_be_answered_needs_nothing_of_fastapi(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unneeded(**_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(fastapi.routing, "solve_dependencies", unneeded)
    reply = client.post(PATH, json={"query": "cat", "k": 3})
    assert reply.status_code == 200
    assert [hit["doc_id"] for hit in reply.json()["hits"]] == ["cat"]


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"query": "cat", "k": 0}, ["body.k"]),
        ({"query": "cat", "k": "10"}, ["body.k"]),
        ({"query": "cat", "more": 1}, ["body.more"]),
        ({"query": 1, "k": 1.5, "offset": -1}, ["body.query", "body.k", "body.offset"]),
        ([], ["body"]),
        ("cat", ["body"]),
        (None, ["body"]),
    ],
)
def test_a_body_that_cannot_be_used_is_told_by_fastapi(
    client: TestClient, body: Any, at: list[str]
) -> None:
    reply = client.post(PATH, json=body)
    assert reply.status_code == 422
    assert reply.json()["code"] == "invalid_request"
    assert [entry["at"] for entry in reply.json()["errors"]] == at


def test_a_name_that_breaks_the_rule_is_told_too(client: TestClient) -> None:
    reply = client.post("/v1/collections/Odd/search", json={"query": "cat"})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_request")
    assert [entry["at"] for entry in reply.json()["errors"]] == ["path.name"]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (PATH, {"query": " "}, "query_invalid"),
        (PATH, {"query": "cat", "pipeline": "no-such"}, "pipeline_unavailable"),
        (PATH, {"query": "cat", "k": 10**9}, "over_limit"),
        ("/v1/collections/none/search", {"query": "cat"}, "collection_not_found"),
    ],
)
def test_what_the_endpoint_refuses_is_a_problem_reply(
    client: TestClient, path: str, body: Any, code: str
) -> None:
    reply = client.post(path, json=body)
    assert reply.json()["code"] == code
    assert reply.headers["content-type"] == "application/problem+json"


def test_a_body_that_is_missing(client: TestClient) -> None:
    reply = client.post(PATH)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_request")
