"""What does a pipeline cost beside its stages, and what do queries save that come together?

python benchmarks/pipeline.py DATASET_DIR [--collection DIR] [--queries N] [--json FILE]

Indexes the dataset (bm25, minilm) with a field of five values unless a collection is given that was
made so. Prints, for every preset that it can run, the median milliseconds of single queries, of the
stages that they report, and what is left: the pipeline's own. Then answers N hybrid queries with
five distinct filters one by one and as one batch, and compares the rankings; `cpu_ratio` is of the
seconds of all cores, and says what the batch saves where others use them. One thread for single
queries; nothing else should use the cores meanwhile.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from machine import describe

from lexmax.collection import Collection
from lexmax.corpus import read_documents
from lexmax.eval import load_dataset

_PARTS = 5
_WARM = 100


def main() -> None:
    """Measure, print one mapping."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", type=Path, help="BEIR folder")
    parser.add_argument("--collection", type=Path, help="made by this script before")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    place = arguments.collection or Path(tempfile.mkdtemp(prefix="lexmax-pipeline-")) / "collection"
    if not place.exists():
        _index(arguments.dataset, place)
    texts = list(load_dataset(arguments.dataset, split="test").queries.values())
    with Collection.open(place) as collection:
        collection.flush(threads=2)  # what an indexing that was stopped has left
        figures = {
            "machine": describe(),
            "dataset": arguments.dataset.name,
            "n_docs": collection.n_docs,
            "overhead": {
                name: _overhead(collection, texts[:_WARM], name)
                for name in ("bm25", "multivector", "hybrid")
            },
            "batch": _together(collection, _repeated(texts, arguments.queries)),
        }
    print(json.dumps(figures, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def _index(dataset: Path, place: Path) -> None:
    with Collection.create(place, fields={"part": "integer"}) as collection:
        documents = [
            replace(document, metadata={"part": i % _PARTS})
            for i, document in enumerate(read_documents([dataset], on_reject=print))
        ]
        collection.store(documents)
        collection.flush(threads=2)


def _repeated(texts: list[str], n: int) -> list[str]:
    """So many queries that no two are equal: the later ones have a word more."""
    return [texts[i % len(texts)] + " again" * (i // len(texts)) for i in range(n)]


def _overhead(collection: Collection, texts: list[str], name: str) -> dict[str, float]:
    whole, staged = [], []
    for _ in range(3):
        for text in texts:
            start = time.perf_counter()
            result = collection.search(text, 10, pipeline=name)
            whole.append((time.perf_counter() - start) * 1e3)
            staged.append(sum(one.ms for one in result.stages))
    left = [a - b for a, b in zip(whole, staged, strict=True)]
    return {
        "p50_ms": round(statistics.median(whole), 3),
        "stages_p50_ms": round(statistics.median(staged), 3),
        "own_p50_ms": round(statistics.median(left), 3),
        "own_p99_ms": round(statistics.quantiles(left, n=100)[98], 3),
    }


def _together(collection: Collection, texts: list[str]) -> dict[str, Any]:
    filters = [f"part = {i % _PARTS}" for i in range(len(texts))]
    start, cpu = time.perf_counter(), time.process_time()
    single = [
        [hit.doc_id for hit in collection.search(text, 10, pipeline="hybrid", filter=one).hits]
        for text, one in zip(texts, filters, strict=True)
    ]
    single_s, single_cpu_s = time.perf_counter() - start, time.process_time() - cpu
    start, cpu = time.perf_counter(), time.process_time()
    batch = collection.search_batch(texts, 10, pipeline="hybrid", filter=filters)
    batch_s, batch_cpu_s = time.perf_counter() - start, time.process_time() - cpu
    return {
        "n_queries": len(texts),
        "single_per_s": round(len(texts) / single_s, 1),
        "batch_per_s": round(len(texts) / batch_s, 1),
        "ratio": round(single_s / batch_s, 2),
        "cpu_ratio": round(single_cpu_s / batch_cpu_s, 2),
        "equal_rankings": sum(a == b for a, b in zip(single, batch.doc_ids, strict=True)),
        "batch_ms_by_stage": {name: round(ms) for name, ms in batch.timings_ms.items()},
    }


if __name__ == "__main__":
    main()
