"""Who asked what, and how did it end? One log line and one count a request.

The line holds the route's template, not its path: names and ids stay with the client.
"""

import re
import time
import traceback
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lexmax.service.logs import Log
from lexmax.service.metrics import Metrics
from lexmax.service.problems import INTERNAL, problem_reply
from lexmax.service.reply_headers import with_security

_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_WORTH_SAYING_S = 0.001
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestLog:
    """Outermost layer: gives each request an id, answers what nothing else did, and reports it."""

    def __init__(self, app: ASGIApp, *, log: Log, metrics: Metrics, tls: bool = False) -> None:
        """`tls` says whether replies go to clients encrypted."""
        self._app = app
        self._tls = tls
        self._log = log
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id(scope)
        reply = _Reply(send, state["request_id"], tls=self._tls)
        start = time.perf_counter()
        try:
            await self._app(scope, receive, reply)
        except Exception as error:
            self._log.error("crash", request_id=state["request_id"], **_where(error))
            if reply.status == 0:
                answer = problem_reply(scope, INTERNAL, INTERNAL.detail or "")
                await answer(scope, receive, reply)
        finally:
            self._report(scope, reply.status, time.perf_counter() - start)

    def _report(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "unmatched")
        state: Mapping[str, Any] = scope["state"]
        self._metrics.request(method, route, status=status, seconds=seconds)
        fields: dict[str, Any] = {"status": status, "ms": round(seconds * 1000, 2)}
        if code := state.get("code"):
            self._metrics.problem(code)
            fields["code"] = code
        if trace := state.get("trace_id"):
            fields["trace_id"] = trace
        if key := state.get("key"):
            fields["key"] = key.key_id
        if (call := state.get("call")) and call.waited_s > _WORTH_SAYING_S:
            fields["waited_ms"] = round(call.waited_s * 1000, 2)
        self._log.info(
            "request", request_id=state["request_id"], method=method, route=route, **fields
        )


class _Reply:
    """`send`, with the request id and what browsers must know added, and the status kept."""

    def __init__(self, send: Send, request_id: str, *, tls: bool) -> None:
        self._send = send
        self._tls = tls
        self._header = (b"x-request-id", request_id.encode())
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = (*message.get("headers", ()), self._header)
            message["headers"] = with_security(headers, tls=self._tls)
        await self._send(message)


def request_id(scope: Scope) -> str:
    """The request's own id where it names a sane one, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            return str(value.decode())
    return uuid.uuid4().hex


def _where(error: Exception) -> dict[str, Any]:
    # Not the message: it may repeat a text or an id.
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "places": places}
