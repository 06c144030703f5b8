"""What does an encoder lose in int8?

python benchmarks/onnx_quality.py SPEC DATASET_DIR [--split train] [--documents N] [--cache DIR]

Ranks documents of a BEIR folder for the queries of a split by MaxSim, with vectors in float32 and
with vectors in int8, queries and documents both, and compares nDCG@10. SPEC is one of a
multi-vector encoder on ONNX Runtime, such as "minilm". The measurement is kept beside the ONNX
files: from then on `backend=onnx-int8` works where the loss is at most .01. Choose on a split that
is not reported: never on the test queries.

With --documents, the judged documents of the split's queries and as many others, drawn with a
fixed seed, as make up that number.
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import describe
from numpy.typing import NDArray

from lexmax.building import PART_DOCS
from lexmax.corpus import read_documents
from lexmax.encoders.minilm import MiniLm
from lexmax.encoders.onnx_export import cache_folder
from lexmax.encoders.onnx_quality import MOST_LOST, Int8Quality, remember_quality
from lexmax.eval import Dataset, load_dataset
from lexmax.eval.measures import Evaluator
from lexmax.index.tokens import TokenStore
from lexmax.types import Document, best_first, ranges

MEASURE = "nDCG@10"
DEPTH = 10


@dataclass(frozen=True, slots=True)
class Ranked:
    """The measure by query, and documents encoded a second of processor time."""

    by_query: NDArray[np.float64]
    docs_a_second: float


def main() -> None:
    """Measure both, print them, and keep the measurement."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("spec", choices=["minilm"])
    parser.add_argument("dataset", type=Path, help="BEIR folder")
    parser.add_argument("--split", default="train")
    parser.add_argument("--documents", type=int, help="at most so many of them")
    parser.add_argument("--cache", type=Path, default=cache_folder())
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.dataset, split=arguments.split)
    read = list(read_documents([str(arguments.dataset)], on_reject=lambda reject: None))
    documents = chosen(read, dataset, arguments.documents)
    print(json.dumps({**describe(), "documents": len(documents)}), flush=True)
    plain, fast = MiniLm(), MiniLm(backend="onnx-int8", gated=False)
    whole, small = ranked(plain, dataset, documents), ranked(fast, dataset, documents)
    lost = whole.by_query - small.by_query
    error = lost.std(ddof=1) / np.sqrt(len(lost))
    print(f"| numbers | docs/CPU-s | {MEASURE} |\n|---|--:|--:|")
    for name, row in (("float32", whole), ("int8", small)):
        print(f"| {name} | {row.docs_a_second:.1f} | {row.by_query.mean():.4f} |")
    print(f"\nlost: {lost.mean():+.4f} ± {error:.4f} over {len(lost)} queries")
    print("accepted" if lost.mean() <= MOST_LOST else f"refused: more than {MOST_LOST}")
    quality = Int8Quality(
        f"{arguments.dataset.resolve().name}/{arguments.split}, {len(documents)} documents",
        MEASURE,
        len(lost),
        round(float(whole.by_query.mean()), 5),
        round(float(small.by_query.mean()), 5),
    )
    remember_quality(plain.backbone.fingerprint, quality, cache=arguments.cache)
    print(json.dumps({"fingerprint": plain.backbone.fingerprint, "quality": repr(quality)}))


def chosen(read: Sequence[Document], dataset: Dataset, most: int | None) -> list[Document]:
    """All documents, or the judged ones and others up to `most`."""
    if most is None or most >= len(read):
        return list(read)
    judged = {doc_id for query_id in dataset.queries for doc_id in dataset.qrels[query_id]}
    kept = [document for document in read if document.doc_id in judged]
    others = [document for document in read if document.doc_id not in judged]
    drawn = random.Random(0).sample(others, max(most - len(kept), 0))
    return kept + drawn


def ranked(encoder: MiniLm, dataset: Dataset, documents: Sequence[Document]) -> Ranked:
    """Encode, rank all documents for each query by MaxSim, and evaluate."""
    queries = encoder.encode_queries(list(dataset.queries.values()))
    scores = np.empty((len(queries), len(documents)), np.float32)
    seconds = 0.0
    for start, stop in ranges(len(documents), PART_DOCS):
        began = time.process_time()
        part = encoder.encode_documents([document.full_text for document in documents[start:stop]])
        seconds += time.process_time() - began
        store = TokenStore.from_batch(part)
        for i in range(len(queries)):
            scores[i, start:stop] = store.maxsim(queries.row(i), None)
    ordinals = np.arange(len(documents), dtype=np.int64)
    rankings: dict[str, list[str]] = {}
    for query_id, of_query in zip(dataset.queries, scores, strict=True):
        best, _ = best_first(ordinals, of_query, DEPTH)
        rankings[query_id] = [documents[ordinal].doc_id for ordinal in best]
    by_query = Evaluator(dataset.qrels, [MEASURE]).evaluate(rankings).by_query[MEASURE]
    return Ranked(np.array(list(by_query.values())), len(documents) / seconds)


if __name__ == "__main__":
    main()
