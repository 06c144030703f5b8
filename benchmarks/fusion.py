"""Which weights should the default pipelines give to their signals, and how deep should they fuse?

python benchmarks/fusion.py DATASET_DIR:SPLIT:COLLECTION... [--queries N] [--depths N,N,...]
    [--json FILE]

Each collection holds the dataset's corpus, indexed with bm25, minilm and `--pooled minilm-pooled`.
Every signal ranks its best documents once; then weighted sums over a grid, of the first documents
of each ranking, are compared by nDCG@10, averaged over the collections. Choose on splits that
nothing is reported on: N queries, drawn with a fixed seed, of each split.
"""

import argparse
import json
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lexmax.collection import Collection
from lexmax.eval import load_dataset
from lexmax.fusion import Scale, weighted_sum

_SIGNALS = ("sparse", "multivector", "pooled")
_SCALES: tuple[Scale, ...] = ("min-max", "z-score")
_SHOWN = 12
Lists: TypeAlias = "list[list[tuple[NDArray[np.int64], NDArray[np.float32]]]]"


def main() -> None:
    """Compare all weights, print the best ones of two and of three signals."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", nargs="+", metavar="DATASET_DIR:SPLIT:COLLECTION")
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--depths", type=_numbers, default=[50, 100, 200, 500, 1000])
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    judged = {
        source: _judged(source, arguments.queries, max(arguments.depths))
        for source in arguments.sources
    }
    rows = [
        {
            "depth": depth,
            "scale": scale,
            "weights": weights,
            "ndcg": {name: _mean(*found, weights, scale) for name, found in cut.items()},
        }
        for depth in arguments.depths
        for cut in [{name: (_cut(lists, depth), of) for name, (lists, of) in judged.items()}]
        for scale in _SCALES
        for weights in _grid()
    ]
    for row in rows:
        row["mean"] = round(float(np.mean(list(row["ndcg"].values()))), 4)
    rows.sort(key=lambda row: -row["mean"])
    for name, keep in (("three", lambda w: True), ("two", lambda w: w[2] == 0)):
        print(
            f"the best of {name} signals: depth, scale, weights of {', '.join(_SIGNALS)}, nDCG@10"
        )
        kept = [row for row in rows if keep(row["weights"])]
        for row in kept[:_SHOWN] + _best_of_each_depth(kept):
            each = "  ".join(f"{value:.4f}" for value in row["ndcg"].values())
            what = f"{row['depth']:5} {row['scale']:8} {row['weights']}"
            print(f"  {what}  mean {row['mean']:.4f}  {each}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def _numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]


def _best_of_each_depth(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of rows that stand best first, those that are the first of their depth and scale."""
    best: dict[tuple[int, str], dict[str, Any]] = {}
    for row in rows:
        best.setdefault((row["depth"], row["scale"]), row)
    return [best[one] for one in sorted(best)]


def _cut(lists: Lists, depth: int) -> Lists:
    return [[(found[:depth], scores[:depth]) for found, scores in row] for row in lists]


def _grid() -> list[tuple[float, float, float]]:
    tenths = [(a, 10 - a - c, c) for a in range(7) for c in range(6)]
    return [(a / 10, b / 10, c / 10) for a, b, c in tenths if b >= 0]


def _judged(source: str, n_queries: int, depth: int) -> tuple[Lists, list[dict[int, int]]]:
    """Rankings of every query by every signal, and grades by ordinal."""
    folder, split, path = source.rsplit(":", 2)
    dataset = load_dataset(Path(folder), split=split)
    ids = sorted(dataset.queries)
    chosen = np.random.default_rng(7).permutation(len(ids))[:n_queries]
    texts = [dataset.queries[ids[i]] for i in chosen]
    numbers: dict[str, int] = {}
    lists: Lists = [[] for _ in chosen]
    with Collection.open(Path(path)) as collection:
        for signal in _SIGNALS:
            found = collection.search_batch(texts, depth, pipeline=signal)
            for row, doc_ids, scores in zip(lists, found.doc_ids, found.scores, strict=True):
                ordinals = [numbers.setdefault(one, len(numbers)) for one in doc_ids]
                row.append((np.array(ordinals, dtype=np.int64), scores))
    grades = [
        {numbers.setdefault(one, len(numbers)): grade for one, grade in of_query.items()}
        for of_query in (dict(dataset.qrels[ids[i]]) for i in chosen)
    ]
    return lists, grades


def _mean(
    lists: Lists, grades: list[dict[int, int]], weights: tuple[float, ...], scale: Scale
) -> float:
    each = [
        _ndcg(weighted_sum(row, weights, scale=scale)[0], graded)
        for row, graded in zip(lists, grades, strict=True)
    ]
    return round(float(np.mean(each)), 4)


def _ndcg(ordinals: NDArray[np.int64], grades: dict[int, int], k: int = 10) -> float:
    gains = [max(grades.get(int(one), 0), 0) for one in ordinals[:k]]
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k]
    discounts = 1 / np.log2(np.arange(2, k + 2))
    best = float(np.dot(ideal, discounts[: len(ideal)]))
    return float(np.dot(gains, discounts[: len(gains)])) / best if best else 0.0


if __name__ == "__main__":
    main()
