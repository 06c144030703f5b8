"""What does token pooling cost in quality, and what does it save?

python benchmarks/pooling.py DATASET_DIR [--splits train test] [--pool SPEC ...] [--cache DIR]

Encodes a BEIR folder with minilm once and keeps the vectors in --cache. Then pools the documents'
vectors by each spec, ranks all documents by MaxSim (int8), and prints a table in Markdown: vectors
a document, documents pooled a second of processor time, nDCG@10 by split, and its difference to no
pooling with the standard error over queries. Queries stay whole, but for specs with query_.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
from machine import describe
from numpy.typing import NDArray

from lexmax.building import PART_DOCS
from lexmax.corpus import read_documents
from lexmax.encoders import Encoders, MultiVectorEncoder
from lexmax.encoders.loading import POOLING
from lexmax.encoders.pooled_encoder import read_pooling
from lexmax.encoders.pooling import Pooling
from lexmax.eval import Dataset, load_dataset
from lexmax.eval.measures import Evaluator
from lexmax.index.tokens import TokenStore
from lexmax.types import TokenBatch, best_first

MEASURE = "nDCG@10"
DEPTH = 10
SPECS = (
    "",
    "pool=spacing&factor=2",
    "pool=spacing&factor=4",
    "pool=ward&factor=2",
    "pool=ward&factor=3",
    "pool=ward&factor=4",
    "pool=kmeans&ratio=0.5",
    "pool=kmeans&ratio=0.25",
    "pool=kmeans&tokens=32",
    "pool=tail&tokens=32",
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one spec gives: vectors a document, documents a second, measure by query by split."""

    spec: str
    vectors_a_doc: float
    docs_a_second: float
    by_split: Mapping[str, Mapping[str, float]]


def main() -> None:
    """Encode where nothing is cached, measure every spec, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", type=Path, help="BEIR folder")
    parser.add_argument("--splits", nargs="+", default=["train", "test"])
    parser.add_argument("--pool", nargs="+", metavar="SPEC", help="as in an encoder's spec")
    parser.add_argument("--cache", type=Path, default=Path(__file__).parent / "out" / "pooling")
    arguments = parser.parse_args()
    specs = ["", *(arguments.pool or SPECS[1:])]
    splits = {name: load_dataset(arguments.dataset, split=name) for name in arguments.splits}
    folder = arguments.cache / arguments.dataset.resolve().name
    encoder = Encoders().multivector("minilm")
    doc_ids = encoded(encoder, arguments.dataset, folder)
    texts = [text for dataset in splits.values() for text in dataset.queries.values()]
    queries = encoder.encode_queries(texts)
    print(json.dumps(describe()), flush=True)
    print(heading(list(splits)), flush=True)
    plain: Row | None = None
    for spec in specs:
        row = measured(spec, queries, folder, doc_ids, splits)
        plain = plain or row
        print(line(row, plain), flush=True)


def encoded(encoder: MultiVectorEncoder, dataset: Path, folder: Path) -> list[str]:
    """Doc ids in the order of the parts; parts that are not in the folder yet are encoded."""
    documents = list(read_documents([str(dataset)], on_reject=lambda reject: None))
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(documents), PART_DOCS):
        path = folder / f"part-{start:08}.npz"
        if not path.exists():
            texts = [document.full_text for document in documents[start : start + PART_DOCS]]
            batch = encoder.encode_documents(texts)
            unfinished = path.with_suffix(".tmp.npz")
            np.savez(unfinished, offsets=batch.offsets, vectors=batch.vectors)
            unfinished.rename(path)
    return [document.doc_id for document in documents]


def parts(folder: Path) -> Iterator[TokenBatch]:
    """The encoded documents, PART_DOCS at a time."""
    for path in sorted(folder.glob("part-????????.npz")):
        with np.load(path) as arrays:
            yield TokenBatch(arrays["offsets"], arrays["vectors"])


def measured(
    spec: str,
    queries: TokenBatch,
    folder: Path,
    doc_ids: Sequence[str],
    splits: Mapping[str, Dataset],
) -> Row:
    """Pool, rank all documents for the queries of the splits one after another, and evaluate."""
    of_documents, of_queries = poolings(spec)
    if of_queries is not None:
        queries = of_queries.pool(queries).tokens
    scores = np.empty((len(queries), len(doc_ids)), np.float32)
    seconds, n_vectors, start = 0.0, 0, 0
    for part in parts(folder):
        began = time.process_time()
        pooled = part if of_documents is None else of_documents.pool(part).tokens
        seconds += time.process_time() - began
        n_vectors += len(pooled.vectors)
        store = TokenStore.from_batch(pooled)
        for i in range(len(queries)):
            scores[i, start : start + len(part)] = store.maxsim(queries.row(i), None)
        start += len(part)
    by_split: dict[str, Mapping[str, float]] = {}
    row = 0
    for name, dataset in splits.items():
        by_split[name] = evaluated(dataset, scores[row : row + len(dataset.queries)], doc_ids)
        row += len(dataset.queries)
    return Row(spec, n_vectors / start, start / seconds if of_documents else np.inf, by_split)


def poolings(spec: str) -> tuple[Pooling | None, Pooling | None]:
    """Pooling of documents and of queries; "" is none."""
    if not spec:
        return None, None
    given = dict(parse_qsl(spec, strict_parsing=True))
    return read_pooling({name: POOLING[name].read(value) for name, value in given.items()})


def evaluated(
    dataset: Dataset, scores: NDArray[np.float32], doc_ids: Sequence[str]
) -> Mapping[str, float]:
    """The measure by query."""
    ordinals = np.arange(len(doc_ids), dtype=np.int64)
    rankings: dict[str, list[str]] = {}
    for query_id, of_query in zip(dataset.queries, scores, strict=True):
        best, _ = best_first(ordinals, of_query, DEPTH)
        rankings[query_id] = [doc_ids[ordinal] for ordinal in best]
    return Evaluator(dataset.qrels, [MEASURE]).evaluate(rankings).by_query[MEASURE]


def heading(splits: Sequence[str]) -> str:
    """The first two lines of the table."""
    names = ["pooling", "vectors/doc", "share", "docs/s"]
    names += [name for split in splits for name in (f"{MEASURE} {split}", "difference")]
    rule = ["---"] + ["--:"] * (len(names) - 1)
    return f"| {' | '.join(names)} |\n|{'|'.join(rule)}|"


def line(row: Row, plain: Row) -> str:
    """One line of the table; `plain` is the row without pooling."""
    share = row.vectors_a_doc / plain.vectors_a_doc
    speed = f"{row.docs_a_second:,.0f}" if np.isfinite(row.docs_a_second) else ""
    cells = [f"`{row.spec}`" if row.spec else "none", f"{row.vectors_a_doc:.1f}", f"{share:.2f}"]
    cells.append(speed)
    for split, by_query in row.by_split.items():
        values = np.array(list(by_query.values()))
        against = values - np.array(list(plain.by_split[split].values()))
        error = against.std(ddof=1) / np.sqrt(len(against))
        cells.append(f"{values.mean():.4f}")
        cells.append("" if row is plain else f"{against.mean():+.4f} ± {error:.4f}")
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
