"""Fields, statistics, flush, merge, deleting by a filter, and what new collections may have."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lexmax.encoders import Encoders
from lexmax.service import Settings, create_app

AT = "/v1/collections/pets"


@pytest.fixture
def client(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[TestClient]:
    settings = Settings(data=tmp_path, warm=(), log_level="error")
    with TestClient(create_app(settings, encoders=cheap_encoders)) as client:
        yield client


def add(client: TestClient, start: int, stop: int) -> None:
    documents = [
        {"doc_id": str(i), "text": f"a cat number {i}", "metadata": {"year": i}}
        for i in range(start, stop)
    ]
    client.post(f"{AT}/documents", json={"documents": documents}).raise_for_status()


def test_statistics_say_what_is_where(client: TestClient) -> None:
    client.put(AT).raise_for_status()
    empty = client.get(f"{AT}/statistics").json()
    assert (empty["n_docs"], empty["segments"], empty["n_tokens"]) == (0, [], 0)
    add(client, 0, 20)
    assert client.get(f"{AT}/statistics").json()["n_pending"] == 20
    assert client.post(f"{AT}/flush").json() == {"n_segments": 1}
    assert client.post(f"{AT}/flush").json() == {"n_segments": 0}
    add(client, 20, 23)
    client.post(f"{AT}/documents/delete", json={"doc_ids": ["1", "2", "21"]})
    found = client.get(f"{AT}/statistics").json()
    names = ("n_docs", "n_deleted", "n_pending", "n_unseen", "n_tokens")
    assert [found[name] for name in names] == [20, 2, 2, 0, 80]
    [segment] = found["segments"]
    assert (segment["n_docs"], segment["n_deleted"], segment["n_passages"]) == (20, 2, None)
    assert (segment["n_terms"], segment["n_postings"], segment["n_tokens"]) == (22, 60, 80)
    assert found["bytes"]["tokens"] == segment["bytes"]["tokens"] > 80 * 16
    assert sum(segment["bytes"].values()) == client.get(AT).json()["segments"][0]["bytes"]
    assert found["generation"] == client.get(AT).json()["generation"]


def test_statistics_count_passages_and_their_documents(client: TestClient) -> None:
    client.put(AT, json={"multivector": None, "passages": {"window": 5, "stride": 5}})
    documents = [{"doc_id": str(i), "text": f"cat {i} " * 20} for i in range(4)]
    client.post(f"{AT}/documents", json={"documents": documents})
    client.post(f"{AT}/flush")
    client.delete(f"{AT}/documents/1")
    found = client.get(f"{AT}/statistics").json()
    assert (found["n_docs"], found["n_deleted"]) == (3, 1)
    assert found["segments"][0]["n_docs"] == 4
    assert found["segments"][0]["n_passages"] > 8


def test_merging_makes_few_segments_and_drops_what_is_deleted(client: TestClient) -> None:
    client.put(AT, json={"multivector": None})
    for start in (0, 10, 20):
        add(client, start, start + 10)
        client.post(f"{AT}/flush")
    client.post(f"{AT}/documents/delete", json={"doc_ids": ["5"]})
    merged = client.post(f"{AT}/merge", json={"everything": True}).json()
    assert merged["after"]["n_segments"] == 1
    assert merged["after"]["n_docs"] == 29
    assert client.get(f"{AT}/statistics").json()["n_deleted"] == 0
    again = client.post(f"{AT}/merge").json()
    assert (again["n_merges"], again["n_dropped"]) == (0, 0)
    assert client.post(f"{AT}/merge", json={"all": True}).status_code == 422


@pytest.mark.parametrize("what", ["merge", "flush"])
def test_work_of_which_nobody_awaits_the_end_is_stopped(client: TestClient, what: str) -> None:
    client.put(AT, json={"multivector": None})
    add(client, 0, 10)
    client.post(f"{AT}/flush")
    add(client, 10, 20)
    if what == "merge":
        client.post(f"{AT}/flush")
        client.post(f"{AT}/documents/delete", json={"doc_ids": ["5"]})
    reply = client.post(
        f"{AT}/{what}",
        json={"everything": True} if what == "merge" else None,
        headers={"x-request-timeout-ms": "0.001"},
    )
    assert (reply.status_code, reply.json()["code"]) == (504, "deadline_exceeded")
    assert client.post(f"{AT}/search", json={"query": "number 15"}).json()["hits"]


def test_fields_are_declared_late(client: TestClient) -> None:
    client.put(AT, json={"multivector": None})
    add(client, 0, 10)
    client.post(f"{AT}/flush")
    late = {"query": "cat", "filter": "year >= 8"}
    assert client.post(f"{AT}/search", json=late).json()["code"] == "filter_invalid"
    reply = client.put(f"{AT}/fields", json={"fields": {"year": "integer"}})
    assert reply.json() == {"fields": {"year": "integer"}, "n_segments": 1}
    hits = client.post(f"{AT}/search", json=late).json()["hits"]
    assert sorted(hit["doc_id"] for hit in hits) == ["8", "9"]
    more = client.put(f"{AT}/fields", json={"fields": {"lang": "keyword"}}).json()
    assert more["fields"] == {"lang": "keyword", "year": "integer"}
    other = client.put(f"{AT}/fields", json={"fields": {"year": "keyword"}})
    assert (other.status_code, other.json()["code"]) == (422, "invalid_input")
    for body in ({"fields": {}}, {"fields": {"x": "none"}}, {}, {"fields": {"1x": "integer"}}):
        assert client.put(f"{AT}/fields", json=body).status_code == 422


def test_documents_are_deleted_by_a_filter(client: TestClient) -> None:
    client.put(AT, json={"multivector": None, "fields": {"year": "integer"}})
    add(client, 0, 10)
    gone = {"filter": {"must": [{"field": "year", "range": {"lt": 4}}]}}
    assert client.post(f"{AT}/documents/delete", json=gone).json() == {"deleted": 4}
    assert client.post(f"{AT}/documents/delete", json={"filter": "year=4"}).json() == {"deleted": 1}
    assert client.get(AT).json()["n_docs"] == 5
    for body, code in (
        ({"filter": {}}, "filter_invalid"),
        ({"filter": "none=1"}, "filter_invalid"),
        ({}, "invalid_request"),
        ({"filter": "year=5", "doc_ids": ["5"]}, "invalid_request"),
        ({"doc_ids": []}, "invalid_request"),
        ({"doc_ids": None, "filter": None}, "invalid_request"),
    ):
        reply = client.post(f"{AT}/documents/delete", json=body)
        assert (reply.status_code, reply.json()["code"]) == (422, code), body
    assert client.get(AT).json()["n_docs"] == 5


def test_pooled_vectors_are_stored_as_asked_for(client: TestClient) -> None:
    sizes: dict[str, int] = {}
    for codec in ("int8", "fp16"):
        at, spec = f"/v1/collections/{codec}", {"pooled": "minilm-pooled", "pooled_codec": codec}
        client.put(at, json={"multivector": None} | spec).raise_for_status()
        documents = [{"doc_id": str(i), "text": f"cat {i}"} for i in range(40)]
        client.post(f"{at}/documents", json={"documents": documents}).raise_for_status()
        client.post(f"{at}/flush").raise_for_status()
        [segment] = client.get(f"{at}/statistics").json()["segments"]
        sizes[codec] = segment["bytes"]["pooled"]
    assert sizes["fp16"] > sizes["int8"]


def test_a_new_collection_has_what_was_asked_for(client: TestClient) -> None:
    tokens: dict[str, Any] = {"codec": "fp16", "fde": False, "centroids": False}
    client.put(AT, json={"tokens": tokens, "neighbours": 3}).raise_for_status()
    add(client, 0, 10)
    client.post(f"{AT}/flush")
    [segment] = client.get(f"{AT}/statistics").json()["segments"]
    assert "neighbours" in segment["bytes"]
    assert "fde" not in segment["bytes"]
    assert segment["bytes"]["tokens"] > segment["n_tokens"] * 16 * 2
    for wrong in (
        {"tokens": {"codec": "zip"}},
        {"tokens": {"threads": 3}},
        {"tokens": {"fde_store": "/etc/passwd"}},
        {"tokens": {"recall": 2}},
        {"neighbours": 257},
        {"pooled": "minilm-pooled", "pooled_codec": "int4"},
        {"pooled_codec": "fp16"},
    ):
        assert client.put("/v1/collections/other", json=wrong).status_code == 422, wrong
