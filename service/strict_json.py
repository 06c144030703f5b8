"""Can this body be trusted? Read with its size counted, parsed strictly, before any route sees it.

orjson refuses what JSON does not have: NaN, Infinity, 1e400, lone surrogates, other encodings than
UTF-8. This module refuses what JSON has and readers disagree about: a name twice in one mapping,
U+0000 in a string, deep nesting. Validation by pydantic comes after, strict, unknown names refused.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal, cast

import orjson
from anyio import fail_after, to_thread
from fastapi import Request, Response
from fastapi.routing import APIRoute

from lexmax.service.guard import Answer, guarded
from lexmax.service.parts import call_of, service_of
from lexmax.service.problems import (
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    MALFORMED_JSON,
    UNSUPPORTED_MEDIA_TYPE,
    Refusal,
)
from lexmax.service.query_names import knowing_names
from lexmax.service.settings import Settings

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_MEDIA_TYPE = re.compile(r'application/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?', re.IGNORECASE)
# Parsing holds up every other request of the event loop; past this size it takes milliseconds.
_LARGE = 1 << 16
_LONGEST = 80


class StrictRequest(Request):
    """A request whose body has been read, counted and parsed."""

    def __init__(self, request: Request, content: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._content = content
        self._value = value

    async def body(self) -> bytes:
        """The bytes that arrived."""
        return self._content

    async def json(self) -> Any:
        """What they say."""
        return self._value


class StrictRoute(APIRoute):
    """A route that takes strict JSON of at most `limit` bytes, a name in Settings."""

    limit: Literal["max_body_bytes", "max_documents_bytes"] = "max_body_bytes"

    def get_route_handler(self) -> Answer:
        """FastAPI's own, behind the strict reading of the body."""
        answer = knowing_names(self, super().get_route_handler())
        if self.body_field is None:
            return guarded(self, answer)
        answer = self.answering(answer)

        async def answer_strictly(request: Request) -> Response:
            settings: Settings = request.app.state.service.settings
            content = await read_body(request, getattr(settings, self.limit))
            call_of(request).receive = request.receive  # from here on it tells of the client alone
            if not content:
                return await answer(StrictRequest(request, content, None))
            check_media_type(request)
            value = await _parse_aside(content, settings.max_json_depth)
            return await answer(StrictRequest(request, content, value))

        return guarded(self, answer_strictly)

    def answering(self, answer: Answer) -> Answer:
        """What answers a request whose body was read; `answer` is FastAPI's own."""
        return answer


class DocumentsRoute(StrictRoute):
    """A route that takes a batch of documents."""

    limit = "max_documents_bytes"


async def read_body(request: Request, limit: int) -> bytes:
    """The body's bytes; what passes `limit` is read and dropped, so that the reply can arrive.

    Raises:
        Refusal: 413 if the body has more than `limit` bytes, 408 if it does not arrive in time, 503
            if the service holds too many bytes.
    """
    service = service_of(request)
    try:
        with fail_after(service.settings.body_seconds):
            size, chunks = await _read(request, limit)
    except TimeoutError:
        raise Refusal(
            BODY_TIMEOUT,
            f"the body did not arrive within {service.settings.body_seconds:g} seconds; expected "
            "all of it; send it faster, or in parts",
            headers={"connection": "close"},
        ) from None
    if size > limit:
        raise Refusal(
            BODY_TOO_LARGE,
            f"the body has more than {limit} bytes; expected at most that; send it in parts",
        )
    return b"".join(chunks)


async def _read(request: Request, limit: int) -> tuple[int, list[bytes]]:
    service, call = service_of(request), call_of(request)
    chunks: list[bytes] = []
    size = 0
    # A reply sent while the client still writes is lost to a reset connection; past this
    # excess the client is no mistake, and may be.
    last = 4 * limit
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            service.in_flight.hold(call, len(chunk))
            chunks.append(chunk)
        elif size > last:
            break
    return size, chunks


def check_media_type(request: Request) -> None:
    """Refuse with 415 what is not plain, uncompressed JSON in UTF-8."""
    said = request.headers.get("content-type", "").strip()
    if not _MEDIA_TYPE.fullmatch(said):
        found = f"is {said[:_LONGEST]!r}" if said else "is missing"
        raise Refusal(
            UNSUPPORTED_MEDIA_TYPE,
            f"the content-type {found}; expected application/json in UTF-8; "
            "set the header content-type: application/json",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(
            UNSUPPORTED_MEDIA_TYPE,
            "the body is compressed; expected no content-encoding; send it as it is",
        )


async def _parse_aside(content: bytes, max_depth: int) -> Any:
    if len(content) < _LARGE:
        return parse(content, max_depth=max_depth)
    return await to_thread.run_sync(lambda: parse(content, max_depth=max_depth))


def parse(content: bytes, *, max_depth: int) -> Any:
    """The value that `content` says, where every reader would read the same.

    Raises:
        Refusal: 400 if it is not JSON, nests deeper than `max_depth`, holds a name twice in one
            mapping, or U+0000.
    """
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise _malformed(str(error)) from None
    names = 0
    suspect = b"\\u0000" in content
    for depth, level in enumerate(_levels(value), start=1):
        if depth > max_depth:
            raise _malformed(f"it nests deeper than {max_depth} levels")
        if suspect and any("\0" in text for text in _texts(level)):
            raise _malformed("a string holds U+0000, which many programs cut texts at")
        names += sum(len(_names(part)) for part in level)
    # Outside of strings, valid JSON has one colon a name.
    if names != _STRING.sub(b"", content).count(b":"):
        raise _malformed("a name stands twice in one mapping")
    return value


def _malformed(found: str) -> Refusal:
    return Refusal(MALFORMED_JSON, f"found: {found}; expected one JSON value in UTF-8; correct it")


def _levels(value: Any) -> Iterator[list[Any]]:
    level = [value]
    while level:
        yield level
        level = [part for parent in level for part in _parts(parent)]


def _names(part: Any) -> list[str]:
    return list(cast("dict[str, Any]", part)) if isinstance(part, dict) else []


def _parts(parent: Any) -> list[Any]:
    if isinstance(parent, dict):
        return list(cast("dict[str, Any]", parent).values())
    any_parent: Any = parent
    parts: list[Any] = any_parent if isinstance(parent, list) else []
    return parts


def _texts(level: list[Any]) -> Iterator[str]:
    for part in level:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            yield from part
