"""Many searches in one request answer as each would alone."""

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
    settings = Settings(data=tmp_path, warm=(), log_level="error", max_k=200, max_batch_searches=20)
    with TestClient(create_app(settings, encoders=cheap_encoders)) as client:
        client.put(AT, json={"fields": {"year": "integer"}}).raise_for_status()
        documents = [
            {
                "doc_id": str(i),
                "text": f"a {'cat' if i % 2 else 'dog'} number {i} sleeps",
                "title": f"Title {i}",
                "metadata": {"year": 2000 + i},
            }
            for i in range(40)
        ]
        client.post(f"{AT}/documents", json={"documents": documents}).raise_for_status()
        yield client


SEARCHES: list[dict[str, Any]] = [
    {"query": "cat", "k": 3},
    {"query": "dog number 4", "k": 3},
    {"query": "cat", "k": 3, "filter": "year >= 2030"},
    {"query": "sleeps", "k": 5, "offset": 2, "pipeline": "bm25"},
    {"query": "number 7", "k": 3, "pipeline": "multivector"},
    {"query": "cat dog", "k": 3, "filter": "year >= 2030"},
    {"query": "number 9", "k": 2, "pipeline": {"retrieve": [{"signal": "sparse", "depth": 5}]}},
    {"query": "dog", "k": 3, "filter": {"must": [{"field": "year", "range": {"lt": 1000}}]}},
]


def test_each_is_answered_as_alone(client: TestClient) -> None:
    reply = client.post(f"{AT}/search/batch", json={"searches": SEARCHES})
    results = reply.raise_for_status().json()["results"]
    assert len(results) == len(SEARCHES)
    for search, result in zip(SEARCHES, results, strict=True):
        alone = client.post(f"{AT}/search", json=search).json()
        for name in ("hits", "pipeline", "generation", "n_filtered", "partial", "notes"):
            assert result[name] == alone[name], (search, name)
        assert [one["stage"] for one in result["stages"]] == [
            one["stage"] for one in alone["stages"]
        ]
    assert results[7]["hits"] == []


def test_ids_only_leaves_the_texts_out(client: TestClient) -> None:
    whole = client.post(f"{AT}/search/batch", json={"searches": SEARCHES}).json()["results"]
    ids = client.post(f"{AT}/search/batch", json={"searches": SEARCHES, "ids_only": True}).json()
    for full, short in zip(whole, ids["results"], strict=True):
        assert short["hits"] == [
            {name: hit[name] for name in ("rank", "doc_id", "score", "scores", "relevance")}
            for hit in full["hits"]
        ]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"query": "the", "pipeline": "bm25"}, "query_invalid"),
        ({"query": " "}, "query_invalid"),
        ({"query": "cat", "filter": "none = 1"}, "filter_invalid"),
        ({"query": "cat", "pipeline": "none"}, "pipeline_unavailable"),
        ({"query": "cat", "pipeline": "pooled"}, "pipeline_unavailable"),
        ({"query": "cat", "pipeline": "pooled", "filter": "none = 1"}, "pipeline_unavailable"),
    ],
)
def test_one_that_cannot_be_answered_is_named(
    client: TestClient, bad: dict[str, Any], code: str
) -> None:
    for place in (0, 3):
        searches = [{"query": "cat"}] * place + [bad] + [{"query": "dog"}] * 2
        reply = client.post(f"{AT}/search/batch", json={"searches": searches})
        assert (reply.status_code, reply.json()["code"]) == (422, code)
        assert f"searches[{place}]: " in reply.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"searches": []},
        {},
        {"searches": [{"query": "cat", "timeout_ms": 5}]},
        {"searches": [{"query": "cat", "other": 5}]},
        {"searches": [{"query": "cat", "k": 0}]},
        {"searches": [{"query": "cat"}], "other": 1},
    ],
)
def test_another_shape_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    reply = client.post(f"{AT}/search/batch", json=body)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_request")


def test_limits_hold_for_the_sum(client: TestClient) -> None:
    many = [{"query": "cat", "k": 1}] * 21
    deep = [{"query": "cat", "k": 60, "offset": 10}] * 3
    for searches in (many, deep):
        reply = client.post(f"{AT}/search/batch", json={"searches": searches})
        assert (reply.status_code, reply.json()["code"]) == (422, "over_limit")
    assert client.post(f"{AT}/search/batch", json={"searches": many[:20]}).status_code == 200
    assert client.post(f"{AT}/search/batch", json={"searches": deep[:2]}).status_code == 200


def test_the_batch_has_one_time(client: TestClient) -> None:
    body = {"searches": SEARCHES[:2], "timeout_ms": 60_000}
    assert client.post(f"{AT}/search/batch", json=body).status_code == 200
