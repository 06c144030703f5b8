"""Who is turned away before it has become a request? As in `shedding`, for a third of the cost.

uvicorn makes a task, events and messages of what arrives. Under overload most of it is turned away,
and nothing of that is needed. Whatever is unusual about a request is left to uvicorn, and then
`shedding` turns it away.

Java's HttpClient offers, unless told otherwise, to go on in HTTP/2. A server may pass over that
(RFC 9110, 7.8), but the parser takes such a request to end before its body: it is read again
without the offer.
"""

import asyncio
import uuid
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lexmax.service.lanes import Lane
from lexmax.service.permissions import LaneName
from lexmax.service.problems import Problem, Refusal
from lexmax.service.shedding import TurnedAway, lane_of, refusal_reply

_NO_ID = b"0" * 32
_UNUSUAL = frozenset({b"x-request-id", b"expect"})


class _Parser(HttpRequestParser):
    """uvicorn's, which remembers rather than raises where it stopped at such an offer."""

    stopped_at: int | None = None

    def __init__(self, protocol: object) -> None:
        super().__init__(protocol)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it

    def feed_data(self, data: Any) -> None:
        try:
            super().feed_data(data)
        except HttpParserUpgrade as offer:
            self.stopped_at = offer.args[0]


class Door(HttpToolsProtocol):
    """One connection; where there is no room, the reply is written as soon as headers are there."""

    lanes: Mapping[LaneName, Lane]
    turned_away: TurnedAway
    tls: bool
    _is_turned_away = False
    _reading: _Parser

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to read."""
        super().connection_made(transport)
        self.parser = self._reading = _Parser(self)

    def data_received(self, data: bytes) -> None:
        """Read what came, and once more what offers another protocol, without that."""
        super().data_received(data)
        while (stopped_at := self._reading.stopped_at) is not None and self._offers():
            data = self._head_without_offer() + data[stopped_at:]
            self.parser = self._reading = _Parser(self)
            super().data_received(data)

    def on_headers_complete(self) -> None:
        """Turn the request away, or let uvicorn make one of it."""
        if self._offers():
            return
        self._is_turned_away = self._has_turned_away()
        if not self._is_turned_away:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Drop the body of one that was turned away."""
        if not self._is_turned_away:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the next one."""
        if self._offers():
            return
        if self._is_turned_away:
            self._is_turned_away = False
            self.on_response_complete()
        else:
            super().on_message_complete()

    def _offers(self) -> bool:
        # CONNECT asks for another protocol too, and has no body that could be read.
        return self._reading.should_upgrade() and self._reading.get_method() != b"CONNECT"

    def _head_without_offer(self) -> bytes:
        reading = self._reading
        version = reading.get_http_version().encode()
        first = b"%b %b HTTP/%b\r\n" % (reading.get_method(), self.url, version)
        return first + _lines([one for one in self.headers if one[0] != b"upgrade"]) + b"\r\n"

    def _has_turned_away(self) -> bool:
        name = self._lane()
        if name is None:
            return False
        try:
            self.lanes[name].require_room()
        except Refusal as refused:
            self.turned_away.count(name, refused.problem.code)
            self.transport.write(self._reply(refused))
            return True
        return False

    def _lane(self) -> LaneName | None:
        """The lane of a usual request on a connection that is kept and has no other under way."""
        parser: Any = self.parser  # None once the connection is lost
        cycle: Any = self.cycle  # None before the first request, which its type does not say
        under_way = cycle is not None and not cycle.response_complete
        if under_way or parser is None or not parser.should_keep_alive() or parser.should_upgrade():
            return None
        if any(header in _UNUSUAL for header, _ in self.headers):
            return None
        try:
            return lane_of(parser.get_method().decode(), self.url.decode())
        except UnicodeDecodeError:
            return None

    def _reply(self, refused: Refusal) -> bytes:
        headers = tuple(refused.headers.items())
        first, rest = _rendered(refused.problem, refused.detail, headers, tls=self.tls)
        own = _lines(self.server_state.default_headers)
        return first + own + rest.replace(_NO_ID, uuid.uuid4().hex.encode())


def make_door(lanes: Mapping[LaneName, Lane], turned_away: TurnedAway, *, tls: bool) -> type[Door]:
    """The protocol that uvicorn is to speak; `tls` says whether replies are encrypted."""
    return type("Door", (Door,), {"lanes": lanes, "turned_away": turned_away, "tls": tls})


@lru_cache(maxsize=256)
def _rendered(
    problem: Problem, detail: str, headers: tuple[tuple[str, str], ...], *, tls: bool
) -> tuple[bytes, bytes]:
    """A reply's first line, and the rest, where `_NO_ID` stands in place of the request's id."""
    refused = Refusal(problem, detail, headers=dict(headers))
    reply = refusal_reply({"type": "http"}, refused, _NO_ID.decode(), tls=tls)
    status = HTTPStatus(reply.status_code)
    first = f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
    return first, _lines(reply.raw_headers) + b"\r\n" + bytes(reply.body)


def _lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])
