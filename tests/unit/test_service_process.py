"""A real server process on loopback, from its first line to exit code 0."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from lexmax.errors import InputError
from lexmax.service import Settings, serve
from lexmax.service.run import listen

START = [sys.executable, "-m", "lexmax.cli", "serve"]
PATIENCE_S = 120.0


@contextmanager
def server(data: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    process = subprocess.Popen(
        [*START, "--data", str(data), "--port", "0"],
        env={**os.environ, "LEXMAX_WARM": "[]", **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        listening = json.loads(process.stderr.readline())
        assert listening["event"] == "listening"
        address = f"http://{listening['host']}:{listening['port']}"
        with httpx.Client(base_url=address, timeout=PATIENCE_S, trust_env=False) as client:
            wait_until_ready(client)
            yield process, client
    finally:
        process.kill()
        process.communicate()


def wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if client.get("/ready").status_code == 200:
                return
        except httpx.ConnectError:
            pass
        time.sleep(0.05)
    raise AssertionError("the service did not become ready")


def stop(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    _, log = process.communicate(timeout=PATIENCE_S)
    return process.returncode, log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_stops_when_told(tmp_path: Path, number: signal.Signals) -> None:
    with server(tmp_path) as (process, client):
        client.put("/v1/collections/pets", json={"multivector": None}).raise_for_status()
        documents = [{"doc_id": "🐈/1", "text": "cat"}, {"doc_id": "a%2Fb", "text": "a cat too"}]
        stored = client.post("/v1/collections/pets/documents", json={"documents": documents})
        assert stored.json() == {"added": 2, "replaced": 0, "unchanged": 0}
        found = client.post("/v1/collections/pets/search", json={"query": "cat"}).json()
        assert [hit["doc_id"] for hit in found["hits"]] == ["🐈/1", "a%2Fb"]
        for doc_id in ("🐈/1", "a%2Fb"):
            path = f"/v1/collections/pets/documents/{quote(doc_id, safe='')}"
            assert client.get(path).json()["doc_id"] == doc_id
        code, log = stop(process, number)
    assert code == 0
    entries = [json.loads(line) for line in log.splitlines()]
    assert entries[-1]["event"] == "stopped"
    assert all("Traceback" not in line for line in log.splitlines())


def test_what_was_stored_outlives_a_kill(tmp_path: Path) -> None:
    documents = [{"doc_id": str(i), "text": f"cat number {i}"} for i in range(100)]
    with server(tmp_path) as (process, client):
        client.put("/v1/collections/pets", json={"multivector": None}).raise_for_status()
        client.post("/v1/collections/pets/documents", json={"documents": documents})
        process.kill()
        process.wait()
    with server(tmp_path) as (_, client):
        found = client.post("/v1/collections/pets/search", json={"query": "cat", "k": 1000})
        assert len(found.json()["hits"]) == 100


def test_a_large_body_is_answered_not_cut_off(tmp_path: Path) -> None:
    with server(tmp_path, LEXMAX_MAX_BODY_BYTES="2000000") as (_, client):
        client.put("/v1/collections/pets", json={"multivector": None}).raise_for_status()
        reply = client.post("/v1/collections/pets/search", json={"query": "a" * 5_000_000})
        assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")
        assert client.get("/health").status_code == 200


def test_a_running_request_is_finished_before_it_stops(tmp_path: Path) -> None:
    with server(tmp_path) as (process, client):
        client.put("/v1/collections/pets", json={"multivector": None}).raise_for_status()

        def slowly() -> Iterator[bytes]:
            yield b'{"documents": [{"doc_id": "late", '
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            yield b'"text": "cat"}]}'

        path = "/v1/collections/pets/documents"
        stored = client.post(path, content=slowly(), headers={"content-type": "application/json"})
        assert stored.json() == {"added": 1, "replaced": 0, "unchanged": 0}
        assert process.wait(PATIENCE_S) == 0


def test_a_client_that_leaves_is_no_failure(tmp_path: Path) -> None:
    with server(tmp_path) as (process, client):
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as leaving:
            leaving.sendall(
                b"POST /v1/rerank HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
                b'content-length: 100\r\n\r\n{"query": '
            )
            time.sleep(0.2)
        client.get("/health").raise_for_status()
        code, log = stop(process, signal.SIGTERM)
    assert code == 0
    entries = [json.loads(line) for line in log.splitlines()]
    assert [entry["status"] for entry in entries if entry.get("route") == "/v1/rerank"] == [499]
    assert not any(entry["level"] == "error" for entry in entries)


def test_a_port_in_use_is_an_error_that_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} on 127.0.0.1 is in use"):
            serve(Settings(data=tmp_path, port=port, warm=()))


def test_replies_are_not_held_back() -> None:
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_a_foreign_address_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be listened on"):
        serve(Settings(data=tmp_path, host="192.0.2.1", port=0, warm=()))
