"""lexmax: exact and its approximate engines, one query at a time and in batches, by its own API."""

import inspect
import time
from pathlib import Path
from typing import Any

import numpy as np
from bandwidth import METHOD, streaming_bytes_per_s
from measuring import Figures, Timing, built, note, report, say, timed
from task import Task, read_task
from vectors import Vectors, map_vectors

from lexmax.errors import LexmaxError
from lexmax.index.sparse import SparseIndex
from lexmax.types import SparseBatch

_INDEX = "lexmax"
_STREAM_BYTES = 1 << 31


def main() -> None:
    """Build, open, then every engine at every k."""
    task = read_task()
    documents = map_vectors(task.data, "documents")

    def build(folder: Path) -> None:
        SparseIndex.write(folder, batch, threads=1)

    # The check of the documents is the caller's, not the build's.
    batch = _batch(documents) if _must_build(task) else None
    folder, figures = built(task, _INDEX, build)
    batch = None
    if task.build_only:
        return
    began = time.perf_counter()
    index = SparseIndex.open(folder)
    opened_ms = (time.perf_counter() - began) * 1e3
    queries = _batch(map_vectors(task.data, task.name).first(task.queries))
    settings = f"opened in {opened_ms:.1f} ms"
    for text, options in _engines(task.engines).items():
        _one_by_one(task, index, queries, text, options, figures, settings)
    _throughput(task, index, queries)
    _limit(task, index, queries, figures)


def _must_build(task: Task) -> bool:
    return task.rebuild or not (task.indexes / f"{_INDEX}.build.json").exists()


def _batch(vectors: Vectors) -> SparseBatch:
    return SparseBatch(vectors.indptr, vectors.term_ids, vectors.weights)


def _engines(texts: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Each engine's keywords of `search`; a note for those that this build does not have."""
    if "engine" not in inspect.signature(SparseIndex.search).parameters:
        if missing := [text for text in texts if text != "exact"]:
            note(f"this build of lexmax has the exact engine only; left out: {' '.join(missing)}")
        return {"exact": {}}
    from lexmax.index.engines import parse_engine

    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        try:
            found[text] = {"engine": parse_engine(text)}
        except LexmaxError as error:
            note(f"lexmax {text}: {error}")
    return found


def _one_by_one(
    task: Task,
    index: SparseIndex,
    queries: SparseBatch,
    text: str,
    options: dict[str, Any],
    figures: Figures,
    settings: str,
) -> None:
    single = [queries.slice(i, i + 1) for i in range(len(queries))]
    for k in task.ks:

        def search(i: int, k: int = k) -> Any:
            return index.search(single[i], k, **options)

        timing = timed(search, len(single))
        ordinals = [hits.ordinals[0] for hits in timing.returned]
        report(
            task,
            system="lexmax",
            mode=text,
            k=k,
            timing=timing,
            ordinals=ordinals,
            build=figures,
            settings=settings,
        )


def _throughput(task: Task, index: SparseIndex, queries: SparseBatch) -> None:
    """Queries a second of one call with all queries."""
    for k in task.ks:
        for threads in task.threads:
            timing: Timing = timed(
                lambda _, k=k, t=threads: index.search(queries, k, threads=t), 3, warm=1
            )
            seconds = float(timing.wall_ms.min()) / 1e3
            figures = {"k": k, "threads": threads, "batch": len(queries)}
            say("throughput", figures | {"queries_per_s": round(len(queries) / seconds, 1)})


def _limit(task: Task, index: SparseIndex, queries: SparseBatch, figures: Figures) -> None:
    """What reading a query's postings would take if nothing else were to be done."""
    if not hasattr(index, "touched_bytes"):
        note("lexmax: this build does not tell the bytes that a query touches")
        return
    singles = [queries.slice(i, i + 1) for i in range(len(queries))]
    touched = float(np.median([index.touched_bytes(query) for query in singles]))
    path = task.indexes.parents[1] / "stream.bin"
    index_bytes = int(figures["bytes"] or 0)
    say(
        "reading",
        {
            "method": METHOD,
            "touched_bytes_p50": round(touched),
            "dram_bytes_per_s": round(streaming_bytes_per_s(path, _STREAM_BYTES)),
            "index_sized_bytes_per_s": round(
                streaming_bytes_per_s(path, min(index_bytes, _STREAM_BYTES))
            ),
            "index_bytes": index_bytes,
        },
    )


if __name__ == "__main__":
    main()
