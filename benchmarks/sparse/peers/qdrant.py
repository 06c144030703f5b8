"""Exact: Qdrant's sparse index, in this process (qdrant-edge-py), float32 weights in memory."""

from pathlib import Path
from time import process_time_ns
from typing import Any

import qdrant_edge as qdrant
from measuring import built, note, report, timed
from task import Task, read_task

_VECTOR = "weights"
_BATCH = 2000
_MAX_DOCS = 1_000_000
_CONFIG = qdrant.EdgeConfig(
    sparse_vectors={_VECTOR: qdrant.EdgeSparseVectorParams(full_scan_threshold=1)},
    optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1),
    max_search_threads=1,
)


def main() -> None:
    """Build once, ask for every k."""
    task = read_task()
    documents = task.documents()
    if len(documents) > _MAX_DOCS:
        note(f"qdrant: {len(documents)} documents pass through Python one by one; not built")
        return

    def build(folder: Path) -> None:
        shard = qdrant.EdgeShard.create(str(folder), _CONFIG)
        for start in range(0, len(documents), _BATCH):
            points = [
                _point(i, *documents.row(i))
                for i in range(start, min(start + _BATCH, len(documents)))
            ]
            shard.update(qdrant.UpdateOperation.upsert_points(points))
        shard.optimize()
        shard.flush()
        shard.close()

    folder, figures = built(task, "qdrant", build)
    if not task.build_only:
        _search(task, qdrant.EdgeShard.load(str(folder), _CONFIG), figures)


def _point(i: int, terms: Any, weights: Any) -> Any:
    return qdrant.Point(i, {_VECTOR: qdrant.SparseVector(terms.tolist(), weights.tolist())})


def _search(task: Task, shard: Any, figures: Any) -> None:
    vectors = [qdrant.SparseVector(t.tolist(), w.tolist()) for t, w in task.query_rows()]
    for k in task.ks:
        requests = [
            qdrant.SearchRequest(query=qdrant.Query.Nearest(vector, using=_VECTOR), limit=k)
            for vector in vectors
        ]

        def search(i: int, requests: Any = requests) -> Any:
            return shard.search(requests[i])

        timing = timed(search, len(requests), cpu_clock=process_time_ns)
        report(
            task,
            system="qdrant",
            mode="exact",
            k=k,
            timing=timing,
            ordinals=[[int(hit.id) for hit in hits] for hits in timing.returned],
            build=figures,
            settings=f"one search thread, CPU of the process; {_segments(shard)}",
        )


def _segments(shard: Any) -> str:
    info = shard.info()
    return f"{info.segments_count} segments, {info.indexed_vectors_count} indexed"


if __name__ == "__main__":
    main()
