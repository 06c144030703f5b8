"""How does a collection get out of the service in one file, and into it again?"""

from collections.abc import AsyncGenerator
from contextlib import ExitStack

import anyio
from anyio import to_thread
from fastapi import APIRouter, Request, Response, status
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lexmax.archiving import Archive
from lexmax.collection import Collection
from lexmax.errors import LexmaxError
from lexmax.restoring import RestoreLimits, Restoring
from lexmax.service.guard import GuardedRoute
from lexmax.service.parts import Parts, Service
from lexmax.service.problems import BODY_TIMEOUT, UNSUPPORTED_MEDIA_TYPE, Refusal
from lexmax.service.restored_encoders import check_specs
from lexmax.service.routes.collections import described
from lexmax.service.schemas import CollectionName, CollectionReply
from lexmax.snapshot_tar import MEDIA_TYPE

router = APIRouter(tags=["snapshots"], route_class=GuardedRoute)

_PIECE = 1 << 20
_TAR = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "/v1/collections/{name}/snapshot",
    response_class=Response,
    responses={200: {"description": "A tar", "content": {MEDIA_TYPE: _TAR}}},
)
async def take_snapshot(name: CollectionName, service: Parts) -> Response:
    """The collection as it is now, as a tar; searches, writes and merges go on.

    It has documents that are deleted but not yet merged away. The encoders' own files, where they
    are not lexmax's, are not in it.
    """
    scratch = service.settings.data
    with ExitStack() as place:
        place.enter_context(service.snapshots.taken_by_one())
        archive = await service.write(name, lambda one: Archive(one.path, scratch=scratch))
        return _Snapshot(name, archive, service, place.pop_all())


@router.put(
    "/v1/collections/{name}/snapshot",
    status_code=status.HTTP_201_CREATED,
    openapi_extra={"requestBody": {"required": True, "content": {MEDIA_TYPE: _TAR}}},
)
async def restore_snapshot(
    name: CollectionName, request: Request, service: Parts
) -> CollectionReply:
    """A new collection from a snapshot: whole and verified, or not at all.

    A snapshot is checked against damage, not against malice: restore those that you took.
    """
    if request.headers.get("content-type", "").strip().lower() != MEDIA_TYPE:
        raise Refusal(
            UNSUPPORTED_MEDIA_TYPE,
            f"the content-type is missing or another one; expected {MEDIA_TYPE}; send the file as "
            "POST /v1/collections/{name}/snapshot gave it",
            headers={"connection": "close"},
        )
    with service.snapshots.taken_by_one():
        await _restored(name, request, service)
    return await service.read(name, lambda collection: described(name, collection))


async def _restored(name: str, request: Request, service: Service) -> None:
    settings = service.settings
    limits = RestoreLimits(settings.max_snapshot_bytes, settings.max_snapshot_members)
    restoring = await service.writing.run(
        lambda: service.collections.restoring(name, limits=limits), service.call
    )
    try:
        await _feed(restoring, request, service)

        def finish() -> None:
            restoring.check(
                service.encoders, accept=lambda collection: _accept(collection, service)
            )
            service.collections.publish(name, restoring)

        await service.writing.run(finish, service.call)
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(restoring.close)


async def _feed(restoring: Restoring, request: Request, service: Service) -> None:
    try:
        with anyio.fail_after(service.settings.snapshot_seconds):
            async for piece in _pieces(request):
                await to_thread.run_sync(restoring.feed, piece)
                service.call.check()
    except TimeoutError:
        raise Refusal(
            BODY_TIMEOUT,
            f"the snapshot did not arrive within {service.settings.snapshot_seconds:g} seconds; "
            "expected all of it; send it faster, or allow more time",
            headers={"connection": "close"},
        ) from None


async def _pieces(request: Request) -> AsyncGenerator[bytes, None]:
    """The body in larger pieces than it arrives in: each is a way to a thread and back."""
    held = bytearray()
    async for piece in request.stream():
        held += piece
        if len(held) >= _PIECE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _accept(collection: Collection, service: Service) -> None:
    check_specs(collection.encoders.specs.values(), service.settings)


class _Snapshot(StreamingResponse):
    """Sends an archive, and lets go of it and of its place whatever happens."""

    def __init__(self, name: str, archive: Archive, service: Service, place: ExitStack) -> None:
        super().__init__(
            archive.chunks(),
            media_type=MEDIA_TYPE,
            headers={
                "content-length": str(archive.n_bytes),
                "content-disposition": f'attachment; filename="{name}.tar"',
                "lexmax-generation": str(archive.generation),
            },
        )
        self._archive, self._service, self._place = archive, service, place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with anyio.move_on_after(self._service.settings.snapshot_seconds):
                await super().__call__(scope, receive, send)
        except* LexmaxError as group:
            # The reply has begun: without its last bytes, whoever reads it knows that it is cut.
            for error in group.exceptions:
                self._service.log.error(
                    "snapshot_failed", error=type(error).__name__, found=str(error)
                )
        finally:
            self._place.close()
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._archive.close)
