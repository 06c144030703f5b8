"""What does a system answer to all queries, and how long does a single one take?"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from lexmax.collection import Collection
from lexmax.errors import QueryError
from lexmax.eval.experiments.calibrated import Share
from lexmax.eval.runs import Run
from lexmax.results import SearchResult
from lexmax.stages import Pipeline
from lexmax.types import Json, ranges

_WARMING = 3


@dataclass(frozen=True, slots=True)
class Answered:
    """A run, and milliseconds of all its queries together: in all, of processors, by stage."""

    run: Run
    total_ms: float
    cpu_ms: float
    stage_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of single queries, one after another, encoding included.

    Attributes:
        n: queries that were timed.
        mean_ms, p50_ms, p99_ms: of them; NaN without any.
        stage_ms: mean by stage.
    """

    n: int
    mean_ms: float
    p50_ms: float
    p99_ms: float
    stage_ms: Mapping[str, float] = field(default_factory=dict[str, float])

    def as_json(self) -> dict[str, Json]:
        """As results keep it."""
        return {
            "n": self.n,
            "mean_ms": self.mean_ms,
            "p50_ms": self.p50_ms,
            "p99_ms": self.p99_ms,
            "stage_ms": dict(self.stage_ms),
        }


def answered(
    collection: Collection,
    queries: Mapping[str, str],
    shares: Sequence[Share],
    *,
    name: str,
    k: int,
    batch: int,
    progress: Callable[[int, int], None],
) -> Answered:
    """Ask every query in batches; the first batch of each share is asked once before it is timed.

    Raises:
        PipelineError, QueryError: as the collection raises them.
    """
    doc_ids: dict[str, Sequence[str]] = {}
    scores: dict[str, NDArray[np.float32]] = {}
    total_ms, cpu_ms, stage_ms = 0.0, 0.0, dict[str, float]()
    for share in shares:
        texts = [queries[query_id] for query_id in share.query_ids]
        # Files are mapped and models loaded by the first search, which no system should pay for.
        collection.search_batch(texts[:2], k, pipeline=share.pipeline)
        for start, stop in ranges(len(texts), batch):
            began, computed = time.perf_counter(), time.process_time()
            found = collection.search_batch(texts[start:stop], k, pipeline=share.pipeline)
            total_ms += (time.perf_counter() - began) * 1000
            cpu_ms += (time.process_time() - computed) * 1000
            for stage, ms in found.timings_ms.items():
                stage_ms[stage] = stage_ms.get(stage, 0.0) + ms
            doc_ids |= zip(share.query_ids[start:stop], found.doc_ids, strict=True)
            scores |= zip(share.query_ids[start:stop], found.scores, strict=True)
            progress(len(doc_ids), len(queries))
    asked = [query_id for query_id in queries if query_id in doc_ids]
    run = Run(quote(name, safe=""), {q: doc_ids[q] for q in asked}, {q: scores[q] for q in asked})
    return Answered(run, total_ms, cpu_ms, stage_ms)


def latency(
    collection: Collection, queries: Mapping[str, str], shares: Sequence[Share], *, n: int, k: int
) -> Latency:
    """Time `n` queries, evenly spread; what cannot be asked alone is passed over."""
    pipeline_of = {query_id: share.pipeline for share in shares for query_id in share.query_ids}
    asked = list(pipeline_of)
    n_chosen = min(n, len(asked))
    chosen = [asked[i * len(asked) // n_chosen] for i in range(n_chosen)]
    times: list[float] = []
    by_stage: dict[str, float] = {}
    for query_id in _warmed(collection, chosen, queries, pipeline_of, k):
        began = time.perf_counter()
        found = _searched(collection, queries[query_id], k, pipeline_of[query_id])
        if found is None:
            continue
        times.append((time.perf_counter() - began) * 1000)
        for stage, ms in found.timings_ms.items():
            by_stage[stage] = by_stage.get(stage, 0.0) + ms
    if not times:
        return Latency(0, float("nan"), float("nan"), float("nan"))
    p50, p99 = np.percentile(times, [50, 99])
    each = {stage: ms / len(times) for stage, ms in by_stage.items()}
    return Latency(len(times), float(np.mean(times)), float(p50), float(p99), each)


def _warmed(
    collection: Collection,
    query_ids: Sequence[str],
    queries: Mapping[str, str],
    pipeline_of: Mapping[str, Pipeline],
    k: int,
) -> Sequence[str]:
    """The queries, once the last few of them have been asked."""
    for query_id in query_ids[-_WARMING:]:
        _searched(collection, queries[query_id], k, pipeline_of[query_id])
    return query_ids


def _searched(
    collection: Collection, query: str, k: int, pipeline: Pipeline
) -> SearchResult | None:
    try:
        return collection.search(query, k, pipeline=pipeline)
    except QueryError:  # It has no term to search for, or is longer than a search may be.
        return None
