"""How much does each step of the whole path cost on a real collection?

python benchmarks/spine.py DATASET_DIR [--json FILE] [--threads N]

Runs the bare encoder over the corpus, `lexmax index` over the same corpus, `lexmax search` from a
cold start, and every pipeline over the dataset's queries in a warm process on one thread. Prints
seconds, ratios, peak memory, bytes, p50 and p99. Nothing else should use the cores meanwhile.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import describe

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_WARM_QUERIES = 100


def main() -> None:
    """Run every step in a process of its own, print one mapping."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", type=Path, help="BEIR folder")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--step", choices=["bare", "warm"], help=argparse.SUPPRESS)
    parser.add_argument("--collection", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step == "bare":
        print(json.dumps(bare_encoder(arguments.dataset)))
    elif arguments.step == "warm":
        print(json.dumps(warm_latencies(arguments.dataset, arguments.collection)))
    else:
        figures = whole_path(arguments.dataset)
        print(json.dumps(figures, indent=2))
        if arguments.json:
            arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def whole_path(dataset: Path) -> dict[str, object]:
    """Every step once, the encoder before and after indexing because machines drift."""
    place = Path(tempfile.mkdtemp(prefix="lexmax-spine-"))
    collection = place / "collection"
    try:
        before = step("bare", dataset)
        indexed = timed(["lexmax", "index", str(collection), str(dataset)])
        after = step("bare", dataset)
        bare = (before["encode_s"] + after["encode_s"]) / 2
        query = "does vitamin D prevent fractures"
        cold = timed(["lexmax", "search", str(collection), query])
        return {
            "machine": describe(),
            "dataset": dataset.name,
            "n_docs": before["n_docs"],
            "bare_encoder_s": [before["encode_s"], after["encode_s"]],
            "bare_process_s": [before["process_s"], after["process_s"]],
            "index_s": indexed["wall_s"],
            "index_over_bare_encoder": round(indexed["wall_s"] / bare, 3),
            "index_peak_rss_mib": indexed["peak_rss_mib"],
            "collection_mb": round(
                sum(p.stat().st_size for p in collection.rglob("*") if p.is_file()) / 1e6, 1
            ),
            "cold_search_s": cold["wall_s"],
            "warm_one_thread_ms": step("warm", dataset, collection, environment=_ONE_THREAD),
        }
    finally:
        shutil.rmtree(place)


def step(
    name: str,
    dataset: Path,
    collection: Path | None = None,
    environment: dict[str, str] | None = None,
) -> dict[str, float]:
    """Run one step of this file in a process of its own."""
    command = [sys.executable, __file__, str(dataset), "--step", name]
    if collection is not None:
        command += ["--collection", str(collection)]
    began = time.perf_counter()
    ran = subprocess.run(
        command, env=os.environ | (environment or {}), stdout=subprocess.PIPE, check=True, text=True
    )
    figures = json.loads(ran.stdout.splitlines()[-1])
    return figures | {"process_s": round(time.perf_counter() - began, 2)}


def timed(command: list[str]) -> dict[str, float]:
    """Wall seconds and peak memory of a command."""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    return {
        "wall_s": round(time.perf_counter() - began, 2),
        "peak_rss_mib": usage.ru_maxrss >> 10,
    }


def bare_encoder(dataset: Path) -> dict[str, float]:
    """The encoder alone over the corpus, in parts as indexing takes them."""
    from lexmax.building import PART_DOCS
    from lexmax.corpus import read_documents
    from lexmax.encoders import Encoders

    texts = [d.full_text for d in read_documents([str(dataset)], on_reject=lambda reject: None)]
    encoder = Encoders().multivector("minilm")
    encoder.encode_documents(texts[:8])
    began = time.perf_counter()
    for start in range(0, len(texts), PART_DOCS):
        encoder.encode_documents(texts[start : start + PART_DOCS])
    return {"encode_s": round(time.perf_counter() - began, 2), "n_docs": len(texts)}


def warm_latencies(dataset: Path, path: Path) -> dict[str, dict[str, float]]:
    """p50 and p99 milliseconds of `Collection.search`, k = 10, query encoding included."""
    import faiss
    import torch

    from lexmax.collection import Collection
    from lexmax.eval import load_dataset
    from lexmax.pipeline import runnable

    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    queries = list(load_dataset(dataset, split="test").queries.values())
    figures: dict[str, dict[str, float]] = {}
    with Collection.open(path) as collection:
        for name in runnable(collection.encoders):
            for query in queries[:5]:
                collection.search(query, pipeline=name)
            spent = [search_ms(collection, query, name) for query in (queries * 2)[:_WARM_QUERIES]]
            p50, p99 = np.percentile(spent, [50, 99])
            figures[name] = {"p50": round(float(p50), 2), "p99": round(float(p99), 2)}
    return figures


def search_ms(collection: object, query: str, pipeline: str) -> float:
    """Milliseconds of one search."""
    began = time.perf_counter()
    collection.search(query, pipeline=pipeline)  # type: ignore[attr-defined]
    return (time.perf_counter() - began) * 1e3


if __name__ == "__main__":
    main()
