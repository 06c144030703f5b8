"""What does a route work with? The parts of one running service."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.service.collections import OpenCollections
from lexmax.service.logs import Log
from lexmax.service.metrics import Metrics
from lexmax.service.settings import Settings
from lexmax.service.threads import Threads

T = TypeVar("T")


@dataclass(slots=True)
class Readiness:
    """Whether requests are welcome, and if not, why."""

    missing: str = "it is loading its encoders and collections"


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that requests share."""

    settings: Settings
    encoders: Encoders
    collections: OpenCollections
    metrics: Metrics
    log: Log
    searching: Threads
    writing: Threads
    readiness: Readiness = field(default_factory=Readiness)

    async def read(self, name: str, work: Callable[[Collection], T]) -> T:
        """What `work` finds in the collection, on a thread for searching."""
        return await self.searching.run(lambda: self._with(name, work))

    async def write(self, name: str, work: Callable[[Collection], T]) -> T:
        """What `work` answers, on a thread for writing: long writes never hold up searches."""
        return await self.writing.run(lambda: self._with(name, work))

    def _with(self, name: str, work: Callable[[Collection], T]) -> T:
        with self.collections.using(name) as collection:
            return work(collection)


def service_of(request: Request) -> Service:
    """The service that the request reached."""
    service: Service = request.app.state.service
    return service


Parts = Annotated[Service, Depends(service_of)]
