"""What released clients sent, and what they were answered: facades.json.

Each entry names the client, and holds its request to the letter. Replies are compared in full, with
numbers within 1e-4; ids of requests are masked.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from lexmax.encoders import Encoders
from lexmax.service import Settings, create_app

EXCHANGES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "facades.json").read_text(encoding="utf-8")
)
MASKED = ("id", "request_id", "version")
NAMED = [f"{one['sent_by']}: {one['method']} {one['path']} {i}" for i, one in enumerate(EXCHANGES)]


@pytest.fixture
def client(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[TestClient]:
    settings = Settings(data=tmp_path, warm=())
    with TestClient(create_app(settings, encoders=cheap_encoders)) as client:
        yield client


@pytest.mark.parametrize("exchange", EXCHANGES, ids=NAMED)
def test_replies_are_those_that_released_clients_read(
    client: TestClient, exchange: dict[str, Any]
) -> None:
    found = client.request(exchange["method"], exchange["path"], json=exchange["body"])
    assert found.status_code == exchange["status"]
    assert found.headers["content-type"] == "application/json"
    check(found.json(), exchange["reply"])


def check(found: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert type(found[name]) is type(value), name
            if name == "embedding" and isinstance(value, str):
                check(vector(found[name]), vector(value))
            elif name not in MASKED or value != "masked":
                check(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            check(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-4)
    else:
        assert found == expected


def vector(text: str) -> list[float]:
    return np.frombuffer(base64.b64decode(text), "<f4").tolist()
