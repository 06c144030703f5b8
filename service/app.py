"""The application: parts made, routes added, encoders loaded once, everything closed at the end."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio import to_thread
from fastapi import FastAPI

from lexmax.encoders import Encoders
from lexmax.errors import LexmaxError
from lexmax.service import problems, routes
from lexmax.service.collections import NAME_RULE, OpenCollections
from lexmax.service.logs import Log, make_log
from lexmax.service.metrics import Metrics
from lexmax.service.parts import Service
from lexmax.service.request_log import RequestLog
from lexmax.service.schemas import ProblemReply
from lexmax.service.settings import Settings
from lexmax.service.threads import Threads

_PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemReply, "description": description}
    for status, description in (
        ("4XX", "The request cannot be answered"),
        ("5XX", "The service cannot answer"),
    )
}


def create_app(
    settings: Settings, *, encoders: Encoders | None = None, log: Log | None = None
) -> FastAPI:
    """The service over the collections in `settings.data`.

    Args:
        settings: how it is set up.
        encoders: shared with whoever else uses them; made here if absent.
        log: where it says what it does; JSON lines on stderr if absent.

    Raises:
        StorageError: if the folder cannot be made or read.
    """
    shared = encoders or Encoders()
    service = Service(
        settings=settings,
        encoders=shared,
        collections=OpenCollections(
            settings.data, encoders=shared, delete_seconds=settings.stop_seconds
        ),
        metrics=Metrics(),
        log=log or make_log(settings.log_level),
        searching=Threads(settings.search_threads),
        writing=Threads(settings.write_threads),
    )
    app = FastAPI(
        title="lexmax",
        summary="Retrieval and reranking with learned sparse and multi-vector indexes",
        lifespan=_lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        responses=_PROBLEM_RESPONSES,
    )
    app.state.service = service
    app.add_middleware(RequestLog, log=service.log, metrics=service.metrics)
    problems.install(app, service.log)
    routes.include(app)
    _correct_media_types(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    service: Service = app.state.service
    try:
        async with anyio.create_task_group() as background:
            # Aside, so that /health answers and /ready says why not, while models load.
            background.start_soon(_prepare, service)
            yield
            service.readiness.missing = "it is stopping"
            background.cancel_scope.cancel()
    finally:
        await to_thread.run_sync(service.collections.close)
        service.log.info("stopped")


async def _prepare(service: Service) -> None:
    try:
        await to_thread.run_sync(_warm, service)
    except Exception as error:  # whatever it is, the service stays up to say that it is not ready
        service.readiness.missing = "an encoder or its folder cannot be used; its log says why"
        service.log.error("not_ready", error=type(error).__name__, found=str(error))
        return
    service.readiness.missing = ""
    service.log.info("ready")


def _warm(service: Service) -> None:
    for spec in service.settings.warm:
        service.encoders.multivector(spec).encode_queries(["warm"])
    for name in service.collections.misnamed():
        service.log.error("collection_not_served", folder=name, expected_name=NAME_RULE)
    for name in service.collections.names():
        try:
            with service.collections.using(name):
                pass
        except LexmaxError as error:
            service.log.error("collection_not_opened", error=type(error).__name__, found=str(error))


def _correct_media_types(app: FastAPI) -> None:
    """Declare problem replies under the media type that they are sent with."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        schema = make()
        for path in schema["paths"].values():
            for operation in path.values():
                for status in _PROBLEM_RESPONSES:
                    content = operation["responses"][status]["content"]
                    if "application/json" in content:
                        content[problems.MEDIA_TYPE] = content.pop("application/json")
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
