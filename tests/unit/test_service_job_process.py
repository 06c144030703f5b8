"""Jobs of a real process: killed, stopped and started again, no document is lost or there twice."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from lexmax.client import Client
from lexmax.index.verification import verify

PATIENCE_S = 120.0
N_DOCS = 6000
JOBS = "/v1/collections/pets/jobs"


@contextmanager
def server(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Client]]:
    settings = {"LEXMAX_WARM": "[]", "LEXMAX_IMPORT_DIR": str(folder / "imports")}
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "lexmax.cli",
            "serve",
            "--data",
            str(folder / "data"),
            "--port",
            "0",
        ],
        env={**os.environ, **settings, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    stderr = process.stderr
    reading = threading.Thread(target=stderr.read, daemon=True)
    try:
        listening = json.loads(stderr.readline())
        reading.start()
        with Client(f"http://127.0.0.1:{listening['port']}") as client:
            wait_until_ready(client)
            yield process, client
    finally:
        process.kill()
        process.wait()
        if reading.ident is not None:
            reading.join()
        stderr.close()


def wait_until_ready(client: Client) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while httpx.get(f"{client.address.base}/ready", trust_env=False).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "imports").mkdir()
    with (tmp_path / "imports" / "corpus.jsonl").open("w") as file:
        for i in range(N_DOCS):
            # Every hundredth comes a second time, with another text.
            doc_id = i - 50 if i % 100 == 99 else i
            text = f"cat number {i} " + " ".join(f"w{(i * j) % 97}" for j in range(20))
            file.write(json.dumps({"_id": f"d{doc_id}", "text": text}) + "\n")
    return tmp_path


def wait_for_documents(client: Client, job_id: str, n: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (job := client.job("pets", job_id)).read < n and job.is_live:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def all_found(client: Client) -> list[str]:
    return [hit.doc_id for hit in client.search("pets", "cat", 10_000).hits]


EXPECTED = sorted(f"d{i}" for i in range(N_DOCS) if i % 100 != 99)


def require_whole(client: Client, folder: Path) -> None:
    assert sorted(all_found(client)) == EXPECTED
    later = client.get("pets", "d49")
    assert later is not None
    assert later.text.startswith("cat number 99 ")
    assert client.describe("pets").n_docs == len(EXPECTED)


@pytest.mark.parametrize("sent", [False, True])
def test_a_killed_service_goes_on_with_its_job(folder: Path, sent: bool) -> None:
    job_id, kills, read = "", 0, 0
    for wait_for in (0, 1, 2500):
        with server(folder) as (process, client):
            if not job_id:
                client.create("pets", multivector=None)
                corpus = folder / "imports" / "corpus.jsonl"
                job = client.index_file("pets", corpus) if sent else None
                job = job or client.index_import("pets", "corpus.jsonl")
                job_id = job.job_id
            else:
                job = client.job("pets", job_id)
                assert job.state == "interrupted"
                assert job.read >= read
                read = job.read
                client.resume_job("pets", job_id)
            wait_for_documents(client, job_id, wait_for)
            kills += client.job("pets", job_id).is_live
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert kills >= 2, "the job ended before it could be killed"
    with server(folder) as (process, client):
        if client.job("pets", job_id).state == "interrupted":
            client.resume_job("pets", job_id)
        *_, last = client.follow_job("pets", job_id)
        assert (last.state, last.error, last.read) == ("done", "", N_DOCS)
        require_whole(client, folder)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert verify(folder / "data" / "pets").problems == ()


def test_a_stopped_service_goes_on_and_writes_meanwhile_are_kept(folder: Path) -> None:
    with server(folder) as (process, client):
        client.create("pets", multivector=None)
        job_id = client.index_import("pets", "corpus.jsonl").job_id
        wait_for_documents(client, job_id, 1)
        mine: list[dict[str, Any]] = [{"doc_id": "mine", "text": "zebra"}]
        reply = httpx.post(
            f"{client.address.base}/v1/collections/pets/documents",
            json={"documents": mine},
            trust_env=False,
        )
        assert reply.json()["added"] == 1
        assert [hit.doc_id for hit in client.search("pets", "zebra").hits] == ["mine"]
        assert client.job("pets", job_id).is_live
        followed = client.follow_job("pets", job_id)
        next(followed)
        process.send_signal(signal.SIGTERM)
        *_, last = followed
        assert last.state == "interrupted"
        assert process.wait(PATIENCE_S) == 0
    with server(folder) as (_, client):
        assert client.job("pets", job_id).state == "interrupted"
        assert [hit.doc_id for hit in client.search("pets", "zebra").hits] == ["mine"]
        client.resume_job("pets", job_id)
        *_, last = client.follow_job("pets", job_id)
        assert last.state == "done"
        assert client.delete("pets", ["mine"]) == 1
        require_whole(client, folder)


def test_what_a_stream_acknowledged_outlives_a_kill(folder: Path) -> None:
    with server(folder) as (process, client):
        client.create("pets", multivector=None)
        port = int(client.address.base.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.settimeout(PATIENCE_S)
            connection.sendall(
                b"POST /v1/collections/pets/documents HTTP/1.1\r\nhost: a\r\n"
                b"content-type: application/x-ndjson\r\ncontent-length: 100000000\r\n\r\n"
            )
            acknowledged, reply, n_sent = 0, b"", 0
            while acknowledged < 2000:
                lines = (f'{{"doc_id": "d{n_sent + i}", "text": "cat"}}\n' for i in range(700))
                connection.sendall("".join(lines).encode())
                n_sent += 700
                while b'"line"' not in reply:
                    reply += connection.recv(65536)
                acknowledged = max(int(n) for n in re.findall(rb'"line":(\d+)', reply))
                reply = b""
            process.send_signal(signal.SIGKILL)
    with server(folder) as (_, client):
        found = all_found(client)
        # Batches are stored in order and whole.
        assert acknowledged <= len(found) <= n_sent
        assert sorted(found) == sorted(f"d{i}" for i in range(len(found)))
