"""How is the service doing? Counters and latencies in Prometheus' text format.

Labels come from the service (route templates, codes, stages), never from a client, so their number
is bounded.
"""

from collections.abc import Mapping

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from lexmax.stages import PRESETS

MEDIA_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Metrics of one service, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "lexmax_requests",
            "Requests answered",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._problems = Counter(
            "lexmax_problems", "Problem replies, by their code", ["code"], registry=self._registry
        )
        self._request_seconds = Histogram(
            "lexmax_request_seconds",
            "Time from a request's first byte to its reply's last",
            ["route"],
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._stage_seconds = Histogram(
            "lexmax_stage_seconds",
            "Time of one stage of answering a query",
            ["pipeline", "stage"],
            registry=self._registry,
            buckets=_SECONDS,
        )

        self._waited_seconds = Histogram(
            "lexmax_waited_seconds",
            "Time that work waited for a thread, by lane",
            ["lane"],
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._batch_sizes = Histogram(
            "lexmax_batch_size",
            "Requests whose texts went through a model together",
            ["batch"],
            registry=self._registry,
            buckets=_BATCH_SIZES,
        )
        self._turned_away = Counter(
            "lexmax_turned_away",
            "Requests for which there was no room, by lane; in no other count of requests",
            ["lane"],
            registry=self._registry,
        )
        self._late_seconds = Histogram(
            "lexmax_loop_late_seconds",
            "How late the event loop came to a timer; requests wait as long unread",
            registry=self._registry,
            buckets=_SECONDS,
        )
        ProcessCollector(registry=self._registry)

    def register(self, collector: Collector) -> None:
        """Ask this one too whenever the metrics are read."""
        self._registry.register(collector)

    def waited(self, lane: str, seconds: float) -> None:
        """Count how long a piece of work waited for its turn."""
        self._waited_seconds.labels(lane).observe(seconds)

    def turned_away(self, lane: str) -> None:
        """Count a request for which there was no room."""
        self._turned_away.labels(lane).inc()

    def late(self, seconds: float) -> None:
        """Count how late the event loop came."""
        self._late_seconds.observe(seconds)

    def batch(self, name: str, n_asks: int) -> None:
        """Count how many requests shared a batch."""
        self._batch_sizes.labels(name).observe(n_asks)

    def request(self, method: str, route: str, *, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def problem(self, code: str) -> None:
        """Count one problem reply."""
        self._problems.labels(code).inc()

    def stages(self, pipeline: str, timings_ms: Mapping[str, float]) -> None:
        """Count the stages of one query."""
        for stage, ms in timings_ms.items():
            self._stage_seconds.labels(pipeline, stage.removesuffix("_ms")).observe(ms / 1000)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)


def pipeline_label(name: str) -> str:
    """The preset that a pipeline's name begins with; "custom" for what a client has made up."""
    short = name.partition(":")[0]
    return short if short in PRESETS else "custom"
