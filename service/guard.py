"""May this request be answered now? Asked before its body is read.

After the gate has found its key: is the key good for this route and collection, has it asked too
often, and is there room for one more request of this kind?
"""

import math
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from fastapi import Request, Response
from fastapi.routing import APIRoute

from lexmax.service.calls import Call, asked_timeout_ms
from lexmax.service.keys import Key
from lexmax.service.parts import Service
from lexmax.service.permissions import PERMISSIONS, UNKNOWN, Permission, Reach
from lexmax.service.problems import FORBIDDEN, RATE_LIMITED, READ_ONLY, Refusal

_READ_ONLY_DETAIL = (
    "this process only reads the collections; expected a request that changes nothing; send it to "
    "the process that writes to them"
)
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})

Answer: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]


def guarded(route: APIRoute, answer: Answer) -> Answer:
    """`answer`, asked only where the request may be answered."""

    async def answer_admitted(request: Request) -> Response:
        permission = PERMISSIONS.get((request.method, route.path), UNKNOWN)
        if permission.reach is Reach.NOBODY:
            return await answer(request)
        service: Service = request.app.state.service
        alias = _follow_alias(request, permission, service)
        _require_allowed(request, permission, service)
        if permission.lane is None:
            return await answer(request)
        if permission.lane == "write" and service.settings.read_only:
            raise Refusal(READ_ONLY, _READ_ONLY_DETAIL)
        service.lanes[permission.lane].require_room()
        call = Call()
        call.ends_within(asked_timeout_ms(request.headers, service.settings.max_timeout_ms))
        if request.method in _WITHOUT_BODY:
            call.receive = request.receive
        if alias is not None:
            call.elsewhere = _elsewhere(request, permission, service, alias)
        request.state.call = call
        with service.in_flight.entered(call):
            return await answer(request)

    return answer_admitted


class GuardedRoute(APIRoute):
    """A route without a body."""

    def get_route_handler(self) -> Answer:
        """FastAPI's own, behind the guard."""
        return guarded(self, super().get_route_handler())


def _follow_alias(request: Request, permission: Permission, service: Service) -> str | None:
    """Put the collection in the place of an alias in the path, for the guard and the route alike.

    So what is allowed is what is done, whatever the alias means a moment later; the alias is
    returned, if there was one.
    """
    name = request.path_params.get("name")
    if name is None or permission.makes:
        return None
    meant = service.collections.meant(name)
    if meant == name:
        return None
    request.scope["path_params"] = {**request.path_params, "name": meant}
    return str(name)


def _elsewhere(
    request: Request, permission: Permission, service: Service, alias: str
) -> Callable[[], str | None]:
    key: Key | None = getattr(request.state, "key", None)

    def find() -> str | None:
        meant = service.collections.meant(alias)
        return meant if key is None or permission.allows(key, meant) else None

    return find


def _require_allowed(request: Request, permission: Permission, service: Service) -> None:
    key: Key | None = getattr(request.state, "key", None)
    if key is None:  # The gate lets nobody in without, unless no key is asked for.
        return
    collection = request.path_params.get("name")
    if not permission.allows(key, collection):
        raise Refusal(FORBIDDEN, _forbidden(permission, collection))
    if wait := service.rates.take(key.key_id, key.per_second or service.settings.per_second):
        raise Refusal(
            RATE_LIMITED,
            f"key {key.key_id} has asked more often than it may; expected fewer requests a "
            "second; wait as long as the header Retry-After says",
            headers={"retry-after": str(math.ceil(wait))},
        )


def _forbidden(permission: Permission, collection: str | None) -> str:
    scope = permission.scope.name.lower()
    where = "this collection" if permission.reach is Reach.COLLECTION and collection else "all"
    where = "a collection" if permission.reach is Reach.SOMEWHERE else where
    example = scope if where != "this collection" else f"{scope}:<collection>"
    return (
        f"the key may not do this; expected one of scope {scope} for {where}; make one with "
        f"`lexmax keys create NAME --allow {example}`"
    )


def seen_collections(request: Request, names: list[str]) -> list[str]:
    """Those of the collections that the request's key may read."""
    key: Key | None = getattr(request.state, "key", None)
    permission = PERMISSIONS["GET", "/v1/collections/{name}"]
    return [name for name in names if key is None or permission.allows(key, name)]
