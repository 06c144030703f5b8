from pathlib import Path

import pytest

from lexmax.service import job_store
from lexmax.service.job_runner import new_job
from lexmax.service.job_store import JobStore
from lexmax.service.jobs import Job, JobSource, JobState

UPLOAD = JobSource(kind="upload", format="jsonl.gz", bytes=3)


def made(state: JobState = JobState.DONE) -> Job:
    return new_job(UPLOAD, 10).model_copy(update={"state": state})


def test_what_was_saved_is_read_the_newest_first(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    assert store.jobs() == []
    jobs = [made() for _ in range(3)]
    for job in jobs:
        store.save(job)
    later = sorted(jobs, key=lambda job: job.job_id, reverse=True)
    assert store.jobs() == later
    changed = later[0].model_copy(update={"state": JobState.FAILED, "version": 7})
    store.save(changed)
    assert store.job(changed.job_id) == changed


def test_no_id_leads_elsewhere(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "collection")
    store.collection.mkdir()
    store.save(made())
    (tmp_path / "secret.json").write_text(made().model_dump_json())
    for job_id in ("../../secret", "j-", "j-zz", "", "j-" + "0" * 24):
        assert store.job(job_id) is None


def test_a_file_that_is_no_job_is_passed_over(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    job = made()
    store.save(job)
    (store.folder / f"j-{'1' * 24}.json").write_text("{")
    (store.folder / f"{job.job_id}.json.tmp").write_text("{")
    assert store.jobs() == [job]


def test_a_file_that_was_sent_lies_beside_its_job_until_it_is_done(tmp_path: Path) -> None:
    store, job = JobStore(tmp_path / "collection"), made()
    store.collection.mkdir()
    sent = tmp_path / "sent"
    sent.write_bytes(b"abc")
    store.keep(sent, job)
    store.save(job)
    assert (store.upload(job).read_bytes(), sent.exists()) == (b"abc", False)
    store.drop_upload(job)
    assert not store.upload(job).exists()
    store.remove(job.job_id)
    assert list(store.folder.iterdir()) == []


def test_the_oldest_ended_jobs_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_store, "_MOST_KEPT", 2)
    store = JobStore(tmp_path)
    live = made(JobState.RUNNING)
    jobs = [live, *(made() for _ in range(4))]
    for n, job in enumerate(jobs):
        store.save(job.model_copy(update={"job_id": f"j-{n:024x}"}))
    store.prune()
    assert [job.job_id[-1] for job in store.jobs()] == ["4", "3", "0"]
