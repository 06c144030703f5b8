"""Bytes on the wire that no HTTP client sends: refused or cut off, while others are served.

What is no HTTP at all is refused by the parser of HTTP, before the service sees a request.
"""

import re
import socket
import time
from collections.abc import Iterator

import pytest
from served import Served

PETS = "/v1/collections/pets"
BODY_SECONDS = 2


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("wire")
    settings = {"LEXMAX_BODY_SECONDS": str(BODY_SECONDS), "LEXMAX_MAX_BODY_BYTES": "100000"}
    with Served(folder / "data", folder / "log", environment=settings) as served:
        served.ready()
        with served.asking() as ask:
            assert ask("PUT", PETS, {"multivector": None}).status == 201
            documents = {"documents": [{"doc_id": "cat", "text": "a cat"}]}
            assert ask("POST", f"{PETS}/documents", documents).status == 200
        yield served
        assert served.stop() == 0
        assert "Traceback" not in served.log.read_text()


@pytest.fixture(autouse=True)
def others_are_served(served: Served) -> Iterator[None]:
    yield
    with served.asking(timeout_s=10) as ask:
        found = ask("POST", f"{PETS}/search", {"query": "cat"})
        assert [hit["doc_id"] for hit in found.value["hits"]] == ["cat"]


def replies(served: Served, *parts: bytes) -> list[int]:
    """Statuses of what comes back until the connection ends, or nothing comes any more."""
    received = b""
    with socket.create_connection(("127.0.0.1", served.port), timeout=BODY_SECONDS + 5) as wire:
        try:
            for part in parts:
                wire.sendall(part)
            while part := wire.recv(1 << 16):
                received += part
                wire.settimeout(0.3)
        except (ConnectionError, TimeoutError):
            pass
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", received)]


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    """With a Host that the service knows, unless one is given."""
    host = () if any(one.startswith("host:") for one in headers) else ("host: localhost",)
    return "\r\n".join((f"{line} HTTP/1.1", *host, *headers, "", "")).encode("latin-1") + body


def search(*headers: str, body: bytes = b"") -> bytes:
    return request(f"POST {PETS}/search", "content-type: application/json", *headers, body=body)


CHUNKED = "transfer-encoding: chunked"
REFUSED: dict[str, bytes] = {
    "no HTTP": b"hello\r\n\r\n",
    "zero bytes": bytes(1000),
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "HTTP/9.9": b"GET /health HTTP/9.9\r\nhost: localhost\r\n\r\n",
    "no path": request("GET "),
    "a zero byte in the path": request("GET /hea\0lth"),
    "a zero byte in a header": request("GET /nowhere", "x: a\0b"),
    "a name with a blank": request("GET /health", "x y: a"),
    "two lengths": search("content-length: 16", "content-length: 3", body=b'{"query": "cat"}'),
    "a length below 0": search("content-length: -5"),
    "a length that is none": search("content-length: five"),
    "a length of 30 digits": search(f"content-length: {'9' * 30}"),
    "chunks and a length": search("content-length: 3", CHUNKED, body=b"0\r\n\r\n"),
    "another transfer coding": search("transfer-encoding: gzip", body=b"abc"),
    "a chunk of no size": search(CHUNKED, body=b"zz\r\nabc\r\n"),
    "a chunk of 2**80": search(CHUNKED, body=f"{1 << 80:x}\r\nabc".encode()),
    "dots in the path": request("DELETE /v1/collections/../collections/pets"),
    "dots behind a document": request(f"DELETE {PETS}/documents/.."),
    "two slashes": request("GET //v1//collections"),
    "another host's path": request("GET http://evil.example/", "host: evil.example"),
    "another host": request("GET /v1/collections", "host: evil.example"),
    "a tunnel": request("CONNECT evil.example:443", "host: evil.example:443"),
    "a web socket": request(
        f"GET {PETS}/search",
        *("upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13"),
        "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
    ),
    "a path of 8,000": request("GET /v1/collections/" + "a" * 8000),
    "a path of 200,000": request("GET /v1/collections/" + "a" * 200_000),
    "a header of 200,000": request("GET /nowhere", "x: " + "a" * 200_000),
    "5,000 headers": request("GET /nowhere", *["x: a"] * 5000),
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_proper_request_is_refused(served: Served, content: bytes) -> None:
    found = replies(served, content)
    assert found
    assert all(400 <= status < 500 for status in found), found


def test_a_request_behind_a_refused_one_is_not_smuggled(served: Served) -> None:
    """A body that says two lengths must not hide a second request from a proxy in front."""
    hidden = request(f"DELETE {PETS}")
    for headers, end in (
        ((f"content-length: {len(hidden) + 5}", CHUNKED), b"0\r\n\r\n"),
        ((CHUNKED, "content-length: 5"), b"0\r\n\r\n"),
        (("content-length: 0", "content-length: 44"), b""),
        (("transfer-encoding: chunked, identity",), b"0\r\n\r\n"),
        (("transfer-encoding:\x0bchunked",), b"0\r\n\r\n"),
        (("transfer-encoding : chunked",), b"0\r\n\r\n"),
    ):
        assert 204 not in replies(served, search(*headers, body=end + hidden)), headers


@pytest.mark.parametrize(
    ("head", "pieces"),
    [
        ("content-length: 50", [b'{"query": ', *[b" "] * 8]),
        (CHUNKED, [chunk(b'{"query": '), *[chunk(b" ")] * 8]),
    ],
    ids=["with a length", "in chunks"],
)
def test_a_body_without_end_is_cut_off_in_time(
    served: Served, head: str, pieces: list[bytes]
) -> None:
    began = time.monotonic()
    received = b""
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(search(head))
        connection.settimeout(0.3)
        while b"body_timeout" not in received and time.monotonic() - began < BODY_SECONDS + 10:
            try:
                connection.sendall(pieces.pop(0) if pieces else b"")
                received += connection.recv(1 << 16)
            except TimeoutError:
                continue
    assert received.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < BODY_SECONDS + 10


def test_chunks_without_end_are_counted(served: Served) -> None:
    assert replies(served, search(CHUNKED), *[chunk(b"[" * 20_000)] * 50) == [413]


def test_a_thousand_small_chunks_are_one_body(served: Served) -> None:
    body = b"".join(chunk(bytes([byte])) for byte in b'{"query": "cat"}' + b" " * 1000)
    assert replies(served, search(CHUNKED, body=body + b"0\r\n\r\n")) == [200]


def test_many_requests_at_once_on_one_connection_are_answered_in_order(served: Served) -> None:
    content = b'{"query": "cat"}'
    one = search(f"content-length: {len(content)}", body=content)
    bad = search("content-length: 1", body=b"[")
    assert replies(served, one + bad + one + bad + one) == [200, 400, 200, 400, 200]


def test_idle_connections_keep_nobody_out(served: Served) -> None:
    idle = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(200)]
    try:
        for connection in idle[:100]:
            connection.sendall(b"POST /v1/rerank HTTP/1.1\r\nhost: loc")
        with served.asking(timeout_s=10) as ask:
            assert ask("POST", f"{PETS}/search", {"query": "cat"}).status == 200
    finally:
        for connection in idle:
            connection.close()
