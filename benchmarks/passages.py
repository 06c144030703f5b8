"""What do passages find in long documents that an encoder which stops at their beginning misses?

python benchmarks/passages.py DATASET_DIR [--abstracts 1600] [--per 8] [--window 180] [--stride 90]

Makes long documents of a BEIR folder: --abstracts of its documents, those that the test queries
ask for first, shuffled with seed 0 and joined --per at a time; a long one is relevant where any of
its parts is. Indexes them whole and in passages (bm25, minilm, minilm-pooled) and prints JSON: for
each pipeline and each way nDCG@10, R@10, R@1 and the median milliseconds of a query, bytes on disk,
and how often the passage that is shown for a relevant document lies in the part that is relevant.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from machine import describe

from lexmax.collection import Collection
from lexmax.corpus import read_documents
from lexmax.eval import load_dataset
from lexmax.eval.measures import Evaluator
from lexmax.passages import PassagePlan
from lexmax.results import Hit
from lexmax.types import Document, Json, ranges

MEASURES = ("nDCG@10", "R@10", "R@1")
PIPELINES = ("bm25", "multivector", "pooled", "hybrid")
WAYS: Mapping[str, Json] = {"best": {"by": "best"}, "top 3": {"by": "top", "n": 3}}
_K = 10


@dataclass(frozen=True, slots=True)
class Task:
    """Long documents, queries, and which parts of which documents are relevant to which query.

    Attributes:
        documents: The long ones.
        queries: Text by query_id.
        parts: Start and end of the relevant parts by doc_id by query_id.
    """

    documents: Sequence[Document]
    queries: Mapping[str, str]
    parts: Mapping[str, Mapping[str, list[tuple[int, int]]]]


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", type=Path, help="BEIR folder")
    parser.add_argument("--abstracts", type=int, default=1600)
    parser.add_argument("--per", type=int, default=8)
    parser.add_argument("--window", type=int, default=180)
    parser.add_argument("--stride", type=int, default=90)
    given = parser.parse_args()
    task = _task(given.dataset, given.abstracts, given.per)
    plan = PassagePlan(given.window, given.stride)
    figures = {
        "machine": describe(),
        "n_docs": len(task.documents),
        "n_queries": len(task.queries),
        "characters_a_document": round(
            statistics.mean(len(document.text) for document in task.documents)
        ),
        "plan": plan.to_json(),
        "whole": _measured(task, None),
        "passages": _measured(task, plan),
    }
    print(json.dumps(figures, indent=2))


def _task(dataset: Path, n_abstracts: int, per: int) -> Task:
    asked = load_dataset(dataset, split="test")
    relevant = {d for grades in asked.qrels.values() for d, grade in grades.items() if grade > 0}
    every = list(read_documents([dataset], on_reject=print))
    chosen = sorted(every, key=lambda document: document.doc_id not in relevant)[:n_abstracts]
    random.Random(0).shuffle(chosen)
    documents, places = [], dict[str, tuple[str, tuple[int, int]]]()
    for i, (first, last) in enumerate(ranges(len(chosen), per)):
        text = ""
        for document in chosen[first:last]:
            start = len(text)
            text += f"{document.title}. {document.text}\n\n"
            places[document.doc_id] = (f"long{i}", (start, len(text)))
        documents.append(Document(f"long{i}", text))
    parts: dict[str, dict[str, list[tuple[int, int]]]] = {}
    for query_id, grades in asked.qrels.items():
        for doc_id, grade in grades.items():
            if grade > 0 and doc_id in places:
                long, place = places[doc_id]
                parts.setdefault(query_id, {}).setdefault(long, []).append(place)
    return Task(documents, {query_id: asked.queries[query_id] for query_id in parts}, parts)


def _measured(task: Task, plan: PassagePlan | None) -> Json:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with Collection.create(
            Path(folder, "c"), pooled="minilm-pooled", passages=plan
        ) as collection:
            collection.store(task.documents)
            collection.flush()
            seconds, described = time.perf_counter() - began, collection.describe()
            snapshot = collection.snapshot()
            ways = WAYS if plan else {"document": None}
            return {
                "index_s": round(seconds, 1),
                "bytes": described["bytes"],
                "n_rows": snapshot.n_docs,
                **{
                    f"{name} by {way}": _searched(collection, task, name, documents)
                    for name in PIPELINES
                    for way, documents in ways.items()
                },
            }


def _searched(collection: Collection, task: Task, name: str, documents: Json) -> Json:
    pipeline = {"preset": name} | ({"documents": documents} if documents else {})
    spent: list[float] = []
    found: dict[str, Sequence[Hit]] = {}
    for query_id, text in task.queries.items():
        began = time.perf_counter()
        found[query_id] = collection.search(text, _K, pipeline=pipeline).hits
        spent.append((time.perf_counter() - began) * 1e3)
    qrels = {q: dict.fromkeys(parts, 1) for q, parts in task.parts.items()}
    ranked = {q: [hit.doc_id for hit in hits] for q, hits in found.items()}
    means = Evaluator(qrels, MEASURES).evaluate(ranked).overall
    figures: dict[str, Json] = {name: round(means[name], 4) for name in MEASURES}
    figures["p50_ms"] = round(statistics.median(spent), 1)
    if shown := [
        is_inside for q, hits in found.items() for is_inside in _inside(task.parts[q], hits)
    ]:
        figures["passages_in_the_relevant_part"] = round(statistics.mean(shown), 3)
    return figures


def _inside(parts: Mapping[str, list[tuple[int, int]]], hits: Sequence[Hit]) -> list[bool]:
    """For each relevant hit whether most of its passage lies in a part that is relevant."""
    found: list[bool] = []
    for hit in hits:
        if hit.passage is not None and hit.doc_id in parts:
            middle = (hit.passage.start + hit.passage.end) // 2
            found.append(any(start <= middle < stop for start, stop in parts[hit.doc_id]))
    return found


if __name__ == "__main__":
    main()
