"""Split documents over HTTP: made with a collection, shown with it, found by their passages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lexmax.service import Settings, create_app

PATH = "/v1/collections/books"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data=tmp_path, warm=()))) as client:
        yield client


def make(client: TestClient, passages: Any) -> Any:
    return client.put(PATH, json={"multivector": None, "passages": passages})


def test_a_hit_has_its_best_passage(client: TestClient) -> None:
    described = make(client, {"window": 6, "stride": 6}).json()
    assert described["passages"] == {"window": 6, "stride": 6}
    text = "A zebra has stripes. A lion has none. A horse has none."
    documents = [{"doc_id": "animals", "text": text}, {"doc_id": "ship", "text": "No lion here."}]
    client.post(f"{PATH}/documents", json={"documents": documents}).raise_for_status()
    reply = client.post(f"{PATH}/search", json={"query": "lion none"}).json()
    assert [hit["doc_id"] for hit in reply["hits"]] == ["animals", "ship"]
    passage = {"start": 21, "end": 37, "text": "A lion has none."}
    assert reply["hits"][0]["passage"] == passage
    assert text[21:37] == passage["text"]
    by_mean = {"preset": "bm25", "documents": {"by": "top", "n": 2}}
    body = {"query": "lion none", "pipeline": by_mean}
    again = client.post(f"{PATH}/search", json=body).json()
    assert again["hits"][0]["passage"] == passage
    assert again["hits"][0]["score"] < reply["hits"][0]["score"]
    explained = client.post(
        f"{PATH}/explain", json={"query": "stripes", "doc_id": "animals"}
    ).json()
    (document,) = explained["documents"]
    assert (document["doc_id"], document["rank"], document["lost"]) == ("animals", 1, None)


def test_defaults_fill_what_is_left_out(client: TestClient) -> None:
    assert make(client, {}).json()["passages"] == {"window": 180, "stride": 90}


@pytest.mark.parametrize(
    "passages",
    [{"window": 5}, {"window": 0}, {"stride": 0}, {"size": 5}, {"window": "5"}, "180/90"],
)
def test_what_splits_nothing_is_refused(client: TestClient, passages: Any) -> None:
    reply = make(client, passages)
    assert 400 <= reply.status_code < 500, reply.text
    assert client.get(PATH).json()["code"] == "collection_not_found"
