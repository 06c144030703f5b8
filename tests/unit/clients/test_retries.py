import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from lexmax.client import AsyncClient, Client, ClientError, Retries, asking_async, asking_sync
from lexmax.client.asks import batches
from lexmax.types import Document

BUSY = ClientError("busy", code="overloaded", status=503)


def problem(status: int, **headers: str) -> httpx.Response:
    body = {"code": "overloaded", "detail": "wait"}
    return httpx.Response(status, json=body, headers=headers)


def answers(*replies: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[str]]:
    """Gives these one after the other, and notes what was asked."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        reply = replies[min(len(asked), len(replies)) - 1]
        if isinstance(reply, Exception):
            raise reply
        return reply

    return httpx.MockTransport(answer), asked


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(asking_sync.time, "sleep", found.append)
    monkeypatch.setattr(asking_async.asyncio, "sleep", sleep)
    return found


@pytest.mark.parametrize(
    ("n_failed", "chance", "expected"),
    [(1, 0.0, 0.25), (1, 1.0, 0.5), (2, 1.0, 1.0), (3, 1.0, None)],
)
def test_waits_double_and_end(n_failed: int, chance: float, expected: float | None) -> None:
    assert Retries().wait_s(n_failed, BUSY, chance=chance) == expected


def test_a_service_that_says_when_is_believed_up_to_a_limit() -> None:
    said = ClientError("busy", code="rate_limited", status=429, retry_after_s=3.0)
    assert Retries().wait_s(1, said, chance=0.0) == 3.0
    assert Retries().wait_s(1, said, chance=1.0) == 3.5
    assert Retries(longest_s=2.0).wait_s(1, said, chance=0.0) is None
    assert Retries(most=50).wait_s(40, BUSY, chance=1.0) == 20.0


@pytest.mark.parametrize("status", [0, 400, 401, 404, 409, 422, 500, 502, 504, 507])
def test_other_failures_are_not_asked_again(status: int) -> None:
    failure = ClientError("no", code="any", status=status)
    assert Retries().wait_s(1, failure, chance=0.5) is None


def test_asked_again_until_there_is_an_answer(waits: list[float]) -> None:
    done = httpx.Response(200, json={"collections": [{"name": "pets"}]})
    transport, asked = answers(problem(503, **{"retry-after": "2"}), problem(429), done)
    with Client(transport=transport) as client:
        assert client.collections() == ["pets"]
    assert len(asked) == 3
    assert 2.0 <= waits[0] <= 2.5
    assert 0.5 <= waits[1] <= 1.0


@pytest.mark.anyio
async def test_the_same_without_a_thread(waits: list[float]) -> None:
    done = httpx.Response(200, json={"collections": []})
    transport, asked = answers(httpx.ConnectError("no"), done)
    async with AsyncClient(transport=transport) as client:
        assert await client.collections() == []
    assert (len(asked), len(waits)) == (2, 1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize(
    "change", [lambda c: c.create("pets"), lambda c: c.delete_collection("pets")]
)
def test_what_is_not_the_same_twice_is_asked_once(
    change: Callable[[Client], Any], waits: list[float]
) -> None:
    transport, asked = answers(problem(503, **{"retry-after": "0"}))
    with Client(transport=transport) as client, pytest.raises(ClientError, match="overloaded"):
        change(client)
    assert (len(asked), waits) == (1, [])


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (httpx.Response(502, text="<html>bad gateway"), "http_502"),
        (httpx.Response(500, json=["no problem"]), "http_500"),
        (httpx.Response(307, headers={"location": "/other"}), "http_307"),
        (httpx.Response(200, text="<html>hello"), "reply_unreadable"),
        (httpx.Response(200, json={"other": 1}), "reply_unreadable"),
        (httpx.Response(200, json=[]), "reply_unreadable"),
        (httpx.ReadTimeout("slow"), "timeout"),
        (httpx.RemoteProtocolError("half"), "connection_failed"),
    ],
)
def test_every_other_end_has_a_code(
    reply: httpx.Response | Exception, code: str, waits: list[float]
) -> None:
    transport, asked = answers(reply)
    with Client(transport=transport) as client, pytest.raises(ClientError) as raised:
        client.collections()
    assert raised.value.code == code
    assert raised.value.detail
    assert (len(asked), waits) == (1, [])


@pytest.mark.parametrize("said", ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "nan", "inf", ""])
def test_a_wait_that_is_no_number_is_passed_over(said: str, waits: list[float]) -> None:
    transport, asked = answers(problem(503, **{"retry-after": said}))
    with Client(transport=transport) as client, pytest.raises(ClientError) as raised:
        client.collections()
    assert raised.value.retry_after_s is None
    assert len(asked) == 3


def test_documents_go_in_as_many_requests_as_it_takes() -> None:
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        documents: Sequence[Any] = json.loads(request.content)["documents"]
        sizes.append(len(documents))
        return httpx.Response(200, json={"added": len(documents), "replaced": 0, "unchanged": 0})

    with Client(transport=httpx.MockTransport(answer)) as client:
        stored = client.add("pets", (Document(str(i), "cat") for i in range(1200)))
        assert client.add("pets", []).added == 0
    assert (stored.added, sizes) == (1200, [500, 500, 200])


def test_long_documents_go_alone() -> None:
    long = [Document(str(i), "a" * 3_000_000) for i in range(3)]
    assert [len(batch) for batch in batches(long)] == [1, 1, 1]
    assert [len(batch) for batch in batches([*long, Document("s", "short")])] == [1, 1, 2]
