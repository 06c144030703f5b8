"""How is the service at this moment? Read when metrics or `/v1/status` are asked for."""

import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lexmax.collection import Collection
from lexmax.errors import LexmaxError
from lexmax.service.parts import Service

_MOST_COLLECTIONS = 100
_STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class MeasuredCollection:
    """One collection that is open; `bytes` are those on disk."""

    name: str
    documents: int
    pending: int
    segments: int
    generation: int
    bytes: int


@dataclass(frozen=True, slots=True, eq=False)  # the registry asks for its hash
class Measured(Collector):
    """Reads the parts of one service."""

    service: Service
    started: float = field(default_factory=time.monotonic)

    @property
    def uptime_s(self) -> float:
        """Seconds since the service was made."""
        return time.monotonic() - self.started

    def collections(self) -> Iterator[MeasuredCollection]:
        """Collections that are open, by name, up to a hundred; those that fail are left out."""
        for name in self.service.collections.opened()[:_MOST_COLLECTIONS]:
            try:
                with self.service.collections.using(name) as collection:
                    yield _measured(name, collection)
            except LexmaxError:  # deleted meanwhile, or its own requests say what is wrong
                continue

    def collect(self) -> Iterator[Metric]:
        """Metrics, as Prometheus' registry asks for them."""
        yield _info()
        yield from self._lanes()
        yield from self._queries()
        yield from self._collections()

    def _lanes(self) -> Iterator[Metric]:
        running = GaugeMetricFamily("lexmax_running", "Work under way", labels=["lane"])
        waiting = GaugeMetricFamily("lexmax_waiting", "Work that waits", labels=["lane"])
        for name, lane in self.service.lanes.items():
            running.add_metric([name], lane.n_running)
            waiting.add_metric([name], lane.n_waiting)
        yield running
        yield waiting
        jobs = self.service.jobs
        yield _gauge("lexmax_jobs_running", "Corpora that are being indexed", jobs.n_running)
        yield _gauge("lexmax_jobs_waiting", "Jobs behind them", jobs.n_waiting)
        pace = self.service.searching.pace
        yield _gauge("lexmax_allowed", "Threads that may search at one time now", pace.allowed)
        in_flight = self.service.in_flight
        yield _gauge("lexmax_requests_in_flight", "Requests under way", in_flight.requests)
        yield _gauge("lexmax_held_bytes", "Bytes of their bodies", in_flight.bytes)
        ready = not self.service.readiness.missing
        yield _gauge("lexmax_ready", "1 where GET /ready says so", int(ready))

    def _queries(self) -> Iterator[Metric]:
        cache = self.service.encoders.cache
        seen = CounterMetricFamily(
            "lexmax_query_cache", "Look-ups of encoded queries", labels=["found"]
        )
        seen.add_metric(["yes"], cache.n_hits)
        seen.add_metric(["no"], cache.n_misses)
        yield seen
        yield _gauge("lexmax_query_cache_bytes", "Encoded queries in memory", cache.n_bytes)

    def _collections(self) -> Iterator[Metric]:
        measured = list(self.collections())
        for kind, said in _OF_COLLECTIONS.items():
            family = GaugeMetricFamily(f"lexmax_collection_{kind}", said, labels=["collection"])
            for one in measured:
                family.add_metric([one.name], getattr(one, kind))
            yield family


_OF_COLLECTIONS = {
    "documents": "Documents of an open collection",
    "pending": "Its documents that are in no segment yet",
    "segments": "Its segments",
    "generation": "Its generation, which grows with every change",
    "bytes": "Its bytes on disk",
}


def resident_bytes() -> int:
    """Memory of this process that is in RAM; the most that it ever was where that is not known."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGESIZE")


def lexmax_version() -> str:
    """Of the installed package."""
    return version("lexmax")


def _measured(name: str, collection: Collection) -> MeasuredCollection:
    said = collection.describe()
    segments = said["segments"]
    assert isinstance(segments, list)
    return MeasuredCollection(
        name,
        documents=_number(said["n_docs"]),
        pending=_number(said["n_pending"]),
        segments=len(segments),
        generation=_number(said["generation"]),
        bytes=_number(said["bytes"]),
    )


def _number(said: object) -> int:
    return said if isinstance(said, int) else 0


def _info() -> Metric:
    info = GaugeMetricFamily("lexmax_info", "1, with the version", labels=["version"])
    info.add_metric([lexmax_version()], 1)
    return info


def _gauge(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(name, said, value)
