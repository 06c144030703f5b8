"""More requests than there is room for: each gets one answer, and nothing grows."""

import asyncio
import io
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from lexmax.collection import Collection
from lexmax.results import SearchResult
from lexmax.service import Settings, create_app
from lexmax.service.logs import make_log
from lexmax.service.parts import Service

SEARCH = "/v1/collections/pets/search"
PATIENCE_S = 60


async def no_pace(*_: object) -> None:
    pass


class Slow:
    """Searches that end when they are told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        self.timeouts: list[float | None] = []
        self.go = threading.Event()
        own = Collection.search

        def search(
            collection: Collection, query: str, *arguments: Any, **more: Any
        ) -> SearchResult:
            self.begun += 1
            self.timeouts.append(more["timeout_ms"])
            assert self.go.wait(PATIENCE_S)
            return own(collection, query, *arguments, **more)

        monkeypatch.setattr(Collection, "search", search)


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def app(tmp_path: Path, written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    # On a busy machine it would allow one thread.
    monkeypatch.setattr("lexmax.service.app.keep_pace", no_pace)
    settings = Settings(data=tmp_path, warm=(), search_threads=2, search_queue=3, max_requests=50)
    return create_app(settings, log=make_log("info", written))


@asynccontextmanager
async def asking(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://a", timeout=None) as client,
    ):
        yield client


async def filled(app: FastAPI, client: httpx.AsyncClient) -> Service:
    service: Service = app.state.service
    while service.readiness.missing:
        await asyncio.sleep(0.001)
    (await client.put("/v1/collections/pets", json={"multivector": None})).raise_for_status()
    documents = {"documents": [{"doc_id": "cat", "text": "a cat"}]}
    stored = await client.post("/v1/collections/pets/documents", json=documents)
    stored.raise_for_status()
    return service


def test_each_request_gets_one_answer_and_the_queue_keeps_its_bound(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, written: io.StringIO
) -> None:
    async def scene() -> Counter[int]:
        async with asking(app) as client:
            service = await filled(app, client)
            slow = Slow(monkeypatch)
            asked = [
                asyncio.create_task(client.post(SEARCH, json={"query": "cat"})) for _ in range(40)
            ]
            while sum(task.done() for task in asked) < 35:
                assert service.searching.n_waiting <= 3
                assert service.searching.n_running <= 2
                await asyncio.sleep(0.001)
            assert slow.begun == 2
            # Neither those that ask how it is nor those that write are in the way of searches.
            assert (await client.get("/health")).status_code == 200
            assert (await client.delete("/v1/collections/pets/documents/x")).status_code == 404
            slow.go.set()
            replies = await asyncio.gather(*asked)
            for reply in replies:
                if reply.status_code == 503:
                    assert reply.json()["code"] == "overloaded"
                    assert reply.json()["request_id"] == reply.headers["x-request-id"]
                    assert reply.headers["retry-after"] == "1"
                    assert reply.headers["x-content-type-options"] == "nosniff"
            assert (await client.post(SEARCH, json={"query": "cat"})).status_code == 200
            assert (service.in_flight.requests, service.in_flight.bytes) == (0, 0)
            metrics = (await client.get("/metrics")).text
            assert 'lexmax_turned_away_total{lane="search"}' in metrics
            assert 'lexmax_problems_total{code="overloaded"} 35.0' in metrics
            return Counter(reply.status_code for reply in replies)

    assert asyncio.run(asyncio.wait_for(scene(), PATIENCE_S)) == {200: 5, 503: 35}
    told = [json.loads(line) for line in written.getvalue().splitlines()]
    assert any(entry["event"] == "turned_away" for entry in told)


def test_time_in_the_queue_counts(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with asking(app) as client:
            await filled(app, client)
            slow = Slow(monkeypatch)
            running = [
                asyncio.create_task(client.post(SEARCH, json={"query": "cat"})) for _ in range(2)
            ]
            while slow.begun < 2:
                await asyncio.sleep(0.001)
            in_body = {"query": "cat", "timeout_ms": 10}
            late = await client.post(SEARCH, json=in_body)
            assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
            in_header = {"x-request-timeout-ms": "10"}
            late = await client.post(SEARCH, json={"query": "cat"}, headers=in_header)
            assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
            assert slow.begun == 2
            slow.go.set()
            await asyncio.gather(*running)
            both = {"x-request-timeout-ms": "50000"}
            reply = await client.post(SEARCH, json={**in_body, "timeout_ms": 90000}, headers=both)
            assert reply.status_code == 200
            assert slow.timeouts[:2] == [None, None]
            left = slow.timeouts[2]
            assert left is not None
            assert 0 < left < 50000

    asyncio.run(asyncio.wait_for(scene(), PATIENCE_S))


def test_more_requests_than_are_held_at_all(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, warm=(), max_requests=1, max_held_bytes=1000)
    app = create_app(settings)

    async def scene() -> None:
        async with asking(app) as client:
            service = await filled(app, client)
            long = await client.post(SEARCH, json={"query": "cat " * 500})
            assert (long.status_code, long.json()["code"]) == (503, "overloaded")
            assert service.in_flight.bytes == 0
            service.in_flight.requests = 1
            reply = await client.post(SEARCH, json={"query": "cat"})
            assert (reply.status_code, reply.json()["code"]) == (503, "overloaded")
            assert (await client.get("/health")).status_code == 200
            service.in_flight.requests = 0
            assert (await client.post(SEARCH, json={"query": "cat"})).status_code == 200

    asyncio.run(asyncio.wait_for(scene(), PATIENCE_S))
