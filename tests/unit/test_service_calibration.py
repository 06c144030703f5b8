"""Calibrations over HTTP: judged queries go in, and searches can ask how relevant hits are."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lexmax.calibration import MIN_QUERIES
from lexmax.relevance import load_calibration
from lexmax.service import Settings, create_app, job_calibration
from lexmax.service.job_watch import JobWatch

PETS = "/v1/collections/pets"
PATIENCE_S = 120.0
N_TOPICS = 24


def service(folder: Path) -> TestClient:
    return TestClient(create_app(Settings(data=folder / "data", warm=())))


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with service(tmp_path) as client:
        client.put(PETS, json={"multivector": None}).raise_for_status()
        documents = [
            {"doc_id": f"d{i}", "text": f"topic{i % N_TOPICS} word{i % 7} common thing{i % 5}"}
            for i in range(4 * N_TOPICS)
        ]
        client.post(f"{PETS}/documents", json={"documents": documents}).raise_for_status()
        yield client


def order(**more: Any) -> dict[str, Any]:
    return {
        "queries": {f"q{i}": f"topic{i} common" for i in range(N_TOPICS)},
        "qrels": {
            f"q{i}": {f"d{j}": 1 for j in range(i, 4 * N_TOPICS, N_TOPICS)} for i in range(N_TOPICS)
        },
        **more,
    }


def ended(client: TestClient, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        job: dict[str, Any] = client.get(f"{PETS}/jobs/{job_id}").raise_for_status().json()
        if job["state"] not in ("queued", "running"):
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.02)


def started(client: TestClient, **more: Any) -> str:
    reply = client.post(f"{PETS}/calibrate", json=order(**more))
    assert reply.status_code == 202, reply.text
    job_id: str = reply.json()["job_id"]
    return job_id


def test_searches_can_ask_for_relevance_afterwards(client: TestClient, tmp_path: Path) -> None:
    asked = {"query": "topic3 common", "k": 60, "pipeline": "bm25", "min_relevance": 0.5}
    refused = client.post(f"{PETS}/search", json=asked)
    assert refused.status_code == 422
    job = ended(client, started(client, pipeline="bm25", precision=0.9, depth=60))
    assert (job["state"], job["error"], job["source"]["kind"]) == ("done", None, "calibration")
    made = job["calibration"]
    assert (made["name"], made["target"], made["pipeline"]) == ("default", "precision=0.9", "bm25")
    assert (made["n_queries"], made["n_without"]) == (N_TOPICS, 0)
    stored = load_calibration(tmp_path / "data" / "pets", "default")
    assert stored.threshold == pytest.approx(made["threshold"])
    found = client.post(f"{PETS}/search", json=asked).raise_for_status().json()
    assert 0 < len(found["hits"]) < 60
    assert all(hit["relevance"] >= 0.5 for hit in found["hits"])
    # What was sent is gone with the end of the job.
    left = sorted(path.suffix for path in (tmp_path / "data" / "pets" / "jobs").iterdir())
    assert left == [".json"]


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({"queries": {"q": "one"}}, 422, f"at least {MIN_QUERIES}"),
        ({"recall": 0.9, "precision": 0.5}, 422, "not both"),
        ({"recall": 0.0}, 422, "greater than 0"),
        ({"depth": 1_000_000}, 422, "expected at most"),
        ({"pipeline": "none"}, 422, "found no pipeline"),
        ({"name": "../up"}, 422, "name"),
        ({"unknown": 1}, 422, "unknown"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(
    client: TestClient, more: dict[str, Any], status: int, said: str
) -> None:
    reply = client.post(f"{PETS}/calibrate", json=order(**more))
    assert reply.status_code in (400, status), reply.text
    assert said in reply.text
    assert client.get(f"{PETS}/jobs").json() == {"jobs": []}


def test_judgements_that_teach_nothing_fail_the_job(client: TestClient) -> None:
    job = ended(client, started(client, qrels={f"q{i}": {"gone": 1} for i in range(N_TOPICS)}))
    assert job["state"] == "failed"
    assert f"expected at least {MIN_QUERIES}" in job["error"]["detail"]
    assert job["calibration"] is None
    assert client.post("/v1/collections/none/calibrate", json=order()).status_code == 404


def test_one_that_was_cancelled_writes_nothing_and_can_be_resumed(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = job_calibration._Watching.advance

    def cancelling(self: Any, stage: str, done: int, total: int) -> None:
        advance(self, stage, done, total)
        self._watch.cancel()

    with monkeypatch.context() as patched:
        patched.setattr(job_calibration._Watching, "advance", cancelling)
        job_id = started(client, form="raw")
        assert ended(client, job_id)["state"] == "cancelled"
    assert not (tmp_path / "data" / "pets" / "relevance").exists()
    client.post(f"{PETS}/jobs/{job_id}/resume").raise_for_status()
    job = ended(client, job_id)
    assert (job["state"], job["calibration"]["n_queries"]) == ("done", N_TOPICS)
    assert job["counts"]["bytes_read"] == job["source"]["bytes"]


def test_how_far_it_is_grows() -> None:
    from lexmax.service.job_runner import new_job
    from lexmax.service.jobs import JobSource

    watch = JobWatch(new_job(JobSource(kind="calibration", bytes=1000), 0))
    watching = job_calibration._Watching(watch)
    seen: list[int] = []
    for stage, done in (("search", 0), ("search", 5), ("search", 10), ("train", 0), ("train", 10)):
        watching.advance(stage, done, 10)
        seen.append(watch.job.counts.bytes_read)
    assert seen == [0, 250, 500, 500, 1000]


def test_a_calibration_that_is_missing_shows_no_path(client: TestClient, tmp_path: Path) -> None:
    reply = client.post(f"{PETS}/search", json={"query": "common", "min_relevance": 0.5})
    assert reply.status_code == 422
    assert "no calibration 'default'; found none" in reply.json()["detail"]
    assert str(tmp_path) not in reply.text
