"""Jobs over HTTP: a corpus from a file of the service, or one that is sent."""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from fastapi import FastAPI
from starlette.testclient import TestClient

from lexmax.service import Settings, create_app, job_runner
from lexmax.service.job_watch import JobWatch
from lexmax.service.parts import Service

PETS = "/v1/collections/pets"
JOBS = f"{PETS}/jobs"
PATIENCE_S = 60.0
LINES = "".join(json.dumps({"_id": f"d{i}", "text": f"cat number {i}"}) + "\n" for i in range(30))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "imports").mkdir()
    (tmp_path / "imports" / "corpus.jsonl").write_text(LINES)
    return tmp_path


def service(folder: Path, **settings: Any) -> TestClient:
    given = {"data": folder / "data", "warm": (), "import_dir": folder / "imports"}
    return TestClient(create_app(Settings(**(given | settings))))


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with service(folder) as client:
        client.put(PETS, json={"multivector": None}).raise_for_status()
        yield client


def ended(client: TestClient, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        job: dict[str, Any] = client.get(f"{JOBS}/{job_id}").raise_for_status().json()
        if job["state"] not in ("queued", "running"):
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.01)


def started(client: TestClient, **body: Any) -> str:
    reply = client.post(JOBS, json={"path": "corpus.jsonl"} | body)
    assert reply.status_code == 202, reply.text
    job_id: str = reply.json()["job_id"]
    return job_id


def uploaded(client: TestClient, content: bytes, format: str, **params: Any) -> str:
    reply = client.post(
        f"{JOBS}/upload",
        params={"format": format, **params},
        content=content,
        headers={"content-type": "application/octet-stream"},
    )
    assert reply.status_code == 202, reply.text
    job_id: str = reply.json()["job_id"]
    return job_id


def n_found(client: TestClient) -> int:
    found = client.post(f"{PETS}/search", json={"query": "cat", "k": 1000}).raise_for_status()
    return len(found.json()["hits"])


def test_a_file_of_the_service_is_indexed(client: TestClient, folder: Path) -> None:
    job = ended(client, started(client))
    assert (job["state"], job["error"], job["eta_seconds"]) == ("done", None, None)
    counts = {name: job["counts"][name] for name in ("read", "added", "rejected", "encoded")}
    assert counts == {"read": 30, "added": 30, "rejected": 0, "encoded": 30}
    assert job["counts"]["bytes_read"] == job["source"]["bytes"] == len(LINES)
    assert job["source"]["path"] == "corpus.jsonl"
    assert job["created_at"] <= job["started_at"] <= job["ended_at"]
    assert n_found(client) == 30
    again = ended(client, started(client))
    assert (again["counts"]["unchanged"], again["counts"]["added"]) == (30, 0)
    listed = client.get(JOBS).json()["jobs"]
    assert [one["job_id"] for one in listed] == [again["job_id"], job["job_id"]]


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("jsonl", LINES.encode()),
        ("jsonl.gz", gzip.compress(LINES.encode())),
        ("jsonl.zst", zstandard.compress(LINES.encode())),
        ("tsv", b"".join(b"d%d\tcat %d\n" % (i, i) for i in range(30))),
    ],
)
def test_a_file_that_is_sent_is_indexed(
    client: TestClient, folder: Path, format: str, content: bytes
) -> None:
    job = ended(client, uploaded(client, content, format))
    assert (job["state"], job["counts"]["added"]) == ("done", 30)
    assert (job["source"]["kind"], job["source"]["bytes"]) == ("upload", len(content))
    assert n_found(client) == 30
    left = [path.name for path in (folder / "data" / "pets" / "jobs").iterdir()]
    assert left == [f"{job['job_id']}.json"]
    assert not list((folder / "data").glob(".upload-*"))


def test_lines_that_give_no_document_are_told(client: TestClient) -> None:
    content = LINES.encode() + b'nope\n{"_id": "x"}\n'
    job = ended(client, uploaded(client, content, "jsonl"))
    assert (job["state"], job["counts"]["rejected"]) == ("done", 2)
    assert [one["line_number"] for one in job["rejects"]] == [31, 32]
    job = ended(client, uploaded(client, content, "jsonl", max_rejects=1))
    assert (job["state"], job["error"]["code"]) == ("failed", "corpus_unreadable")
    assert "found 2 entries that cannot be stored" in job["error"]["detail"]
    assert job["counts"]["rejected"] == 2


@pytest.mark.parametrize(
    ("content", "format", "found"),
    [
        (gzip.compress(LINES.encode())[:-20], "jsonl.gz", "ends early"),
        (b"", "jsonl", "found no document"),
        (b"\x1f\x8b nothing", "jsonl.gz", "cannot be read"),
    ],
)
def test_a_corpus_that_cannot_be_read_fails_its_job(
    client: TestClient, folder: Path, content: bytes, format: str, found: str
) -> None:
    job = ended(client, uploaded(client, content, format))
    assert (job["state"], job["error"]["code"]) == ("failed", "corpus_unreadable")
    assert found in job["error"]["detail"]
    assert str(folder) not in json.dumps(job)
    again = client.post(f"{JOBS}/{job['job_id']}/resume")
    assert (again.status_code, again.json()["error"]) == (202, None)
    assert ended(client, job["job_id"])["state"] == "failed"
    assert client.delete(f"{JOBS}/{job['job_id']}").status_code == 204
    assert client.get(f"{JOBS}/{job['job_id']}").json()["code"] == "job_not_found"
    assert list((folder / "data" / "pets" / "jobs").iterdir()) == []


def test_what_cannot_be_sent_leaves_nothing(folder: Path) -> None:
    with service(folder, max_upload_bytes=100) as client:
        client.put(PETS, json={"multivector": None})

        def refused(content: Any, **headers: str) -> str:
            kind = {"content-type": "application/gzip"} | headers
            reply = client.post(f"{JOBS}/upload", content=content, headers=kind)
            return str(reply.json()["code"])

        assert refused(b"a" * 101) == "body_too_large"
        assert refused(iter([b"a" * 60] * 2)) == "body_too_large"
        for kind in ("text/plain", "application/json", "multipart/form-data"):
            assert refused(b"a", **{"content-type": kind}) == "unsupported_media_type"
        assert refused(b"a", **{"content-encoding": "gzip"}) == "unsupported_media_type"
        missing = "/v1/collections/none/jobs/upload"
        sent = {"content-type": "application/gzip"}
        assert client.post(missing, content=b"a", headers=sent).status_code == 404
        assert client.get(JOBS).json() == {"jobs": []}
        assert not list((folder / "data").glob(".upload-*"))


def test_refusals_have_codes(client: TestClient, folder: Path) -> None:
    def code(reply: Any) -> tuple[int, str]:
        return reply.status_code, reply.json()["code"]

    assert code(client.post(JOBS, json={"path": "../x.jsonl"})) == (422, "import_refused")
    assert code(client.post(JOBS, json={"path": "none.jsonl"})) == (404, "import_not_found")
    assert code(client.post(JOBS, json={"path": "a", "b": 1})) == (422, "invalid_request")
    missing = "j-" + "0" * 24
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/resume")):
        reply = client.request(method, f"{JOBS}/{missing}{path}")
        assert code(reply) == (404, "job_not_found"), path
    assert code(client.get(f"{JOBS}/nonsense")) == (422, "invalid_request")
    done = ended(client, started(client))["job_id"]
    assert code(client.post(f"{JOBS}/{done}/cancel")) == (409, "job_ended")
    assert code(client.post(f"{JOBS}/{done}/resume")) == (409, "job_not_resumable")
    assert code(client.get("/v1/collections/none/jobs")) == (404, "collection_not_found")
    with service(folder, import_dir=None) as without:
        reply = without.post(JOBS, json={"path": "corpus.jsonl"})
        assert code(reply) == (403, "imports_disabled")
    with service(folder, read_only=True) as reader:
        for path in ("", "/upload", f"/{done}/cancel", f"/{done}/resume"):
            assert code(reader.post(f"{JOBS}{path}", json={"path": "a"})) == (403, "read_only")
        assert reader.get(f"{JOBS}/{done}").json()["state"] == "done"


class Held:
    """Stands in the place of the work: each job waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self.go_on = threading.Event()
        monkeypatch.setattr(job_runner, "run_job", self._run)

    def _run(self, collection: Any, source: Path, watch: JobWatch, **more: Any) -> None:
        self.begun.append(collection.path.name)
        while not self.go_on.wait(0.005):
            watch.require_going_on()

    def wait_for(self, *names: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.begun != list(names):
            assert time.monotonic() < deadline, self.begun
            time.sleep(0.005)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    return Held(monkeypatch)


def state(client: TestClient, name: str, job_id: str) -> str:
    found: str = client.get(f"/v1/collections/{name}/jobs/{job_id}").json()["state"]
    return found


def test_of_a_collection_one_job_runs_and_so_many_in_all(folder: Path, held: Held) -> None:
    with service(folder, max_jobs=2, job_queue=3) as client:
        jobs: list[tuple[str, str]] = []
        for name in ("a", "a", "b", "c"):
            client.put(f"/v1/collections/{name}", json={"multivector": None})
            reply = client.post(f"/v1/collections/{name}/jobs", json={"path": "corpus.jsonl"})
            jobs.append((name, reply.json()["job_id"]))
        held.wait_for("a", "b")
        assert [state(client, *job) for job in jobs] == ["running", "queued", "running", "queued"]
        more = client.post("/v1/collections/c/jobs", json={"path": "corpus.jsonl"})
        assert more.status_code == 202
        full = client.post("/v1/collections/c/jobs", json={"path": "corpus.jsonl"})
        assert (full.status_code, full.json()["code"]) == (503, "jobs_full")
        assert full.headers["retry-after"]
        # One that waits is cancelled at once, and makes room.
        waiting = f"/v1/collections/a/jobs/{jobs[1][1]}"
        assert client.post(f"{waiting}/cancel").json()["state"] == "cancelled"
        assert client.post(f"{waiting}/cancel").json()["state"] == "cancelled"
        assert client.delete(waiting).status_code == 204
        held.go_on.set()
        deadline = time.monotonic() + PATIENCE_S
        while state(client, "c", more.json()["job_id"]) != "done":
            assert time.monotonic() < deadline
        assert held.begun == ["a", "b", "c", "c"]


def test_a_running_job_is_cancelled_and_goes_on(client: TestClient, held: Held) -> None:
    job_id = started(client)
    held.wait_for("pets")
    for reply in (client.delete(PETS), client.delete(f"{JOBS}/{job_id}")):
        assert (reply.status_code, reply.json()["code"]) == (409, "job_running")
    told = client.post(f"{JOBS}/{job_id}/cancel").json()
    assert (told["state"], told["cancelling"]) == ("running", True)
    job = ended(client, job_id)
    assert (job["state"], job["cancelling"]) == ("cancelled", False)
    held.go_on.set()
    assert client.post(f"{JOBS}/{job_id}/resume").status_code == 202
    assert ended(client, job_id)["state"] == "done"
    assert client.delete(PETS).status_code == 204


def test_the_end_of_the_service_interrupts_and_the_next_one_goes_on(
    folder: Path, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service(folder) as client:
        client.put(PETS, json={"multivector": None})
        running, waiting = started(client), started(client)
        held.wait_for("pets")
    monkeypatch.undo()
    with service(folder) as client:
        assert [state(client, "pets", one) for one in (running, waiting)] == ["interrupted"] * 2
        for one in (running, waiting):
            client.post(f"{JOBS}/{one}/resume").raise_for_status()
        assert [ended(client, one)["state"] for one in (running, waiting)] == ["done"] * 2
        assert n_found(client) == 30


def test_what_ran_when_the_process_was_killed_is_interrupted(
    client: TestClient, folder: Path
) -> None:
    job = ended(client, started(client))
    path = folder / "data" / "pets" / "jobs" / f"{job['job_id']}.json"
    path.write_text(json.dumps(job | {"state": "running", "ended_at": None}))
    assert state(client, "pets", job["job_id"]) == "interrupted"
    with service(folder, read_only=True) as reader:  # only who writes knows
        assert state(reader, "pets", job["job_id"]) == "running"
    client.post(f"{JOBS}/{job['job_id']}/resume").raise_for_status()
    assert ended(client, job["job_id"])["state"] == "done"


def events(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    found: list[tuple[str, str, dict[str, Any]]] = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] != ":")
        if fields:
            found.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return found


def test_a_job_is_followed_to_its_end(client: TestClient, held: Held) -> None:
    job_id = started(client)
    held.wait_for("pets")
    threading.Timer(0.6, held.go_on.set).start()
    reply = client.get(f"{JOBS}/{job_id}/events")
    assert reply.headers["content-type"].startswith("text/event-stream")
    told = events(reply.text)
    assert [name for name, _, _ in told] == ["progress", "end"]
    assert [job["state"] for _, _, job in told] == ["running", "done"]
    last = told[-1][1]
    assert int(last) == told[-1][2]["version"]
    # Who was told the end is told nothing more; who was not is told it at once.
    again = client.get(f"{JOBS}/{job_id}/events", headers={"last-event-id": last})
    assert (again.status_code, again.content) == (204, b"")
    late = client.get(f"{JOBS}/{job_id}/events", headers={"last-event-id": told[0][1]})
    assert events(late.text) == [told[-1]]


def test_only_so_many_follow(folder: Path) -> None:
    with service(folder, max_job_listeners=1) as client:
        client.put(PETS, json={"multivector": None})
        job_id = started(client)
        ended(client, job_id)
        app = client.app
        assert isinstance(app, FastAPI)
        parts: Service = app.state.service
        with parts.job_listeners.taken_by_one():
            reply = client.get(f"{JOBS}/{job_id}/events")
        assert (reply.status_code, reply.json()["code"]) == (503, "overloaded")
        assert client.get(f"{JOBS}/{job_id}/events").status_code == 200
        assert parts.job_listeners.taken == 0
