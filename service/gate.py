"""May this request come in at all? By its key, or by the name that it calls the service by."""

from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from lexmax.service.hosts import is_local_name
from lexmax.service.keys import Key
from lexmax.service.permissions import PUBLIC_PATHS
from lexmax.service.problems import HOST_NOT_ALLOWED, UNAUTHENTICATED, Refusal, problem_reply
from lexmax.service.settings import Settings

_KEY_HEADERS = (b"api-key", b"x-api-key")


class Gate:
    """Around everything: whatever lies behind, public paths apart, a valid key has been shown.

    Without keys, only those come in that call the service by an address or a name of this machine.
    """

    def __init__(
        self, app: ASGIApp, *, settings: Settings, find: Callable[[str], Key | None] | None
    ) -> None:
        """`find` gives the key of a text; None asks for none."""
        self._app = app
        self._find = find
        metrics = ("/metrics",) if settings.public_metrics else ()
        self._public = PUBLIC_PATHS.union(metrics)
        anybody = settings.insecure and not settings.allowed_hosts
        self._hosts = None if anybody else settings.allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer it here, as ASGI has it."""
        try:
            if scope["type"] == "http":
                self._check(scope)
        except Refusal as refused:
            reply = problem_reply(scope, refused.problem, refused.detail, headers=refused.headers)
            await reply(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        if self._find is None:
            self._check_host(scope)
        elif scope["path"] not in self._public:
            key = self._find(_shown(scope) or "")
            if key is None:
                raise _unauthenticated()
            state: dict[str, Any] = scope.setdefault("state", {})
            state["key"] = key

    def _check_host(self, scope: Scope) -> None:
        host = _header(scope, b"host")
        if self._hosts is not None and not is_local_name(host or "", self._hosts):
            raise Refusal(
                HOST_NOT_ALLOWED,
                "the request calls this service by a name that it does not know; expected "
                "localhost or an address; let it ask for keys, or add the name to "
                "LEXMAX_ALLOWED_HOSTS",
            )


def _shown(scope: Scope) -> str | None:
    """The text of the key that a request shows."""
    said = _header(scope, b"authorization")
    if said is not None:
        kind, _, secret = said.partition(" ")
        return secret.strip() if kind.lower() == "bearer" else None
    return next((found for name in _KEY_HEADERS if (found := _header(scope, name))), None)


def _header(scope: Scope, wanted: bytes) -> str | None:
    for name, value in scope["headers"]:
        if name == wanted:
            return str(value.decode("latin-1"))
    return None


def _unauthenticated() -> Refusal:
    return Refusal(
        UNAUTHENTICATED,
        "the request shows no key that holds; expected the header Authorization: Bearer <key>, or "
        "api-key: <key>; `lexmax keys create` makes one",
        headers={"www-authenticate": "Bearer"},
    )
