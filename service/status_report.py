"""What does a person want to know of a running service? The reply of `GET /v1/status`."""

import platform
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from lexmax.service.lanes import Lane
from lexmax.service.measured import Measured, lexmax_version, resident_bytes
from lexmax.service.parts import Service


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True)


class LaneReport(_Reply):
    """One kind of work."""

    running: int
    permits: int = Field(description="So much runs at one time")
    waiting: int
    places: int = Field(description="So much may wait; more is turned away")


class CacheReport(_Reply):
    """Encoded queries in memory."""

    queries: int
    bytes: int
    found: int = Field(description="Look-ups that found one")
    missed: int


class CollectionReport(_Reply):
    """A collection that is open; `bytes` are those on disk."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    name: str
    documents: int
    pending: int
    segments: int
    generation: int
    bytes: int


class ServiceReport(_Reply):
    """How the service is, for people; machines read /metrics."""

    status: str = Field(description="ready, or what is missing")
    version: str
    python: str
    uptime_seconds: float
    memory_bytes: int = Field(description="Of the process, in RAM")
    requests: int = Field(description="Under way now, this one left out")
    asks_for_keys: bool
    lanes: dict[str, LaneReport]
    encoders: list[str] = Field(description="Those that are loaded")
    query_cache: CacheReport
    collections: list[CollectionReport] = Field(description="Those that are open, up to a hundred")


def report(service: Service, measured: Measured) -> ServiceReport:
    """The report; asks every open collection."""
    cache = service.encoders.cache
    return ServiceReport(
        status=service.readiness.missing or "ready",
        version=lexmax_version(),
        python=platform.python_version(),
        uptime_seconds=round(measured.uptime_s, 1),
        memory_bytes=resident_bytes(),
        requests=service.in_flight.requests,
        asks_for_keys=service.settings.keys is not None,
        lanes={name: _lane(lane) for name, lane in service.lanes.items()},
        encoders=sorted({shown(spec) for spec in service.encoders.used.values()}),
        query_cache=CacheReport(
            queries=len(cache), bytes=cache.n_bytes, found=cache.n_hits, missed=cache.n_misses
        ),
        collections=[CollectionReport.model_validate(one) for one in measured.collections()],
    )


def shown(spec: str) -> str:
    """An encoder's spec with the last folder of its path alone: the machine's are its own."""
    before, parameters = spec.partition("?")[::2]
    name, path = before.partition(":")[::2]
    said = f"{name}:{Path(path).name}" if path else name
    return f"{said}?{parameters}" if parameters else said


def _lane(lane: Lane) -> LaneReport:
    return LaneReport(
        running=lane.n_running,
        permits=lane.pace.most,
        waiting=lane.n_waiting,
        places=lane.most_waiting,
    )
