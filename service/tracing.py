"""Where did a request spend its time, among all services that it passed? OpenTelemetry spans.

Off unless `LEXMAX_TRACE` is true; where spans go is said by OpenTelemetry's own variables, such as
OTEL_EXPORTER_OTLP_ENDPOINT. Spans hold route templates, codes and milliseconds: no text, no key.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lexmax.errors import InputError


class Tracing:
    """One span a request, within the trace that its headers name."""

    def __init__(
        self, app: ASGIApp, *, tracer: Any, context_of: Callable[[Mapping[str, str]], Any]
    ) -> None:
        """`tracer` is OpenTelemetry's; `context_of` reads the caller's from headers."""
        self._app, self._tracer, self._context_of = app, tracer, context_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = self._context_of(_headers(scope))
        with self._tracer.start_as_current_span(scope["method"], context=context) as span:
            state: dict[str, Any] = scope.setdefault("state", {})
            state["trace_id"] = f"{span.get_span_context().trace_id:032x}"

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._app(scope, receive, noted)
            _describe(span, scope, state)


def make_tracing() -> dict[str, Any]:
    """What `Tracing` takes, from the OpenTelemetry that is installed.

    Raises:
        InputError: if it is not.
    """
    try:
        trace: Any = importlib.import_module("opentelemetry.trace")
        propagate: Any = importlib.import_module("opentelemetry.propagate")
        sdk: Any = importlib.import_module("opentelemetry.sdk.trace")
        export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
        resources: Any = importlib.import_module("opentelemetry.sdk.resources")
        otlp: Any = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as error:
        raise InputError(
            f"tracing is asked for, and {error.name} is not installed; expected OpenTelemetry; "
            'run `pip install "lexmax[otel]"`, or leave LEXMAX_TRACE out'
        ) from error
    resource = resources.Resource.create({"service.name": "lexmax"})
    provider = sdk.TracerProvider(resource=resource)
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return {"tracer": provider.get_tracer("lexmax"), "context_of": propagate.extract}


def _describe(span: Any, scope: Scope, state: Mapping[str, Any]) -> None:
    route = getattr(scope.get("route"), "path", "unmatched")
    span.update_name(f"{scope['method']} {route}")
    span.set_attribute("http.request.method", scope["method"])
    span.set_attribute("http.route", route)
    if code := state.get("code"):
        span.set_attribute("lexmax.code", code)
    if call := state.get("call"):
        span.set_attribute("lexmax.waited_ms", call.waited_s * 1e3)
        for stage, ms in call.timings_ms.items():
            span.set_attribute(f"lexmax.{stage}", ms)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
