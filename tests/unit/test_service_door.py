"""Requests that are turned away before they are any, over real connections."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from lexmax.collection import Collection
from lexmax.service import Settings, create_app
from lexmax.service.door import make_door
from lexmax.service.parts import Service
from lexmax.service.run import listen

SEARCH = "/v1/collections/pets/search"
BODY = json.dumps({"query": "cat"})
JSON = {"content-type": "application/json"}
PATIENCE_S = 60


class Served:
    """A service in a thread, whose lane for searches is full or not, as told."""

    def __init__(self, folder: Path) -> None:
        with Collection.create(folder / "pets", multivector=None):
            pass
        app = create_app(Settings(data=folder, warm=(), max_requests=50))
        self.service: Service = app.state.service
        self.full = False
        workers = self.service.searching._workers  # pyright: ignore[reportPrivateUsage]
        workers.is_full = lambda most_waiting: self.full  # type: ignore[method-assign]
        door = make_door(self.service.lanes, app.state.turned_away, tls=False)
        self._server = uvicorn.Server(uvicorn.Config(app, http=door, log_config=None))
        self._listening = listen("127.0.0.1", 0)
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        ends_at = time.monotonic() + PATIENCE_S
        while self.service.readiness.missing and time.monotonic() < ends_at:
            time.sleep(0.01)

    def _run(self) -> None:
        asyncio.run(self._server.serve([self._listening]))

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        self._listening.close()

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("collections"))
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _with_room(served: Served) -> Iterator[None]:
    served.full = False
    yield
    served.full = False


def turned_away(served: Served) -> float:
    text = served.service.metrics.text().decode()
    name = 'lexmax_turned_away_total{lane="search"}'
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith(name)), 0)


def test_one_connection_is_turned_away_and_let_in_again(served: Served) -> None:
    before = turned_away(served)
    connection = served.connection()
    statuses = []
    for full in (True, True, False, True, False):
        served.full = full
        connection.request("POST", SEARCH, BODY, JSON)
        reply = connection.getresponse()
        said = json.loads(reply.read())
        statuses.append(reply.status)
        if full:
            assert said["code"] == "overloaded"
            assert said["status"] == 503
            assert reply.getheader("retry-after") == "1"
            assert reply.getheader("content-type") == "application/problem+json"
            assert reply.getheader("x-content-type-options") == "nosniff"
            assert said["request_id"] == reply.getheader("x-request-id") != "0" * 32
            assert reply.getheader("date")
    assert statuses == [503, 503, 200, 503, 200]
    assert turned_away(served) == before + 3
    connection.close()


def test_ids_differ(served: Served) -> None:
    served.full = True
    connection = served.connection()
    ids = set()
    for _ in range(3):
        connection.request("POST", SEARCH, BODY, JSON)
        ids.add(json.loads(connection.getresponse().read())["request_id"])
    assert len(ids) == 3
    connection.close()


@pytest.mark.parametrize(
    "headers",
    [{"x-request-id": "mine"}, {"connection": "close"}, {"expect": "100-continue"}],
)
def test_an_unusual_request_is_turned_away_later(served: Served, headers: dict[str, str]) -> None:
    before = turned_away(served)
    served.full = True
    connection = served.connection()
    connection.request("POST", SEARCH, BODY, {**JSON, **headers})
    reply = connection.getresponse()
    assert reply.status == 503
    assert json.loads(reply.read())["code"] == "overloaded"
    if "x-request-id" in headers:
        assert reply.getheader("x-request-id") == "mine"
    assert turned_away(served) == before + 1
    connection.close()


def test_other_lanes_and_probes_are_let_in(served: Served) -> None:
    served.full = True
    connection = served.connection()
    for method, path, expected in (("GET", "/health", 200), ("DELETE", "/v1/collections/no", 404)):
        connection.request(method, path)
        reply = connection.getresponse()
        reply.read()
        assert reply.status == expected
    connection.close()


def test_a_body_that_comes_later_or_in_chunks_is_dropped(served: Served) -> None:
    served.full = True
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_S) as client:
        head = f"POST {SEARCH} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        client.sendall(head.encode())
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        for _ in range(3):
            client.sendall(b"400\r\n" + b"x" * 0x400 + b"\r\n")
        client.sendall(b"0\r\n\r\n")
        served.full = False
        client.sendall(
            f"POST {SEARCH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
            f"content-length: {len(BODY)}\r\n\r\n{BODY}".encode()
        )
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")


def test_requests_that_come_at_once_are_answered_in_turn(served: Served) -> None:
    """Pipelined: the second waits for the first, whatever becomes of it."""
    one = (
        f"POST {SEARCH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        f"content-length: {len(BODY)}\r\n\r\n{BODY}"
    )
    served.full = True
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_S) as client:
        client.sendall((one * 3).encode())
        received = b""
        while received.count(b"HTTP/1.1 503") < 3:
            part = client.recv(1 << 16)
            assert part
            received += part


OFFER = (
    "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n"
    "http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
)


def sent(served: Served, *parts: str, replies: int) -> str:
    """What comes back for `parts`, sent one after another, once it holds as many replies."""
    received = b""
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_S) as client:
        for part in parts:
            client.sendall(part.encode())
            time.sleep(0.02)
        while received.count(b"HTTP/1.1 ") < replies:
            received += client.recv(1 << 16)
    return received.decode()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("cut", [0, 20, 150, 300])
def test_an_offer_to_speak_http_2_is_passed_over(
    served: Served, *, chunked: bool, cut: int
) -> None:
    """As Java's HttpClient makes it, however the bytes arrive."""
    length = "transfer-encoding: chunked" if chunked else f"content-length: {len(BODY)}"
    body = f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n" if chunked else BODY
    head = f"POST {SEARCH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    one = f"{head}{OFFER}{length}\r\n\r\n{body}"
    received = sent(served, one[:cut], one[cut:] + one + "GET /health HTTP/1.1\r\n\r\n", replies=3)
    statuses = [line for line in received.split("\r\n") if "HTTP/1.1 " in line]
    assert [line[line.index("HTTP/1.1 ") :] for line in statuses] == ["HTTP/1.1 200 OK"] * 3


def test_an_offer_is_turned_away_as_others_are(served: Served) -> None:
    served.full = True
    head = f"POST {SEARCH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    one = f"{head}{OFFER}content-length: {len(BODY)}\r\n\r\n{BODY}"
    assert sent(served, one * 2, replies=2).count("HTTP/1.1 503") == 2


def test_a_request_for_a_tunnel_is_refused(served: Served) -> None:
    assert "HTTP/1.1 4" in sent(served, "CONNECT /health HTTP/1.1\r\nhost: a\r\n\r\n", replies=1)
