import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from lexmax.errors import InputError
from lexmax.service import Settings, create_app
from lexmax.service.tracing import Tracing


class Span:
    def __init__(self, name: str, context: Any) -> None:
        self.name, self.context = name, context
        self.said: dict[str, Any] = {}

    def set_attribute(self, name: str, value: object) -> None:
        self.said[name] = value

    def update_name(self, name: str) -> None:
        self.name = name

    def get_span_context(self) -> SimpleNamespace:
        return SimpleNamespace(trace_id=0xABC)


class Tracer:
    def __init__(self) -> None:
        self.spans: list[Span] = []

    @contextmanager
    def start_as_current_span(self, name: str, *, context: Any) -> Iterator[Span]:
        self.spans.append(Span(name, context))
        yield self.spans[-1]


def caller(headers: Mapping[str, str]) -> str | None:
    return headers.get("traceparent")


def test_a_request_is_one_span_without_its_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracer = Tracer()
    app = create_app(Settings(data=tmp_path, warm=()))
    traced = Tracing(app, tracer=tracer, context_of=caller)

    async def scene() -> None:
        transport = httpx.ASGITransport(traced)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://a") as client,
        ):
            (await client.put("/v1/collections/quetzal", json={"multivector": None}))
            body = {"query": "quetzal"}
            await client.post(
                "/v1/collections/quetzal/search", json=body, headers={"traceparent": "00-abc"}
            )
            await client.get("/quetzal")

    asyncio.run(scene())
    made, searched, lost = tracer.spans
    assert made.context is None
    assert searched.context == "00-abc"
    assert searched.name == "POST /v1/collections/{name}/search"
    assert searched.said["http.response.status_code"] == 200
    assert searched.said["http.route"] == "/v1/collections/{name}/search"
    assert searched.said["lexmax.encode_ms"] >= 0
    assert searched.said["lexmax.waited_ms"] >= 0
    assert lost.said["lexmax.code"] == "route_not_found"
    assert "quetzal" not in str([(span.name, span.said) for span in tracer.spans])
    assert '"trace_id":"00000000000000000000000000000abc"' in capsys.readouterr().err


def test_without_opentelemetry_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("lexmax.service.tracing.importlib.import_module", missing)
    with pytest.raises(InputError, match=r'opentelemetry\.trace is not.*pip install "lexmax\[otel'):
        create_app(Settings(data=tmp_path, warm=(), trace=True))
