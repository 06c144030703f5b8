"""Streams of documents, spoken to as uvicorn does: body and reply at the same time."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message

from lexmax.errors import DiskFullError
from lexmax.index.document_rows import UpsertCount
from lexmax.service import Settings, create_app, document_stream
from lexmax.service.document_stream import _Replies  # pyright: ignore[reportPrivateUsage]
from lexmax.service.parts import Service
from lexmax.writing import Writer

PATIENCE_S = 60.0
PETS = "/v1/collections/pets"
DOCUMENTS = f"{PETS}/documents"


def line(doc_id: int | str, text: str = "a cat") -> bytes:
    return json.dumps({"doc_id": str(doc_id), "text": text}).encode() + b"\n"


class Client:
    """One request that sends when it is told to, and reads what comes."""

    def __init__(
        self, app: FastAPI, path: str = DOCUMENTS, *, method: str = "POST", query: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        kind = {"host": "a", "content-type": "application/x-ndjson"} | (headers or {})
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in kind.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self.status, self.content = 0, b""
        self.ended = False
        self._task = asyncio.create_task(app(self._scope, self._messages.get, self._send))

    def send(self, *pieces: bytes, more: bool = True) -> None:
        for piece in pieces:
            self._messages.put_nowait({"type": "http.request", "body": piece, "more_body": True})
        if not more:
            self._messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    def leave(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.content += message.get("body", b"")
            self.ended = not message.get("more_body", False)

    @property
    def said(self) -> list[dict[str, Any]]:
        return [json.loads(one) for one in self.content.splitlines()]

    async def until(self, is_true: Callable[[], bool]) -> None:
        while not is_true():
            assert not self._task.done(), self.content
            await asyncio.sleep(0.002)

    async def end(self) -> list[dict[str, Any]]:
        await self._task
        return self.said


async def asked(app: FastAPI, method: str, path: str, **body: Any) -> dict[str, Any]:
    client = Client(app, path, method=method, headers={"content-type": "application/json"})
    client.send(json.dumps(body).encode() if body else b"", more=False)
    await client.end()
    found: dict[str, Any] = json.loads(client.content)
    return found


async def doc_ids(app: FastAPI, query: str = "cat") -> list[str]:
    found = await asked(app, "POST", f"{PETS}/search", query=query, k=2000)
    return sorted(hit["doc_id"] for hit in found["hits"])


def played(
    folder: Path, scene: Callable[[FastAPI, Service], Coroutine[Any, Any, None]], **settings: Any
) -> None:
    app = create_app(Settings(data=folder, warm=(), **settings))

    async def opened() -> None:
        async with app.router.lifespan_context(app):
            service: Service = app.state.service
            while service.readiness.missing:
                await asyncio.sleep(0.001)
            await asked(app, "PUT", PETS, multivector=None)
            await scene(app, service)
            assert (service.document_streams.taken, service.in_flight.bytes) == (0, 0)
            assert service.in_flight.requests == 0

    asyncio.run(asyncio.wait_for(opened(), PATIENCE_S))


def test_what_is_acknowledged_is_found_while_more_is_sent(tmp_path: Path) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        client = Client(app)
        client.send(line(1), line(2)[:9])
        await client.until(lambda: client.said == [counts(1, added=1)])
        assert await doc_ids(app) == ["1"]
        client.send(line(2)[9:], b"\n \r\n", line(1), line(1, "a dog"))
        await client.until(lambda: len(client.said) == 2)
        assert await doc_ids(app) == ["2"]
        client.send(line(7).rstrip(), more=False)
        said = await client.end()
        assert (client.status, client.ended) == (200, True)
        assert [one["line"] for one in said[:-1]] == [1, 6, 7]
        assert said[-1] == {"done": True, "rejected": 0} | totals(added=3, replaced=1, unchanged=1)

    played(tmp_path, scene)


def totals(*, added: int = 0, replaced: int = 0, unchanged: int = 0) -> dict[str, Any]:
    return {"added": added, "replaced": replaced, "unchanged": unchanged}


def counts(last: int, **counted: int) -> dict[str, Any]:
    return {"line": last} | totals(**counted)


def test_many_lines_are_committed_in_batches(tmp_path: Path) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        client = Client(app)
        client.send(b"".join(line(i) for i in range(1, 1201)), more=False)
        said = await client.end()
        assert said[:-1] == [
            counts(500, added=500),
            counts(1000, added=500),
            counts(1200, added=200),
        ]
        assert len(await doc_ids(app)) == 1200

    played(tmp_path, scene)


def test_who_leaves_keeps_what_was_acknowledged_and_nothing_half(tmp_path: Path) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        client = Client(app)
        client.send(line(1))
        await client.until(lambda: len(client.said) == 1)
        client.send(line(2)[:-1])
        client.leave()
        await client.end()
        assert await doc_ids(app) == ["1"]
        early = Client(app)
        early.send(line(3))
        early.leave()
        await early.end()
        assert early.status == 499
        assert await doc_ids(app) == ["1"]

    played(tmp_path, scene)


@pytest.mark.parametrize("begun", [False, True])
def test_who_sends_nothing_is_not_waited_for(tmp_path: Path, begun: bool) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        client = Client(app)
        client.send(line(1) if begun else b"{")
        said = await client.end()
        if begun:
            assert said[0] == counts(1, added=1)
            assert (said[1]["done"], said[1]["error"]["code"]) == (False, "body_timeout")
        else:
            assert (client.status, said[0]["code"]) == (408, "body_timeout")

    played(tmp_path, scene, body_seconds=0.3)


def test_time_that_is_over_ends_it(tmp_path: Path) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        client = Client(app, headers={"x-request-timeout-ms": "700"})
        client.send(line(1))
        await client.until(lambda: len(client.said) == 1)
        for i in range(2, 1000):
            if len(client.said) > 1 and "done" in client.said[-1]:
                break
            client.send(line(i))
            await asyncio.sleep(0.02)
        client.send(more=False)
        assert (await client.end())[-1]["error"]["code"] == "deadline_exceeded"
        acknowledged = sum(one.get("added", 0) for one in client.said[:-1])
        assert len(await doc_ids(app)) == acknowledged == client.said[-1]["added"]

    played(tmp_path, scene)


def test_a_service_that_stops_says_so(tmp_path: Path) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        client = Client(app)
        client.send(line(1))
        await client.until(lambda: len(client.said) == 1)
        service.stop_soon()
        client.send(line(2), more=False)
        end = (await client.end())[-1]
        assert (end["done"], end["error"]["code"]) == (False, "stopping")

    played(tmp_path, scene)


def test_a_line_that_gives_no_document_stops_it_or_does_not(tmp_path: Path) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        body = line(1) + b"nope\n" + line(2)
        client = Client(app)
        client.send(body, more=False)
        rejected, before, end = await client.end()
        assert (rejected["line"], rejected["rejected"]["code"]) == (2, "malformed_json")
        assert before == counts(1, added=1)
        assert (end["done"], end["error"]["code"], end["rejected"]) == (False, "line_rejected", 1)
        assert await doc_ids(app) == ["1"]
        client = Client(app, query="on_error=skip")
        client.send(body, more=False)
        rejected, stored, end = await client.end()
        assert (rejected["line"], stored) == (2, counts(3, added=1, unchanged=1))
        assert (end["done"], end["rejected"]) == (True, 1)

    played(tmp_path, scene)


def test_limits(tmp_path: Path) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        client = Client(app, query="on_error=skip")
        client.send(line(1, "a" * 3000), line(2), more=False)
        rejected, *_, end = await client.end()
        assert "more than 1000 bytes" in rejected["rejected"]["reason"]
        assert (end["done"], end["added"]) == (True, 1)
        client = Client(app)
        client.send(b" " * 9000, more=False)
        assert (await client.end())[0]["code"] == "body_too_large"
        assert client.status == 413
        client = Client(app, query="on_error=skip")
        client.send(*[b"x\n" * 450] * 4, more=False)
        assert (await client.end())[-1]["error"]["code"] == "too_many_rejects"
        with service.document_streams.taken_by_one():
            client = Client(app)
            assert (await client.end())[0]["code"] == "overloaded"
            assert client.status == 503
        for query in ("on_error=maybe", "other=1"):
            client = Client(app, query=query)
            assert (await client.end())[0]["code"] == "invalid_request"
        client = Client(app, headers={"content-encoding": "gzip"})
        assert (await client.end())[0]["code"] == "unsupported_media_type"
        client = Client(app, "/v1/collections/none/documents")
        assert (await client.end())[0]["code"] == "collection_not_found"

    played(tmp_path, scene, max_line_bytes=1000, max_stream_bytes=8000, max_document_streams=1)


@pytest.mark.parametrize("batches", [0, 1])
def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    left = batches
    whole = Writer.add

    def add(writer: Writer, *given: Any, **more: Any) -> UpsertCount:
        nonlocal left
        left -= 1
        if left < 0:
            raise DiskFullError("full")
        return whole(writer, *given, **more)

    async def scene(app: FastAPI, service: Service) -> None:
        client = Client(app)
        client.send(b"".join(line(i) for i in range(600)), more=False)
        said = await client.end()
        if batches:
            assert said[0] == counts(500, added=500)
            error = said[1]["error"]
            assert (error["code"], error["status"], said[1]["added"]) == ("disk_full", 507, 500)
        else:
            assert (client.status, said[0]["code"]) == (507, "disk_full")

    monkeypatch.setattr(Writer, "add", add)
    played(tmp_path, scene)


def test_who_does_not_wait_is_stored_and_found_soon(tmp_path: Path) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        client = Client(app, query="wait=false")
        client.send(line(1), more=False)
        assert (await client.end())[-1]["done"]
        batch = Client(app, query="wait=false", headers={"content-type": "application/json"})
        batch.send(b'{"documents": [{"doc_id": "2", "text": "cat"}]}', more=False)
        assert (await batch.end())[0]["added"] == 1
        while await doc_ids(app) != ["1", "2"]:
            await asyncio.sleep(0.002)

    played(tmp_path, scene)


def test_while_the_lane_is_full_it_waits(tmp_path: Path) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        go = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hold() -> None:
            asyncio.run_coroutine_threadsafe(go.wait(), loop).result(PATIENCE_S)

        client = Client(app)
        await client.until(lambda: service.document_streams.taken == 1)
        held = asyncio.create_task(service.writing.run(hold))
        await client.until(lambda: service.writing.n_running == 1)
        client.send(line(1), more=False)
        await asyncio.sleep(0.3)
        assert client.said == []
        go.set()
        await held
        assert (await client.end())[-1]["done"]

    played(tmp_path, scene, write_threads=1, write_queue=0)


def test_who_reads_slowly_is_told_in_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_stream, "_MOST_UNSENT", 3)
    sent: list[bytes] = []

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    async def told() -> None:
        replies = _Replies(send, [(b"a", b"b")])
        for i in range(1, 101):
            replies.acknowledge(i, UpsertCount(added=1))
        replies.say({"done": True})
        replies.end()
        await replies.send_all()

    asyncio.run(told())
    said = [json.loads(one) for one in b"".join(sent).splitlines()]
    assert len(said) == 4
    assert [one["line"] for one in said[:-1]] == [1, 2, 100]
    assert sum(one["added"] for one in said[:-1]) == 100


def test_a_collection_that_goes_away_ends_it(tmp_path: Path) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        client = Client(app)
        client.send(line(1))
        await client.until(lambda: len(client.said) == 1)
        gone = Client(app, PETS, method="DELETE")
        await gone.end()
        assert gone.status == 204
        client.send(line(2), more=False)
        assert (await client.end())[-1]["error"]["code"] == "collection_not_found"

    played(tmp_path, scene)
