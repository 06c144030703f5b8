"""How does each client expect to be told that something is wrong?

Everything inside answers with problem replies. On a façade's paths these become what its clients
read, last of all, so that it is the same whoever refused: a guard, a lane or an encoder. Statuses
and headers stay; `code` and `request_id` come along where clients let them pass.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import orjson
from pydantic import BaseModel, ConfigDict
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lexmax.service import problems

Body: TypeAlias = Mapping[str, Any]
Shape: TypeAlias = Callable[[Body], Body]


class _Failure(BaseModel):
    model_config = ConfigDict(frozen=True)

    code: str
    request_id: str


class CohereFailure(_Failure):
    """As Cohere's clients read it."""

    message: str


class DetailFailure(_Failure):
    """As clients of Jina and Voyage read it."""

    detail: str


class TextEmbeddingsFailure(_Failure):
    """As clients of text-embeddings-inference read it."""

    error: str
    error_type: str


class OpenAiError(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAiFailure(BaseModel):
    """As OpenAI's clients read it."""

    error: OpenAiError


def _cohere(problem: Body) -> Body:
    return {"message": problem["detail"], **_named(problem)}


def _detail(problem: Body) -> Body:
    return {"detail": problem["detail"], **_named(problem)}


_TEXT_EMBEDDINGS_TYPES: Mapping[str, str] = MappingProxyType(
    {
        problems.OVERLOADED.code: "Overloaded",
        problems.RATE_LIMITED.code: "Overloaded",
        problems.NOT_READY.code: "Unhealthy",
    }
)


def _text_embeddings(problem: Body) -> Body:
    otherwise = "Validation" if problem["status"] < 500 else "Backend"
    kind = _TEXT_EMBEDDINGS_TYPES.get(problem["code"], otherwise)
    return {"error": problem["detail"], "error_type": kind, **_named(problem)}


_OPENAI_TYPES: Mapping[int, str] = MappingProxyType(
    {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
)


def _openai(problem: Body) -> Body:
    status, code = problem["status"], problem["code"]
    otherwise = "invalid_request_error" if status < 500 else "server_error"
    kind = _OPENAI_TYPES.get(status, otherwise)
    return {"error": {"message": problem["detail"], "type": kind, "param": None, "code": code}}


def _named(problem: Body) -> Body:
    return {"code": problem["code"], "request_id": problem["request_id"]}


_AT: Mapping[str, Shape] = MappingProxyType(
    {
        "/v2/rerank": _cohere,
        "/": _text_embeddings,
        "/rerank": _text_embeddings,
        "/embed": _text_embeddings,
        "/embed_sparse": _text_embeddings,
        "/embed_all": _text_embeddings,
        "/info": _text_embeddings,
        "/v1/embeddings": _openai,
        "/v1/models": _openai,
    }
)
_UNDER: Mapping[str, Shape] = MappingProxyType(
    {
        "/cohere/": _cohere,
        "/jina/": _detail,
        "/voyage/": _detail,
        "/tei/": _text_embeddings,
        "/v1/models/": _openai,
    }
)


def shape_at(path: str) -> Shape | None:
    """What problems are told as on this path; None where they stay as they are."""
    found = _AT.get(path)
    if found is not None:
        return found
    return next((shape for start, shape in _UNDER.items() if path.startswith(start)), None)


class Failures:
    """Around everything: tells problems on the paths of façades as their clients expect it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        shape = shape_at(scope["path"]) if scope["type"] == "http" else None
        await self._app(scope, receive, send if shape is None else _Reply(send, shape))


class _Reply:
    """`send`, with a problem's body held back until it is whole and can be told otherwise."""

    def __init__(self, send: Send, shape: Shape) -> None:
        self._send = send
        self._shape = shape
        self._start: Message | None = None
        self._held = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_problem(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._held += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        body = orjson.dumps(self._shape(orjson.loads(self._held)))
        kept = [h for h in start["headers"] if h[0] not in (b"content-type", b"content-length")]
        told = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await self._send({**start, "headers": [*told, *kept]})
        await self._send({"type": "http.response.body", "body": body})


def _is_problem(message: Message) -> bool:
    wanted = (b"content-type", problems.MEDIA_TYPE.encode())
    return wanted in [(bytes(name).lower(), bytes(value)) for name, value in message["headers"]]
