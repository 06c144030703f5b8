import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lexmax.collection import Collection
from lexmax.errors import CorruptionError
from lexmax.service import Settings, create_app
from lexmax.service.measured import resident_bytes
from lexmax.service.status_report import shown


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data=tmp_path, warm=()))) as client:
        while client.get("/ready").status_code == 503:
            pass
        client.put("/v1/collections/pets", json={"multivector": None}).raise_for_status()
        documents = [{"doc_id": str(i), "text": f"cat {i}"} for i in range(3)]
        path = "/v1/collections/pets/documents"
        client.post(path, json={"documents": documents}).raise_for_status()
        yield client


def test_a_person_sees_how_it_is(client: TestClient) -> None:
    reply = client.get("/v1/status")
    assert reply.text.count("\n") > 20  # one value a line
    said = reply.json()
    assert said["status"] == "ready"
    assert said["uptime_seconds"] >= 0
    assert said["memory_bytes"] > 1_000_000
    assert said["requests"] == 0
    assert said["asks_for_keys"] is False
    assert set(said["lanes"]) == {"search", "write", "encode"}
    assert said["lanes"]["search"]["places"] == 16
    assert said["encoders"] == ["bm25?k1=0.9&b=0.4&stop_words=english"]
    (pets,) = said["collections"]
    assert pets["name"] == "pets"
    assert (pets["documents"], pets["pending"], pets["segments"]) == (3, 3, 0)
    assert pets["generation"] > 0
    assert pets["bytes"] > 0


def test_metrics_say_it_too(client: TestClient) -> None:
    client.post("/v1/collections/pets/search", json={"query": "cat"}).raise_for_status()
    lines = client.get("/metrics").text.splitlines()
    assert 'lexmax_collection_documents{collection="pets"} 3.0' in lines
    assert 'lexmax_collection_pending{collection="pets"} 3.0' in lines
    assert 'lexmax_waiting{lane="search"} 0.0' in lines
    assert 'lexmax_running{lane="write"} 0.0' in lines
    assert 'lexmax_waited_seconds_count{lane="write"} 2.0' in lines
    assert "lexmax_ready 1.0" in lines
    assert "lexmax_requests_in_flight 0.0" in lines
    assert any(line.startswith("process_resident_memory_bytes") for line in lines)


def test_a_collection_that_fails_is_left_out(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(_: Collection) -> None:
        raise CorruptionError("a byte is wrong")

    monkeypatch.setattr(Collection, "describe", damaged)
    assert client.get("/v1/status").json()["collections"] == []
    metrics = client.get("/metrics")
    assert metrics.status_code == 200
    assert 'collection="pets"' not in metrics.text


def test_labels_do_not_grow_with_collections(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"c{i:03}" for i in range(300)]
    monkeypatch.setattr("lexmax.service.measured._MOST_COLLECTIONS", 2)
    for name in names[:3]:
        client.put(f"/v1/collections/{name}", json={"multivector": None}).raise_for_status()
    seen = {one["name"] for one in client.get("/v1/status").json()["collections"]}
    assert seen == {"c000", "c001"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("bm25", "bm25"),
        ("minilm?max_tokens=64", "minilm?max_tokens=64"),
        ("colbert:/models/mine/colbertv2", "colbert:colbertv2"),
        ("colbert:/models/colbertv2?pool=ward&factor=2", "colbert:colbertv2?pool=ward&factor=2"),
    ],
)
def test_the_machines_folders_are_not_shown(spec: str, expected: str) -> None:
    assert shown(spec) == expected


def test_memory_is_that_of_this_process() -> None:
    assert 1_000_000 < resident_bytes() < 100_000_000_000
    assert json.dumps(resident_bytes()).isdigit()
