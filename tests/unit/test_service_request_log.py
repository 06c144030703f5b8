import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lexmax.collection import Collection
from lexmax.service import Settings, create_app
from lexmax.service.logs import make_log

CANARY = "quetzal"


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def client(tmp_path: Path, written: io.StringIO) -> Iterator[TestClient]:
    app = create_app(Settings(data=tmp_path, warm=()), log=make_log("info", written))
    with TestClient(app) as client:
        client.put("/v1/collections/pets", json={"multivector": None}).raise_for_status()
        yield client


def lines(written: io.StringIO, last: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()[-last:]]


def test_one_line_a_request(client: TestClient, written: io.StringIO) -> None:
    client.get("/v1/collections/pets", headers={"x-request-id": "mine-1"})
    client.get("/v1/collections/none/documents/secret-id")
    first, second = lines(written, 2)
    assert first["event"] == "request"
    assert first["request_id"] == "mine-1"
    assert first["route"] == "/v1/collections/{name}"
    assert (first["method"], first["status"]) == ("GET", 200)
    assert first["ms"] > 0
    assert second["route"] == "/v1/collections/{name}/documents/{doc_id:path}"
    assert (second["status"], second["code"]) == (404, "collection_not_found")


@pytest.mark.parametrize("sent", ["", "a b", "é", "a" * 65, 'a"b'])
def test_an_odd_request_id_is_replaced(client: TestClient, sent: str) -> None:
    reply = client.get("/health", headers=[(b"x-request-id", sent.encode())])
    assert len(reply.headers["x-request-id"]) == 32


def test_texts_and_ids_are_in_no_log_and_no_metric(
    client: TestClient, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = "/v1/collections/pets/documents"
    document = {"doc_id": CANARY, "text": CANARY, "title": CANARY, "metadata": {CANARY: CANARY}}
    client.post(documents, json={"documents": [document]}).raise_for_status()
    client.get(f"{documents}/{CANARY}").raise_for_status()
    search = "/v1/collections/pets/search"
    client.post(search, json={"query": CANARY}).raise_for_status()
    client.post(search, json={"query": "?", "pipeline": CANARY})
    client.post(search, json={CANARY: CANARY})
    client.post(documents, json={"documents": [document | {"doc_id": f"{CANARY}\n"}]})
    client.get(f"/{CANARY}?{CANARY}={CANARY}")
    client.request(CANARY.upper(), "/health")
    monkeypatch.setattr(Collection, "search", crash)
    client.post(search, json={"query": CANARY})
    logged = written.getvalue()
    assert logged.count('"event":"request"') == 10
    assert CANARY not in logged.lower()
    assert CANARY not in client.get("/metrics").text.lower()


def crash(_: Collection, query: str, *_args: Any, **_more: Any) -> None:
    raise RuntimeError(f"cannot answer {query}")


def test_a_crash_is_a_problem_reply_and_one_entry(
    client: TestClient, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Collection, "search", crash)
    reply = client.post("/v1/collections/pets/search", json={"query": CANARY})
    assert reply.status_code == 500
    assert reply.json()["code"] == "internal_error"
    assert CANARY not in reply.text
    assert "RuntimeError" not in reply.text
    entry, request = lines(written, 2)
    assert entry["event"] == "crash"
    assert entry["error"] == "RuntimeError"
    assert any("crash" in place for place in entry["places"])
    assert entry["request_id"] == request["request_id"] == reply.headers["x-request-id"]
    assert request["code"] == "internal_error"


def test_a_damaged_folder_is_logged_with_its_path(
    client: TestClient, written: io.StringIO, tmp_path: Path
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "catalog.sqlite").write_bytes(b"no database" * 100)
    assert client.get("/v1/collections/broken").status_code == 500
    assert str(tmp_path / "broken") in lines(written, 2)[0]["found"]
