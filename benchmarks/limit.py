"""What does each way of searching find on LIMIT, and how many candidates does an encoding need?

python benchmarks/limit.py DATASET_DIR COLLECTION --also BM25_COLLECTION --out limit-small

COLLECTION holds the dataset's corpus with sparse weights, token vectors and pooled vectors; the
collections of --also are searched by their sparse weights alone. Each document gets a score by

- exact MaxSim, and MaxSim over centroids as the collection has them;
- fixed-dimensional encodings (MUVERA, arXiv 2405.19504) of 1,280 to 10,240 coordinates as the paper
  has them, and of four times as many, in 32-bit floats; and those of the collection, projected and
  with the pooled vector among them;
- one vector a document: the mean of its token vectors, which is what an encoding of one bucket
  would be, and the collection's own pooled vectors.

Of each: recall of the relevant documents in the first 2, 10 and 100; the same where MaxSim orders
the first --candidates again; and the candidates that hold 95 and 99 % of the exact two and ten best
(benchmarks/multivector/fde_study.py says it of other collections). Ties count against a score.
Writes --out.json and --out.md; `limit_plot.py` draws.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from numpy.typing import NDArray

from lexmax.collection import Collection
from lexmax.corpus import read_documents
from lexmax.eval import load_dataset
from lexmax.eval.datasets import Dataset
from lexmax.index.fde import FdeEncoder, FdeParameters
from lexmax.index.multivector import MultiVectorIndex
from lexmax.index.multivector_engines import EXACT_MAXSIM
from lexmax.types import Hits, TokenBatch, ranges

CUTOFFS = (2, 10, 100)
SHARES = (0.95, 0.99)
BEST = (2, 10)
_DEPTH = 1000
# (repetitions, k_sim, d_proj) of the paper: 1,280, 2,560, 5,120 and 10,240 coordinates; and 40,960.
_SIZES = ((20, 3, 8), (20, 4, 8), (20, 5, 8), (20, 5, 16), (20, 6, 32))
_BLOCK = 512

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Row:
    """What one score of documents gives.

    Attributes:
        name: Of the score.
        coordinates: Numbers a document that it is computed from; None where that differs.
        recall: By cutoff, of the relevant documents.
        reranked: The same, by number of candidates that MaxSim orders again.
        needed: By number of exact best documents and share of them, how many candidates hold it.
        curve: Share of the exact two best, as many as are relevant, among so many candidates.
    """

    name: str
    coordinates: int | None
    recall: dict[str, float]
    reranked: dict[str, dict[str, float]] = field(default_factory=dict)
    needed: dict[str, dict[str, int]] = field(default_factory=dict)
    curve: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """Queries, their relevant documents, and what each document scores exactly.

    Attributes:
        queries: Token vectors.
        relevant: Ordinals of each query's relevant documents.
        exact: MaxSim, float32 (n_queries, n_docs).
        best: Ordinals of the exact best documents, (n_queries, 10) or fewer.
    """

    queries: TokenBatch
    relevant: Sequence[Ints]
    exact: Floats
    best: Ints


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path, help="BEIR folder")
    parser.add_argument("collection", type=Path)
    parser.add_argument("--also", type=Path, nargs="*", default=[])
    parser.add_argument("--candidates", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, required=True, help="result files, without suffix")
    given = parser.parse_args()
    dataset = load_dataset(given.dataset, split="test")
    rows: list[Row] = []
    began = time.perf_counter()
    for row in _rows(dataset, given):
        rows.append(row)
        print(f"{time.perf_counter() - began:6.0f} s {row.name}: {row.recall}", flush=True)
    found: dict[str, Any] = {
        "machine": describe(),
        "dataset": dataset.name,
        "docs": len(list(read_documents([str(given.dataset)], on_reject=print))),
        "queries": len(dataset.queries),
        "candidates": given.candidates,
        "rows": [asdict(row) for row in rows],
    }
    given.out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    given.out.with_suffix(".md").write_text(markdown(found))
    print(markdown(found))


def _rows(dataset: Dataset, given: argparse.Namespace) -> Iterator[Row]:
    for path in given.also:
        with Collection.open(path) as collection:
            yield _searched(collection, dataset, "sparse")
    with Collection.open(given.collection) as collection:
        yield _searched(collection, dataset, "sparse")
        yield _searched(collection, dataset, "pooled")
        yield _searched(collection, dataset, "multivector", 10)
        texts = list(dataset.queries.values())
        encoder = collection.encoders.multivector
        index = _only_index(collection)
        if encoder is None:
            raise SystemExit("the collection has no token vectors")
        task = _task(collection, index, dataset, encoder.encode_queries(texts))
        yield _row(task, "MaxSim, exact", None, task.exact, given.candidates)
        for name, coordinates, scores in _estimates(index, task, given.seed):
            yield _row(task, name, coordinates, scores, given.candidates)


def _searched(collection: Collection, dataset: Dataset, pipeline: str, depth: int = _DEPTH) -> Row:
    """As the pipeline ranks; what is not among the first `depth` has no rank."""
    texts = list(dataset.queries.values())
    ranks: list[Ints] = []
    for start, stop in ranges(len(texts), 32):
        found = collection.search_batch(texts[start:stop], depth, pipeline=pipeline).doc_ids
        for query_id, doc_ids in zip(list(dataset.queries)[start:stop], found, strict=True):
            place = {doc_id: rank for rank, doc_id in enumerate(doc_ids, start=1)}
            asked = [d for d, grade in dataset.qrels[query_id].items() if grade > 0]
            ranks.append(np.array([place.get(doc_id, 10**9) for doc_id in asked]))
    if pipeline == "multivector":
        within = {cutoff: share for cutoff, share in _recall(ranks).items() if int(cutoff) <= depth}
        return Row(f"MaxSim, searched by default for {depth}", None, within)
    signal = "pooled" if pipeline == "pooled" else "sparse"
    return Row(str(collection.encoders.specs[signal]).partition("?")[0], None, _recall(ranks))


def _only_index(collection: Collection) -> MultiVectorIndex:
    parts = collection.snapshot().parts
    if len(parts) != 1 or parts[0].segment.multivector is None:
        raise SystemExit(
            f"{collection.path}: {len(parts)} segments; expected one with token vectors; run "
            "`lexmax merge --all`"
        )
    return parts[0].segment.multivector


def _task(
    collection: Collection, index: MultiVectorIndex, dataset: Dataset, queries: TokenBatch
) -> Task:
    snapshot = collection.snapshot()
    ordinals: dict[str, int] = {}
    for start, stop in ranges(snapshot.n_docs, 4096):
        serials = snapshot.serials(np.arange(start, stop))
        for i, document in enumerate(collection.stored(snapshot, serials), start=start):
            ordinals[document.doc_id] = i
    relevant = [
        np.array([ordinals[d] for d, grade in dataset.qrels[q].items() if grade > 0])
        for q in dataset.queries
    ]
    hits = index.search(queries, index.store.n_docs, engine=EXACT_MAXSIM)
    return Task(queries, relevant, _matrix(hits, index.store.n_docs), hits.ordinals[:, : BEST[-1]])


def _matrix(hits: Hits, n_docs: int) -> Floats:
    """Scores by ordinal, (n_queries, n_docs); -inf for what was not found."""
    scores = np.full((len(hits), n_docs), -np.inf, np.float32)
    for i, row in enumerate(scores):
        found, values = hits.row(i)
        row[found] = values
    return scores


def _estimates(
    index: MultiVectorIndex, task: Task, seed: int
) -> Iterator[tuple[str, int | None, Floats]]:
    """Name, coordinates and scores (n_queries, n_docs) of each estimate, one at a time."""
    dim, n_docs = index.store.dim, index.store.n_docs
    for size in _SIZES:
        parameters = FdeParameters(dim, *size, seed=seed, pooled_weight=0)
        yield (
            f"FDE {parameters.encoding_dim:,}",
            parameters.encoding_dim,
            _encoded(index, task.queries, FdeEncoder(parameters)),
        )
    # One bucket that is not projected: a query's sum times a document's mean.
    mean = FdeEncoder(FdeParameters(dim, 1, 0, dim, seed=seed, pooled_weight=0))
    yield "mean of token vectors", dim, _encoded(index, task.queries, mean)
    if index.candidates is not None:
        built = index.candidates.parameters()
        kept = f"{built['dim']} coordinates, {built['codes']}"
        name = f"FDE {index.candidates.fde.encoding_dim:,} as kept: {kept}"
        hits = index.candidates.search(task.queries, n_docs)
        yield name, int(str(built["dim"])), _matrix(hits, n_docs)
    if (near := index.centroids) is not None:
        found = [
            near.scan(near.centroids.table(task.queries.row(i)), n_docs)
            for i in range(len(task.queries))
        ]
        yield "MaxSim over centroids", None, _matrix(Hits.from_rows(found, n_docs), n_docs)


def _encoded(index: MultiVectorIndex, queries: TokenBatch, encoder: FdeEncoder) -> Floats:
    asked, n_docs = encoder.queries(queries), index.store.n_docs
    scores = np.empty((len(queries), n_docs), np.float32)
    for start, stop in ranges(n_docs, _BLOCK):
        documents = index.store.decode(np.arange(start, stop))
        scores[:, start:stop] = asked @ encoder.documents(documents).T
    return scores


def _row(
    task: Task, name: str, coordinates: int | None, scores: Floats, candidates: Sequence[int]
) -> Row:
    n_docs = scores.shape[1]
    ascending = [np.sort(row) for row in scores]
    of_best = np.stack([_ranks(ascending[i], scores[i, best]) for i, best in enumerate(task.best)])
    relevant = [_ranks(ascending[i], scores[i, some]) for i, some in enumerate(task.relevant)]
    is_exact = scores is task.exact
    return Row(
        name,
        coordinates,
        _recall(relevant),
        {}
        if is_exact
        else {
            str(n): _recall(_reranked(task, scores, ascending, n)) for n in candidates if n < n_docs
        },
        {} if is_exact else {str(k): _needed(of_best[:, :k]) for k in BEST},
        {}
        if is_exact
        else {str(n): round(float((of_best[:, :2] <= n).mean()), 4) for n in _numbers(n_docs)},
    )


def _ranks(ascending: Floats, scores: Floats) -> Ints:
    """Ranks from 1 of these scores among all; equal ones are all last."""
    return len(ascending) - np.searchsorted(ascending, scores, side="left")


def _reranked(task: Task, scores: Floats, ascending: Sequence[Floats], n: int) -> list[Ints]:
    """Ranks of relevant documents where MaxSim orders the n best by score; no rank for others."""
    found: list[Ints] = []
    for i, some in enumerate(task.relevant):
        is_candidate = scores[i] >= ascending[i][-n]
        exact = np.sort(task.exact[i, is_candidate])
        ranks = _ranks(exact, task.exact[i, some])
        found.append(np.where(is_candidate[some], ranks, 10**9))
    return found


def _recall(ranks: Sequence[Ints]) -> dict[str, float]:
    return {str(k): round(float(np.mean([np.mean(row <= k) for row in ranks])), 4) for k in CUTOFFS}


def _needed(ranks: Ints) -> dict[str, int]:
    ordered = np.sort(ranks, axis=None)
    return {f"{s:.0%}": int(ordered[int(np.ceil(s * len(ordered))) - 1]) for s in SHARES}


def _numbers(n_docs: int) -> list[int]:
    """Numbers of candidates for a curve, eight an octave of ten."""
    return sorted({min(n_docs, round(10 ** (i / 8))) for i in range(8 * 5 + 1)})


def markdown(found: Mapping[str, Any]) -> str:
    """The rows as a table."""
    candidates = [
        str(n) for n in found["candidates"] if any(str(n) in r["reranked"] for r in found["rows"])
    ]
    head = ["score", *(f"R@{k}" for k in CUTOFFS)]
    head += [f"R@{CUTOFFS[0]} of {int(n):,} reranked" for n in candidates]
    head += [f"{share:.0%} of the {k} best" for k in BEST for share in SHARES]
    lines = [" | ".join(head), "|".join(["---"] * len(head))]
    for row in found["rows"]:
        cells = [row["name"], *(_cell(row["recall"], k) for k in CUTOFFS)]
        cells += [_cell(row["reranked"].get(n, {}), CUTOFFS[0]) for n in candidates]
        cells += [
            f"{row['needed'][str(k)][f'{share:.0%}']:,}" if row["needed"] else ""
            for k in BEST
            for share in SHARES
        ]
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def _cell(recall: Mapping[str, float], cutoff: int) -> str:
    return f"{recall[str(cutoff)]:.3f}" if str(cutoff) in recall else ""


if __name__ == "__main__":
    main()
