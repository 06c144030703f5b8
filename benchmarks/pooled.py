"""How fast are all pooled vectors scanned, and what do the codecs cost in quality?

python benchmarks/pooled.py [--n 1000000] [--dim 384] [--batch 64] [--threads 1] [--dataset DIR]

Prints JSON: for each codec milliseconds a query, alone and in a batch, and bytes of documents a
second beside what memory gives to one thread. With --dataset, a BEIR folder is encoded by
minilm-pooled and ranked by both codecs and by the float32 vectors: nDCG@10 and Recall@100.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from bandwidth import streaming_bytes_per_s
from machine import describe
from numpy.typing import NDArray

from lexmax.corpus import read_documents
from lexmax.encoders import Encoders
from lexmax.eval import load_dataset
from lexmax.eval.measures import Evaluator
from lexmax.index.pooled import PooledCodec, PooledIndex
from lexmax.types import best_first

CODECS: tuple[PooledCodec, ...] = ("int8", "fp16")
MEASURES = ("nDCG@10", "R@100")
_K, _DEPTH, _PASSES = 100, 100, 7


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dataset", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        memory = streaming_bytes_per_s(Path(folder, "bytes"), 1 << 28)
    report = {
        "machine": describe(),
        "memory_gb_per_s": memory / 1e9,
        "scans": [_scan(codec, given.n, given.dim, given.batch, given.threads) for codec in CODECS],
    }
    if given.dataset is not None:
        report["quality"] = _quality(given.dataset)
    print(json.dumps(report, indent=2))


def _scan(codec: PooledCodec, n: int, dim: int, batch: int, threads: int) -> Mapping[str, object]:
    index, rng = _random(codec, n, dim), np.random.default_rng(1)
    queries = rng.standard_normal((batch, dim), np.float32)
    alone = _seconds(index, queries[:1], threads)
    together = _seconds(index, queries, threads)
    size = index.codes.nbytes + (0 if index.scales is None else index.scales.nbytes)
    return {
        "codec": codec,
        "threads": threads,
        "single_ms": alone * 1e3,
        f"batch_of_{batch}_ms_a_query": together * 1e3 / batch,
        "single_gb_per_s": size / alone / 1e9,
        "batch_gb_per_s": size / together / 1e9,
    }


def _random(codec: PooledCodec, n: int, dim: int) -> PooledIndex:
    rng, blocks = np.random.default_rng(0), []
    for start in range(0, n, 1 << 16):
        vectors = rng.standard_normal((min(1 << 16, n - start), dim), np.float32)
        blocks.append(PooledIndex.from_vectors(vectors, codec=codec))
    scales = [block.scales for block in blocks if block.scales is not None]
    return PooledIndex(
        np.concatenate([block.codes for block in blocks]),
        np.concatenate(scales) if scales else None,
    )


def _seconds(index: PooledIndex, queries: NDArray[np.float32], threads: int) -> float:
    times: list[float] = []
    for _ in range(_PASSES):
        began = time.perf_counter()
        index.search(queries, _K, threads=threads)
        times.append(time.perf_counter() - began)
    return min(times)


def _quality(folder: Path) -> list[Mapping[str, object]]:
    encoder, dataset = Encoders().dense("minilm-pooled"), load_dataset(folder, split="test")
    documents = list(read_documents([str(folder)], on_reject=lambda reject: None))
    vectors = encoder.encode_documents([document.full_text for document in documents])
    queries = encoder.encode_queries(list(dataset.queries.values()))
    rows: list[Mapping[str, object]] = []
    for name in ("float32", *CODECS):
        found = _ranked(vectors, queries, name)
        rankings = {
            query_id: [documents[ordinal].doc_id for ordinal in ordinals]
            for query_id, (ordinals, _) in zip(dataset.queries, found, strict=True)
        }
        measured = Evaluator(dataset.qrels, MEASURES).evaluate(rankings)
        rows.append({"codec": name, **measured.overall})
    return rows


def _ranked(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], name: str
) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    if name == "float32":
        products = queries @ vectors.T
        return [best_first(np.arange(len(vectors)), row, _DEPTH) for row in products]
    index = PooledIndex.from_vectors(vectors, codec="int8" if name == "int8" else "fp16")
    hits = index.search(queries, _DEPTH)
    return [hits.row(i) for i in range(len(hits))]


if __name__ == "__main__":
    main()
