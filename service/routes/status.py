"""Is the service alive, is it ready, and how is it doing?"""

import os

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from lexmax.service import docs_page, metrics
from lexmax.service.guard import GuardedRoute
from lexmax.service.lanes import RETRY_AFTER
from lexmax.service.measured import Measured
from lexmax.service.parts import Parts
from lexmax.service.problems import NOT_READY, Refusal
from lexmax.service.schemas import StatusReply
from lexmax.service.status_report import ServiceReport, report

router = APIRouter(tags=["status"], route_class=GuardedRoute)


@router.get("/healthz", include_in_schema=False)
@router.get("/health")
async def health() -> StatusReply:
    """Whether the process answers at all."""
    return StatusReply(status="alive")


@router.get("/readyz", include_in_schema=False)
@router.get("/ready")
async def ready(service: Parts) -> StatusReply:
    """Whether encoders are loaded, and the folder of collections can be used."""
    folder = service.settings.data
    missing = service.readiness.missing
    reads, writes = os.R_OK | os.X_OK, 0 if service.settings.read_only else os.W_OK
    if not missing and not os.access(folder, reads | writes):
        verb = "read and written" if writes else "read"
        missing = f"its folder of collections cannot be {verb}"
    if missing:
        raise Refusal(
            NOT_READY,
            f"the service is not ready: {missing}; try again later",
            headers=RETRY_AFTER,
        )
    return StatusReply(status="ready")


@router.get("/metrics", response_class=Response, include_in_schema=False)
async def read_metrics(service: Parts) -> Response:
    """Counters and latencies, for Prometheus."""
    # Collections are asked too, and that reads files.
    return Response(await to_thread.run_sync(service.metrics.text), media_type=metrics.MEDIA_TYPE)


@router.get("/v1/status", response_model=ServiceReport)
async def read_status(service: Parts, request: Request) -> Response:
    """How the service is: its lanes, encoders, collections and memory, for people."""
    measured: Measured = request.app.state.measured
    said = await to_thread.run_sync(report, service, measured)
    return Response(said.model_dump_json(indent=2), media_type="application/json")


@router.get("/docs", response_class=Response, include_in_schema=False)
async def read_docs(request: Request) -> Response:
    """Every route with its body and reply, for people."""
    return Response(docs_page.render(request.app.openapi()), media_type="text/html; charset=utf-8")
