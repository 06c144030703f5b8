"""How is the service doing? Counters and latencies in Prometheus' text format.

Labels come from the service (route templates, codes, stages), never from a client, so their number
is bounded.
"""

from collections.abc import Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

MEDIA_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


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
