"""Who is turned away before it has become a request? As in `shedding`, for a third of the cost.

uvicorn makes a task, events and messages of what arrives. Under overload most of it is turned away,
and nothing of that is needed. Whatever is unusual about a request is left to uvicorn, and then
`shedding` turns it away.
"""

import uuid
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lexmax.service.lanes import Lane
from lexmax.service.permissions import LaneName
from lexmax.service.problems import Problem, Refusal
from lexmax.service.shedding import TurnedAway, lane_of, refusal_reply

_NO_ID = b"0" * 32
_UNUSUAL = frozenset({b"x-request-id", b"expect"})


class Door(HttpToolsProtocol):
    """One connection; where there is no room, the reply is written as soon as headers are there."""

    lanes: Mapping[LaneName, Lane]
    turned_away: TurnedAway
    tls: bool
    _is_turned_away = False

    def on_headers_complete(self) -> None:
        """Turn the request away, or let uvicorn make one of it."""
        self._is_turned_away = self._has_turned_away()
        if not self._is_turned_away:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Drop the body of one that was turned away."""
        if not self._is_turned_away:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the next one."""
        if self._is_turned_away:
            self._is_turned_away = False
            self.on_response_complete()
        else:
            super().on_message_complete()

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
        parser = self.parser
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
