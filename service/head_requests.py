"""How is a request answered that asks what GET would be answered, without the body?

As GET, whose body stays here (RFC 9110, 9.3.2). Probes ask so, and whoever wants to know whether a
document is there. The events of a job, which GET only begins to send, have no HEAD.
"""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_EVENTS = re.compile(r"/v1/collections/[^/]+/jobs/[^/]+/events")


def has_head(path: str) -> bool:
    """Whether what GET answers at this path, or template of a path, has an end."""
    return _EVENTS.fullmatch(path) is None


class HeadRequests:
    """Around everything: HEAD is answered as GET is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope.get("method") != "HEAD" or not has_head(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # A copy: the server has to know what was asked.
        await self._app({**scope, "method": "GET"}, receive, send_head)
