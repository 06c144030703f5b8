"""What does a route work with? The parts of one running service."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from lexmax.collection import Collection
from lexmax.errors import LockedError, NotACollectionError
from lexmax.service.calls import Call
from lexmax.service.collections import OpenCollections
from lexmax.service.in_flight import InFlight
from lexmax.service.job_runner import JobRunner
from lexmax.service.lanes import Lane
from lexmax.service.logs import Log
from lexmax.service.metrics import Metrics
from lexmax.service.permissions import LaneName
from lexmax.service.places import Places
from lexmax.service.rates import Rates
from lexmax.service.served_encoders import ServedEncoders
from lexmax.service.settings import Settings

T = TypeVar("T")


@dataclass(slots=True)
class Readiness:
    """Whether requests are welcome, and if not, why."""

    missing: str = "it is loading its encoders and collections"
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that requests share, and the one request that it is seen from.

    `searching`, `writing` and `encoding` are the lanes of these kinds of work.
    """

    settings: Settings
    encoders: ServedEncoders
    collections: OpenCollections
    metrics: Metrics
    log: Log
    searching: Lane
    writing: Lane
    encoding: Lane
    in_flight: InFlight
    snapshots: Places
    jobs: JobRunner
    job_listeners: Places
    document_streams: Places
    rates: Rates = field(default_factory=Rates)
    readiness: Readiness = field(default_factory=Readiness)
    call: Call = field(default_factory=Call)

    def stop_soon(self) -> None:
        """Not ready from now on; long work ends at its next safe place. Takes no lock."""
        self.readiness.missing, self.readiness.stopping = "it is stopping", True
        self.jobs.stopping = True

    @property
    def lanes(self) -> Mapping[LaneName, Lane]:
        """All lanes by name."""
        return {"search": self.searching, "write": self.writing, "encode": self.encoding}

    async def read(self, name: str, work: Callable[[Collection], T]) -> T:
        """What `work` finds in the collection, on a thread for searching."""
        return await self.searching.run(lambda: self._with(name, work), self.call)

    async def write(self, name: str, work: Callable[[Collection], T]) -> T:
        """What `work` answers, on a thread for writing: long writes never hold up searches."""
        return await self.writing.run(lambda: self._with(name, work), self.call)

    def took(self, pipeline: str, timings_ms: Mapping[str, float]) -> None:
        """Count what the stages of this request took."""
        self.metrics.stages(pipeline, timings_ms)
        self.call.timings_ms.update(timings_ms)

    def _with(self, name: str, work: Callable[[Collection], T]) -> T:
        with ExitStack() as used:
            return work(self._entered(name, used))

    def _entered(self, name: str, used: ExitStack) -> Collection:
        """The collection; where its alias was switched and it is gone already, the new one."""
        try:
            return used.enter_context(self.collections.using(name))
        except (LockedError, NotACollectionError):
            elsewhere = None if self.call.elsewhere is None else self.call.elsewhere()
            if elsewhere is None or elsewhere == name:
                raise
            return used.enter_context(self.collections.using(elsewhere))


def service_of(request: Request) -> Service:
    """The service that the request reached."""
    service: Service = request.app.state.service
    return service


def call_of(request: Request) -> Call:
    """The request's own time and client."""
    call: Call = request.state.call
    return call


async def seen_from(request: Request) -> Service:
    """The service as the request's own time and client have it."""
    # Not a plain function: FastAPI would call that on a thread.
    call: Call | None = getattr(request.state, "call", None)
    return service_of(request) if call is None else replace(service_of(request), call=call)


Parts = Annotated[Service, Depends(seen_from)]
