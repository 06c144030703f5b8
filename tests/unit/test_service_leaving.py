"""Clients that are slow, or leave: spoken to as uvicorn does."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message

from lexmax.collection import Collection
from lexmax.errors import QueryError
from lexmax.service import Settings, create_app
from lexmax.service.parts import Service

PATIENCE_S = 60
SEARCH = "/v1/collections/pets/search"


class Client:
    """One request: what it sends, when it leaves, what came back."""

    def __init__(self, app: FastAPI, method: str, path: str, *bodies: bytes) -> None:
        self._app, self._method, self._path = app, method, path
        self._bodies = list(bodies)
        self.left = asyncio.Event()
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.content = b""

    async def ask(self) -> int:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self._method,
            "scheme": "http",
            "path": self._path,
            "raw_path": self._path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"a"), (b"content-type", b"application/json")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        await self._app(scope, self._receive, self._send)
        return self.status

    async def _receive(self) -> Message:
        if self._bodies:
            body = self._bodies.pop(0)
            return {"type": "http.request", "body": body, "more_body": body[-1:] != b"}"}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.content += message.get("body", b"")


def played(
    folder: Path, scene: Callable[[FastAPI, Service], Coroutine[Any, Any, None]], **settings: Any
) -> None:
    app = create_app(Settings(data=folder, warm=(), **settings))

    async def opened() -> None:
        async with app.router.lifespan_context(app):
            service: Service = app.state.service
            while service.readiness.missing:
                await asyncio.sleep(0.001)
            spec = b'{"multivector": null}'
            assert await Client(app, "PUT", "/v1/collections/pets", spec).ask() == 201
            await scene(app, service)

    asyncio.run(asyncio.wait_for(opened(), PATIENCE_S))


def test_who_leaves_the_queue_is_never_searched_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    go = threading.Event()

    def search(_: Collection, query: str, *arguments: Any, **more: Any) -> None:
        begun.append(query)
        assert go.wait(PATIENCE_S)
        raise QueryError("found nothing")

    async def scene(app: FastAPI, service: Service) -> None:
        clients = [
            Client(app, "POST", SEARCH, json.dumps({"query": name}).encode()) for name in "abc"
        ]
        tasks: list[asyncio.Task[int]] = []
        for n, client in enumerate(clients):
            tasks.append(asyncio.create_task(client.ask()))
            while service.searching.n_running + service.searching.n_waiting <= n:
                await asyncio.sleep(0.001)
        clients[1].left.set()
        assert await tasks[1] == 499
        assert service.searching.n_waiting == 1
        # Work that runs is finished, though nobody reads it.
        clients[0].left.set()
        go.set()
        assert await asyncio.gather(tasks[0], tasks[2]) == [422, 422]
        assert begun == ["a", "c"]
        assert service.in_flight.requests == 0

    monkeypatch.setattr(Collection, "search", search)
    played(tmp_path, scene, search_threads=1)


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        slow = Client(app, "POST", SEARCH, b'{"query": ')
        assert await slow.ask() == 408
        assert json.loads(slow.content)["code"] == "body_timeout"
        assert slow.headers[b"connection"] == b"close"
        assert (service.in_flight.requests, service.in_flight.bytes) == (0, 0)

    played(tmp_path, scene, body_seconds=0.05)


def test_a_body_that_breaks_off_is_nobodys_failure(tmp_path: Path) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        broken = Client(app, "POST", SEARCH, b'{"query": ')
        broken.left.set()
        assert await broken.ask() == 499
        assert service.in_flight.bytes == 0

    played(tmp_path, scene)


def test_bytes_of_bodies_are_held_until_the_answer(tmp_path: Path) -> None:
    async def scene(app: FastAPI, service: Service) -> None:
        whole = Client(app, "POST", SEARCH, b'{"query": ', b'"cat"', b"}")
        assert await whole.ask() == 200
        assert service.in_flight.bytes == 0
        half = Client(app, "POST", SEARCH, b'{"query": ', b'"cat"')
        task = asyncio.create_task(half.ask())
        while service.in_flight.bytes < 15:
            await asyncio.sleep(0.001)
        half.left.set()
        assert await task == 499
        assert service.in_flight.bytes == 0

    played(tmp_path, scene)
