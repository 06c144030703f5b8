"""Corpora that clients send: as files, as streams, as files of the service."""

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from lexmax.client import AsyncClient, Client, ClientError, Retries
from lexmax.client.ingestion import Events, Told
from lexmax.errors import InputError
from lexmax.types import Document

DOCUMENTS = [Document(f"d{i}", f"cat number {i}", metadata={"n": i}) for i in range(50)]


@pytest.fixture
def imports(tmp_path: Path) -> Path:
    (tmp_path / "imports").mkdir()
    lines = [json.dumps({"_id": one.doc_id, "text": one.text}) + "\n" for one in DOCUMENTS]
    (tmp_path / "imports" / "corpus.ndjson").write_text("".join(lines))
    (tmp_path / "sent.JSONL.gz").write_bytes(gzip.compress("".join(lines).encode()))
    return tmp_path / "imports"


@pytest.fixture
def pets(start: Callable[..., str], imports: Path) -> Iterator[Client]:
    with Client(start(import_dir=imports)) as client:
        client.create("pets", multivector=None, fields={"n": "integer"})
        yield client


def test_a_file_is_sent_and_followed(pets: Client, tmp_path: Path) -> None:
    job = pets.index_file("pets", tmp_path / "sent.JSONL.gz")
    assert job.is_live
    *_, last = pets.follow_job("pets", job.job_id)
    assert (last.state, last.read, last.stored.added, last.is_live) == ("done", 50, 50, False)
    assert last == pets.job("pets", job.job_id) == pets.jobs("pets")[0]
    assert list(pets.follow_job("pets", job.job_id)) == [last]
    assert len(pets.search("pets", "cat", 100).hits) == 50
    pets.remove_job("pets", job.job_id)
    assert pets.jobs("pets") == []


def test_a_file_of_the_service_is_indexed(pets: Client) -> None:
    job = pets.index_import("pets", "corpus.ndjson", max_rejects=3)
    *_, last = pets.follow_job("pets", job.job_id)
    assert (last.state, last.more["max_rejects"]) == ("done", 3)
    with pytest.raises(ClientError, match="job_ended"):
        pets.cancel_job("pets", job.job_id)
    with pytest.raises(ClientError, match="job_not_resumable"):
        pets.resume_job("pets", job.job_id)
    with pytest.raises(ClientError, match="import_not_found"):
        pets.index_import("pets", "none.jsonl")


def test_a_job_that_fails_says_why(pets: Client, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("nope\n")
    job = pets.index_file("pets", tmp_path / "bad", format="jsonl")
    *_, last = pets.follow_job("pets", job.job_id)
    assert (last.state, last.error_code, last.rejected) == ("failed", "corpus_unreadable", 1)
    assert last.rejects[0].line == 1
    with pytest.raises(InputError, match="no format in its name"):
        pets.index_file("pets", tmp_path / "bad")
    with pytest.raises(InputError, match="expected a file to send"):
        pets.index_file("pets", tmp_path / "none.jsonl")


def test_any_number_of_documents_is_streamed(pets: Client) -> None:
    found = pets.stream("pets", iter(DOCUMENTS * 100))
    stored = found.stored
    assert (stored.added, stored.unchanged, found.rejected) == (50, 4950, ())
    assert pets.stream("pets", []).stored.added == 0
    assert pets.get("pets", "d7") == DOCUMENTS[7]
    assert pets.stream("pets", [Document("late", "a late cat")], wait=False).stored.added == 1


def test_what_cannot_be_stored_ends_a_stream_or_is_told(pets: Client) -> None:
    bad = Document("bad", "cat", metadata={"n": "many"})
    given = [DOCUMENTS[0], bad, DOCUMENTS[1]]
    with pytest.raises(ClientError, match=r"1 lines were acknowledged") as raised:
        pets.stream("pets", given)
    assert (raised.value.code, raised.value.status) == ("line_rejected", 422)
    assert pets.get("pets", "d1") is None
    found = pets.stream("pets", given, on_error="skip")
    assert (found.stored.added, found.stored.unchanged) == (1, 1)
    assert [(one.line, one.code) for one in found.rejected] == [(2, "document_invalid")]
    with pytest.raises(ClientError, match="collection_not_found"):
        pets.stream("none", DOCUMENTS)
    with pytest.raises(InputError, match="JSON cannot"):
        pets.stream("pets", [Document("a", "a", metadata={"n": float("nan")})])


def test_all_of_it_can_be_awaited(pets: Client, tmp_path: Path) -> None:
    async def ask() -> None:
        async with AsyncClient(pets.address.url) as client:
            assert (await client.stream("pets", DOCUMENTS)).stored.added == 50
            job = await client.index_file("pets", tmp_path / "sent.JSONL.gz")
            told = [status async for status in client.follow_job("pets", job.job_id)]
            assert (told[-1].state, told[-1].read) == ("done", 50)
            again = await client.index_import("pets", "corpus.ndjson")
            async for status in client.follow_job("pets", again.job_id):
                job = status
            assert job == await client.job("pets", again.job_id)
            assert len(await client.jobs("pets")) == 2
            await client.remove_job("pets", job.job_id)
            for call in (client.cancel_job, client.resume_job):
                with pytest.raises(ClientError, match="job_not_found"):
                    await call("pets", job.job_id)

    asyncio.run(ask())


JOB = {
    "job_id": "j-1", "state": "running", "rejects": [], "error": None, "eta_seconds": None,
    "documents_per_second": None,
    "counts": dict.fromkeys(
        ("read", "added", "replaced", "unchanged", "rejected", "encoded", "seconds"), 0
    ),
}  # fmt: skip


def test_events_that_break_off_are_asked_for_again() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("last-event-id", ""))
        if len(asked) == 1:
            event = f"event: progress\nid: 7\ndata: {json.dumps(JOB)}\n\nevent: progress\nid"
            return httpx.Response(200, text=event)
        if len(asked) == 2:
            raise httpx.ReadError("broken")
        end = json.dumps(JOB | {"state": "done"})
        return httpx.Response(200, text=f": hello\n\nevent: end\nid: 9\ndata: {end}\n\n")

    retries = Retries(most=2, first_s=0.01)
    with Client(transport=httpx.MockTransport(answer), retries=retries) as client:
        assert [job.state for job in client.follow_job("a", "j-1")] == ["running", "done"]
    assert asked == ["", "7", "7"]


def test_events_that_never_end_are_given_up() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text=""))
    with (
        Client(transport=transport, retries=Retries(most=1, first_s=0.01)) as client,
        pytest.raises(ClientError, match="ended before the job"),
    ):
        list(client.follow_job("a", "j-1"))
    events = Events(last_id="3")
    assert events.begin()["last-event-id"] == "3"


def test_a_reply_that_ends_early_is_an_error() -> None:
    told = Told()
    told.line('{"line": 500, "added": 500, "replaced": 0, "unchanged": 0}')
    with pytest.raises(ClientError, match="500 lines were acknowledged"):
        told.result(httpx.Response(200))
