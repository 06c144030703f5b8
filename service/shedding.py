"""Who is turned away before anything else is done? Whoever asks for a lane that is full.

Under overload most requests end here, so this costs a tenth of what answering one does: no body is
read, no route is matched, no line is logged for each. What passes is looked at again by the guard.
Under uvicorn, `door.py` does the same even sooner.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lexmax.service.lanes import Lane
from lexmax.service.logs import Log
from lexmax.service.metrics import Metrics
from lexmax.service.permissions import PERMISSIONS, LaneName
from lexmax.service.problems import Refusal, problem_reply
from lexmax.service.reply_headers import with_security
from lexmax.service.request_log import request_id

_SAY_EVERY_S = 1.0
_NAMED = re.compile(r"/v1/collections/[^/]+(/[a-z]+(?:/[a-z]+)?)?$")


class TurnedAway:
    """Counts whom there was no room for, and tells the log once a second."""

    def __init__(
        self, *, log: Log, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._metrics, self._clock = log, metrics, clock
        self._unsaid: dict[LaneName, int] = {}
        self._say_at = clock()

    def count(self, name: LaneName, code: str) -> None:
        """One more, at this lane."""
        self._metrics.turned_away(name)
        self._metrics.problem(code)
        self._unsaid[name] = self._unsaid.get(name, 0) + 1
        now = self._clock()
        if now >= self._say_at:
            self._say_at = now + _SAY_EVERY_S
            for lane, n in self._unsaid.items():
                self._log.warning("turned_away", lane=lane, requests=n)
            self._unsaid.clear()


class Shedding:
    """Around everything: answers 503 where there is no room."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        lanes: Mapping[LaneName, Lane],
        turned_away: TurnedAway,
        tls: bool = False,
    ) -> None:
        """`tls` says whether replies go to clients encrypted."""
        self._app, self._lanes, self._turned_away, self._tls = app, lanes, turned_away, tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it, as ASGI has it."""
        name = lane_of(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        try:
            self._lanes[name].require_room()
        except Refusal as refused:
            self._turned_away.count(name, refused.problem.code)
            reply = refusal_reply(scope, refused, request_id(scope), tls=self._tls)
            await reply(scope, receive, send)
            return
        await self._app(scope, receive, send)


def refusal_reply(scope: Scope, refused: Refusal, request_id: str, *, tls: bool) -> Response:
    """What is sent to a request that comes no further."""
    state: dict[str, Any] = scope.setdefault("state", {})
    state["request_id"] = request_id
    reply = problem_reply(scope, refused.problem, refused.detail, headers=refused.headers)
    headers = (*reply.raw_headers, (b"x-request-id", request_id.encode()))
    reply.raw_headers = list(with_security(headers, tls=tls))
    return reply


def lane_of(method: str, path: str) -> LaneName | None:
    """The lane of a request; None where it has none, or only matching its route would tell."""
    found = PERMISSIONS.get((method, path))
    if found is None and (match := _NAMED.match(path)):
        found = PERMISSIONS.get((method, f"/v1/collections/{{name}}{match[1] or ''}"))
    return None if found is None else found.lane
