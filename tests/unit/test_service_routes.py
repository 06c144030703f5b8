from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from lexmax import lucene
from lexmax.service import Settings, create_app
from lexmax.service.facades.failures import shape_at

DOCUMENTS: list[dict[str, Any]] = [
    {"doc_id": "cat", "text": "a cat sleeps on the mat", "metadata": {"year": 2020, "tags": []}},
    {"doc_id": "dog", "text": "a dog and a cat run", "title": "Dogs"},
    {"doc_id": "fish", "text": "fish swim"},
]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data=tmp_path, warm=()))) as client:
        yield client


@pytest.fixture
def pets(client: TestClient) -> TestClient:
    client.put("/v1/collections/pets", json={"multivector": None}).raise_for_status()
    client.post("/v1/collections/pets/documents", json={"documents": DOCUMENTS}).raise_for_status()
    return client


def found(client: TestClient, query: str, **more: Any) -> list[str]:
    reply = client.post("/v1/collections/pets/search", json={"query": query, **more})
    return [hit["doc_id"] for hit in reply.raise_for_status().json()["hits"]]


def test_a_collection_from_first_to_last(client: TestClient) -> None:
    made = client.put("/v1/collections/pets", json={"multivector": None})
    assert made.status_code == 201
    described = made.json()
    assert described.pop("bytes") > 0
    encoders = described.pop("encoders")
    assert list(encoders) == ["sparse"]
    assert described == {
        "name": "pets",
        "n_docs": 0,
        "n_pending": 0,
        "generation": 0,
        "fields": {},
        "passages": None,
        "pipelines": ["sparse", "bm25", *lucene.backends(Path())],
        "segments": [],
    }
    assert client.get("/v1/collections").json() == {"collections": [{"name": "pets"}]}
    assert client.get("/v1/collections/pets").json()["encoders"] == encoders
    pooled = {"pooled": "minilm-pooled?max_tokens=64"}
    twin = client.put("/v1/collections/twin", json={"multivector": None} | encoders | pooled)
    assert twin.json()["encoders"] == encoders | pooled
    assert client.delete("/v1/collections/twin").status_code == 204
    gone = client.delete("/v1/collections/pets")
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get("/v1/collections").json() == {"collections": []}
    assert client.get("/v1/collections/pets").json()["code"] == "collection_not_found"


def test_a_name_is_given_once(pets: TestClient) -> None:
    again = pets.put("/v1/collections/pets", json={"multivector": None})
    assert (again.status_code, again.json()["code"]) == (409, "collection_exists")
    assert found(pets, "fish") == ["fish"]


def test_stored_is_searchable_at_once(pets: TestClient) -> None:
    reply = pets.post("/v1/collections/pets/search", json={"query": "cat", "k": 2}).json()
    assert [hit["doc_id"] for hit in reply["hits"]] == ["cat", "dog"]
    first = reply["hits"][0]
    assert first["rank"] == 1
    assert first["text"] == "a cat sleeps on the mat"
    assert first["metadata"] == {"year": 2020, "tags": []}
    assert first["scores"] == {"sparse": first["score"]}
    assert reply["hits"][1]["title"] == "Dogs"
    assert reply["pipeline"] == "sparse"
    assert set(reply["timings_ms"]) == {"encode_ms", "sparse_ms"}
    assert pets.get("/v1/collections/pets").json()["n_docs"] == 3


def test_k_above_the_size_gives_all_that_match(pets: TestClient) -> None:
    assert found(pets, "cat", k=10_000) == ["cat", "dog"]


def test_storing_again_replaces(pets: TestClient) -> None:
    changed = [{"doc_id": "cat", "text": "now a bird"}, {"doc_id": "owl", "text": "a bird"}]
    reply = pets.post("/v1/collections/pets/documents", json={"documents": changed})
    assert reply.json() == {"added": 1, "replaced": 1, "unchanged": 0}
    assert found(pets, "bird") == ["owl", "cat"]
    assert found(pets, "mat") == []


def test_of_one_id_twice_in_a_batch_the_last_stays(pets: TestClient) -> None:
    twice = [{"doc_id": "emu", "text": "first"}, {"doc_id": "emu", "text": "second"}]
    reply = pets.post("/v1/collections/pets/documents", json={"documents": twice})
    assert reply.json() == {"added": 1, "replaced": 1, "unchanged": 0}
    assert pets.get("/v1/collections/pets/documents/emu").json()["text"] == "second"


@pytest.mark.parametrize(
    "doc_id",
    [
        "a/b",
        "a//b/",
        "/a",
        "🐈‍⬛ été",
        "100%",
        "a?b=c#d",
        "delete",
        "../x",
        "a b",
        "'\"\\",
    ],
)
def test_any_printable_id_has_a_path(pets: TestClient, doc_id: str) -> None:
    document = {"doc_id": doc_id, "text": "zebra"}
    path = f"/v1/collections/pets/documents/{quote(doc_id, safe='')}"
    pets.post("/v1/collections/pets/documents", json={"documents": [document]}).raise_for_status()
    assert pets.get(path).json() == document | {"title": "", "metadata": {}}
    assert found(pets, "zebra") == [doc_id]
    assert pets.delete(path).json() == {"deleted": 1}
    assert pets.get(path).json()["code"] == "document_not_found"
    assert pets.delete(path).json()["code"] == "document_not_found"
    assert found(pets, "zebra") == []


def test_slashes_of_an_id_may_stand_as_they_are(pets: TestClient) -> None:
    document = {"doc_id": "guide/1", "text": "zebra"}
    pets.post("/v1/collections/pets/documents", json={"documents": [document]}).raise_for_status()
    assert pets.get("/v1/collections/pets/documents/guide/1").json()["doc_id"] == "guide/1"


def test_deleting_by_ids_counts_those_that_existed(pets: TestClient) -> None:
    path = "/v1/collections/pets/documents/delete"
    assert pets.post(path, json={"doc_ids": ["cat", "none", "dog"]}).json() == {"deleted": 2}
    assert found(pets, "cat") == []
    assert found(pets, "fish") == ["fish"]


def test_health_and_readiness(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "alive"}
    while client.get("/ready").status_code == 503:
        pass
    assert client.get("/ready").json() == {"status": "ready"}


def test_metrics_count_requests_problems_and_stages(pets: TestClient) -> None:
    found(pets, "cat")
    pets.get("/v1/collections/none")
    pets.get("/nowhere")
    lines = pets.get("/metrics").text.splitlines()
    route = 'route="/v1/collections/{name}/search"'
    assert f'lexmax_requests_total{{method="POST",{route},status="200"}} 1.0' in lines
    assert f"lexmax_request_seconds_count{{{route}}} 1.0" in lines
    assert 'lexmax_problems_total{code="collection_not_found"} 1.0' in lines
    assert 'lexmax_requests_total{method="GET",route="unmatched",status="404"} 1.0' in lines
    assert 'lexmax_stage_seconds_count{pipeline="sparse",stage="encode_ms"} 1.0' not in lines
    assert 'lexmax_stage_seconds_count{pipeline="sparse",stage="encode"} 1.0' in lines


def test_openapi_says_what_problems_look_like(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            for status in ("4XX", "5XX"):
                content = operation["responses"][status]["content"]
                # Façades tell problems as their clients read them.
                told = "json" if shape_at(path) else "problem+json"
                assert list(content) == [f"application/{told}"], path
            assert "422" not in operation["responses"], path
    spec = schema["components"]["schemas"]["SearchRequest"]
    assert spec["additionalProperties"] is False
    assert {"query", "vectors"} <= spec["properties"].keys()
    page = client.get("/docs").text
    assert "/v1/collections/{name}/search" in page
    assert "Default 10." in page
    assert "<caption>NewDocument</caption>" in page
    # It loads nothing, from here or elsewhere.
    assert not any(mark in page for mark in ("http:", "https:", "<script", "<link", "<img"))
