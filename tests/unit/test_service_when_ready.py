"""Whoever starts the service is told when it is ready."""

import time
from collections.abc import Callable
from pathlib import Path

from starlette.testclient import TestClient

from lexmax.service import Settings, create_app


def until(said: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 20
    while not said():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_it_is_told_once(tmp_path: Path) -> None:
    told: list[int] = []
    app = create_app(Settings(data=tmp_path, warm=()), when_ready=lambda: told.append(1))
    with TestClient(app) as client:
        until(lambda: client.get("/ready").status_code == 200)
        assert told == [1]


def test_it_is_not_told_of_a_service_that_is_not_ready(tmp_path: Path) -> None:
    told: list[int] = []
    settings = Settings(data=tmp_path, warm=("no-such-encoder",))
    app = create_app(settings, when_ready=lambda: told.append(1))
    with TestClient(app) as client:
        until(lambda: "log says why" in client.get("/ready").text)
        assert not told
