"""A service on loopback, for clients that open connections of their own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from lexmax.client import Client
from lexmax.encoders import Encoders
from lexmax.service import Settings, create_app
from lexmax.service.run import listen
from lexmax.types import Document

PATIENCE_S = 60.0
DOCUMENTS = [
    Document("cat", "a cat sleeps on the mat", metadata={"year": 2020}),
    Document("dog", "a dog and a cat run", "Dogs", {"year": 2024}),
    Document("fish", "fish swim"),
]

Start = Callable[..., str]


@contextmanager
def served(settings: Settings, encoders: Encoders) -> Iterator[str]:
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings, encoders=encoders), log_config=None, lifespan="on")
    )
    listening = listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.started
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        listening.close()


@pytest.fixture
def start(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[Start]:
    """Starts a service with the given settings and gives its address."""
    with ExitStack() as stack:

        def start(**settings: Any) -> str:
            given = Settings(data=tmp_path / "data", warm=(), log_level="error", **settings)
            return stack.enter_context(served(given, cheap_encoders))

        yield start


@pytest.fixture
def address(start: Start) -> str:
    """Of a service without collections and keys."""
    return start()


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as client:
        yield client


@pytest.fixture
def pets(client: Client) -> Client:
    """A client of a service with the collection pets."""
    client.create("pets", multivector=None, fields={"year": "integer"})
    client.add("pets", DOCUMENTS)
    return client
