"""The application: parts made, routes added, encoders loaded once, everything closed at the end."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
from anyio import to_thread
from fastapi import FastAPI

from lexmax.encoders import Encoders
from lexmax.errors import LexmaxError, QueryError
from lexmax.index.kept_documents import DocumentCache
from lexmax.service import facades, problems, routes
from lexmax.service.collections import NAME_RULE, OpenCollections
from lexmax.service.facades.failures import Failures
from lexmax.service.gate import Gate
from lexmax.service.head_requests import HeadRequests
from lexmax.service.in_flight import InFlight
from lexmax.service.job_runner import JobLimits, JobRunner
from lexmax.service.job_uploads import sweep_uploads
from lexmax.service.key_file import KeyFile
from lexmax.service.lanes import Lane
from lexmax.service.logs import Log, make_log
from lexmax.service.measured import Measured
from lexmax.service.metrics import Metrics
from lexmax.service.pace import keep_pace
from lexmax.service.parts import Service
from lexmax.service.places import Places
from lexmax.service.request_log import RequestLog
from lexmax.service.schemas import ProblemReply
from lexmax.service.served_encoders import ServedEncoders
from lexmax.service.settings import Settings
from lexmax.service.shedding import Shedding, TurnedAway
from lexmax.service.tracing import Tracing, make_tracing

_PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemReply, "description": description}
    for status, description in (
        ("4XX", "The request cannot be answered"),
        ("5XX", "The service cannot answer"),
    )
}
_PROBLEM_SCHEMA = {"$ref": "#/components/schemas/ProblemReply"}


def create_app(
    settings: Settings,
    *,
    encoders: Encoders | None = None,
    log: Log | None = None,
    when_ready: Callable[[], None] = lambda: None,
) -> FastAPI:
    """The service over the collections in `settings.data`.

    Args:
        settings: how it is set up.
        encoders: shared with whoever else uses them; made here if absent.
        log: where it says what it does; JSON lines on stderr if absent.
        when_ready: called once, when encoders are loaded and collections are open.

    Raises:
        InputError: if the file of keys cannot be read.
        StorageError: if the folder of collections cannot be made or read.
    """
    service = _service(settings, encoders or Encoders(), log or make_log(settings.log_level))
    app = FastAPI(
        title="lexmax",
        summary="Retrieval and reranking with learned sparse and multi-vector indexes",
        lifespan=_lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        responses=_PROBLEM_RESPONSES,
    )
    app.state.service, app.state.when_ready = service, when_ready
    app.state.measured = Measured(service)
    service.metrics.register(app.state.measured)
    _add_layers(app, service)
    problems.install(app, service.log)
    routes.include(app)
    facades.include(app)
    _correct_media_types(app)
    return app


def _add_layers(app: FastAPI, service: Service) -> None:
    """What is around all routes; the last one added is the first that a request comes to."""
    settings, log, metrics = service.settings, service.log, service.metrics
    tls = settings.tls_cert is not None
    keys = None if settings.keys is None else KeyFile(settings.keys, log=log)
    app.add_middleware(Gate, settings=settings, find=None if keys is None else keys.find)
    app.add_middleware(RequestLog, log=log, metrics=metrics, tls=tls)
    if settings.trace:
        app.add_middleware(Tracing, **make_tracing())
    app.state.turned_away = TurnedAway(log=log, metrics=metrics)
    app.add_middleware(Shedding, lanes=service.lanes, turned_away=app.state.turned_away, tls=tls)
    app.add_middleware(Failures)
    app.add_middleware(HeadRequests)


def _service(settings: Settings, encoders: Encoders, log: Log) -> Service:
    metrics = Metrics()
    served = ServedEncoders(
        encoders,
        batch_tokens=settings.batch_tokens,
        cache_bytes=settings.query_cache_bytes,
        ran=metrics.batch,
    )

    def lane(name: str, n: int, most_waiting: int) -> Lane:
        return Lane(name, n, most_waiting, waited=metrics.waited)

    collections = OpenCollections(
        settings.data,
        encoders=served,
        documents=DocumentCache(settings.document_cache_bytes),
        delete_seconds=settings.stop_seconds,
        read_only=settings.read_only,
        behind_s=settings.max_behind_ms / 1000,
    )
    if not settings.read_only:
        sweep_uploads(settings.data)
    return Service(
        settings=settings,
        encoders=served,
        collections=collections,
        metrics=metrics,
        log=log,
        searching=lane("search", settings.search_threads, settings.search_queue),
        writing=lane("write", settings.write_threads, settings.write_queue),
        encoding=lane("encode", settings.encode_threads, settings.encode_queue),
        in_flight=InFlight(settings.max_requests, settings.max_held_bytes),
        snapshots=Places(settings.max_snapshots, who="snapshots"),
        jobs=JobRunner(
            collections,
            log,
            settings.import_dir,
            settings.read_only,
            JobLimits(settings.max_jobs, settings.job_queue),
        ),
        job_listeners=Places(settings.max_job_listeners, who="followers of jobs"),
        document_streams=Places(settings.max_document_streams, who="streams of documents"),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    service: Service = app.state.service
    try:
        async with anyio.create_task_group() as background:
            # Aside, so that /health answers and /ready says why not, while models load.
            background.start_soon(_prepare, service, app.state.when_ready)
            background.start_soon(
                keep_pace, service.searching, service.writing, service.metrics.late
            )
            yield
            service.stop_soon()
            background.cancel_scope.cancel()
    finally:
        await to_thread.run_sync(_close, service)
        service.log.info("stopped")


def _close(service: Service) -> None:
    service.jobs.close()
    for lane in service.lanes.values():
        lane.close()
    try:
        service.collections.close()
    except LexmaxError as error:  # a full disk: what was acknowledged stays pending
        service.log.error("not_closed", error=type(error).__name__, found=str(error))
    service.encoders.close()


async def _prepare(service: Service, when_ready: Callable[[], None]) -> None:
    try:
        await to_thread.run_sync(_warm, service)
        when_ready()
    except Exception as error:  # whatever it is, the service stays up to say that it is not ready
        service.readiness.missing = "an encoder or its folder cannot be used; its log says why"
        service.log.error("not_ready", error=type(error).__name__, found=str(error))
        return
    service.readiness.missing = ""
    service.log.info("ready")


def _warm(service: Service) -> None:
    for spec in service.settings.warm:
        service.encoders.query_tokens(service.encoders.multivector(spec), "warm")
    for name in service.collections.misnamed():
        service.log.error("collection_not_served", folder=name, expected_name=NAME_RULE)
    for spec in service.settings.rerankers:
        service.encoders.pairs(spec).score("warm", ["warm"])
    for spec in service.settings.models:
        service.encoders.load(spec)
    for name in service.collections.names():
        try:
            with service.collections.using(name) as collection, suppress(QueryError):
                collection.search("warm", 1)  # loads encoders, and touches what searches read
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
                    if content.get("application/json", {}).get("schema") == _PROBLEM_SCHEMA:
                        content[problems.MEDIA_TYPE] = content.pop("application/json")
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
