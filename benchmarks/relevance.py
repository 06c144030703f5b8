"""How well do the maps of the relevance filter tell relevant documents from others?

python benchmarks/relevance.py COLLECTION DATASET_DIR TRAIN_SPLIT TEST_SPLIT [--relevant-from 2]
    [--pipelines sparse multivector] [--depth 1000] [--cache DIR] [--draws 1000]

The collection answers the queries of both splits by each pipeline; adapters are trained on one
split and reported on the other, as a table in Markdown with 95 % bootstrap intervals over queries:

- PR-AUC over pooled pairs, and its ratio to that of the pipeline's own score (raw);
- removed and P@R95: the share of all candidates that is removed, and the precision of the others,
  where 95 % of the relevant candidates are kept, by a threshold chosen on the test queries;
- the threshold that was chosen on training queries, applied to the test queries: the recall that
  it reaches, the share removed, queries left empty (and wrongly so), MRR of what is kept.

MaxSim's raw score is the sum over the query's tokens, and bm25's over its terms.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import describe

from lexmax.calibration import scoring_stages
from lexmax.collection import Collection
from lexmax.eval import load_dataset
from lexmax.eval.relevance_measures import (
    filter_measures,
    pr_auc,
    pr_auc_interval,
    ratio_interval,
    recall_threshold,
    removed_interval,
)
from lexmax.pipeline.queries import encode
from lexmax.relevance import QueryFeatures, Target, query_features
from lexmax.relevance.adapter import QueryInput, Scale
from lexmax.relevance.cross_fitting import CrossFitted, cross_fit
from lexmax.relevance.designs import AdapterDesign, TrainingRules
from lexmax.relevance.judged import JudgedList, JudgedPairs
from lexmax.relevance.maps import FORMS
from lexmax.relevance.thresholds import threshold_for
from lexmax.stages import named
from lexmax.types import ranges

FEATURE_DEPTH = 100
RECALL = Target("recall", 0.95)
SCALES: tuple[Scale, ...] = ("fixed", "query", "list")
INPUTS: tuple[QueryInput, ...] = ("none", "vector", "features")


@dataclass(frozen=True, slots=True)
class Row:
    """What one adapter gives on the test queries; `chosen` is what `lexmax calibrate` takes."""

    label: str
    trained: CrossFitted
    pairs: JudgedPairs
    chosen: bool = False


def main() -> None:
    """Print the tables."""
    asked = parsed()
    print(f"machine: {describe()}")
    print(f"train: {asked.train}, test: {asked.test}, relevant from grade {asked.relevant_from}")
    for pipeline in asked.pipelines:
        seen, unseen = (judged_lists(asked, pipeline, split) for split in (asked.train, asked.test))
        study(pipeline, seen, unseen, asked)


def parsed() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collection", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--pipelines", nargs="+", default=["sparse", "multivector"])
    parser.add_argument("--relevant-from", type=int, default=1)
    parser.add_argument("--depth", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--held-out", type=float, default=0.2)
    parser.add_argument("--cache", type=Path, default=Path("benchmarks/out/relevance"))
    return parser.parse_args()


def judged_lists(asked: argparse.Namespace, pipeline: str, split: str) -> list[JudgedList]:
    """The candidates of every judged query of a split; kept in the cache, grades and all."""
    path = asked.cache / f"{asked.dataset.name}.{split}.{pipeline}.{asked.depth}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **searched(asked, pipeline, split))
    stored = np.load(path)
    ends = np.cumsum(stored["lengths"])
    return [
        JudgedList(
            stored["scores"][end - n : end],
            (stored["grades"][end - n : end] >= asked.relevant_from).astype(np.float32),
            QueryFeatures(stored["vectors"][i] if "vectors" in stored else None, numbers),
        )
        for i, (n, end, numbers) in enumerate(
            zip(stored["lengths"], ends, stored["numbers"], strict=True)
        )
    ]


def searched(asked: argparse.Namespace, pipeline: str, split: str) -> dict[str, np.ndarray]:
    """Scores, grades and what is known of every query."""
    dataset = load_dataset(asked.dataset, split=split)
    query_ids, texts = list(dataset.queries), list(dataset.queries.values())
    scores, grades, known = [], [], []
    with Collection.open(asked.collection, merge_in_background=False) as collection:
        stages, snapshot = scoring_stages(named(pipeline)), collection.snapshot()
        for start, stop in ranges(len(texts), 32):
            ranking = collection.search_batch(texts[start:stop], asked.depth, pipeline=stages)
            encoded = encode(stages, snapshot, collection.encoders, texts[start:stop])
            for i, doc_ids in enumerate(ranking.doc_ids):
                judged = dataset.qrels[query_ids[start + i]]
                row = ranking.scores[i]
                scores.append(row)
                grades.append(np.array([judged.get(one, 0) for one in doc_ids], np.int32))
                known.append(
                    query_features(encoded, i, row, depth=FEATURE_DEPTH, statistics=snapshot)
                )
    found = {
        "scores": np.concatenate(scores),
        "grades": np.concatenate(grades),
        "lengths": np.array([len(row) for row in scores]),
        "numbers": np.stack([one.numbers for one in known]),
    }
    if known[0].vector is not None:
        found["vectors"] = np.stack([one.vector for one in known])
    return found


def study(
    pipeline: str,
    seen: Sequence[JudgedList],
    unseen: Sequence[JudgedList],
    asked: argparse.Namespace,
) -> None:
    """Train on what is seen, and print what is found in what is not."""
    raw = JudgedPairs.of(unseen)
    print(
        f"\n### {pipeline}: {len(seen)} queries to train, {len(unseen)} to test, "
        f"{len(raw.labels):,} pairs, {int(raw.labels.sum()):,} relevant\n"
    )
    print(
        "| scale, map, by | PR-AUC | ratio to raw | removed at R95 | P@R95 | trained threshold: "
        "recall, removed, empty (wrongly), MRR | loss |\n|---|---|---|---|---|---|---|"
    )
    trained_raw = JudgedPairs.of(seen)
    threshold = recall_threshold(trained_raw, RECALL.share)
    print(line("raw score", raw, raw, threshold, None, asked.draws))
    for row in rows(seen, unseen, asked):
        held_out = JudgedPairs.of(seen, row.trained.held_out)
        threshold = threshold_for(held_out.scores, held_out.labels, RECALL)
        label = f"**{row.label}**" if row.chosen else row.label
        print(line(label, row.pairs, raw, threshold, row.trained.loss, asked.draws), flush=True)


def rows(
    seen: Sequence[JudgedList], unseen: Sequence[JudgedList], asked: argparse.Namespace
) -> list[Row]:
    """Every form, scale and input; the one of the power map with the lowest loss is chosen."""
    found: list[Row] = []
    has_vectors = seen[0].query.vector is not None
    for scale in SCALES:
        for inputs in INPUTS:
            if inputs == "vector" and not has_vectors:
                continue
            found += [
                trained(seen, unseen, AdapterDesign(form, inputs, scale, FEATURE_DEPTH), asked)
                for form in FORMS
                if form != "raw" or (inputs == "none" and scale != "fixed")
            ]
    tried = [
        row
        for row in found
        if row.trained.design.form == "power" and row.trained.design.inputs != "vector"
    ]
    best = min(tried, key=lambda row: row.trained.loss)
    return [Row(row.label, row.trained, row.pairs, row is best) for row in found]


def trained(
    seen: Sequence[JudgedList],
    unseen: Sequence[JudgedList],
    design: AdapterDesign,
    asked: argparse.Namespace,
) -> Row:
    """One adapter, and what it says of the test queries."""
    fitted = cross_fit(
        seen,
        [design],
        share=asked.held_out,
        rules=TrainingRules(seed=asked.seed),
        advance=lambda done, total: None,
    )
    said = [fitted.adapter.probabilities(one.scores, one.query) for one in unseen]
    label = f"{design.scale}, {design.form}, {design.inputs}"
    return Row(label, fitted, JudgedPairs.of(unseen, said))


def line(
    label: str,
    pairs: JudgedPairs,
    raw: JudgedPairs,
    threshold: float,
    loss: float | None,
    draws: int,
) -> str:
    """One row of the table."""
    area, between = pr_auc(pairs), pr_auc_interval(pairs, draws=draws)
    ratio, ratios = area / pr_auc(raw), ratio_interval(pairs, raw, draws=draws)
    at_recall = filter_measures(pairs, recall_threshold(pairs, RECALL.share))
    removed = removed_interval(pairs, RECALL.share, draws=draws)
    kept = filter_measures(pairs, threshold)
    return (
        f"| {label} | {area:.4f} [{between.low:.4f}, {between.high:.4f}] | {ratio:.2f} "
        f"[{ratios.low:.2f}, {ratios.high:.2f}] | {at_recall.removed:.3f} [{removed.low:.3f}, "
        f"{removed.high:.3f}] | {at_recall.precision:.4f} | {kept.recall:.3f}, "
        f"{kept.removed:.3f}, {kept.empty:.3f} ({kept.wrongly_empty:.3f}), {kept.mrr:.3f} | "
        f"{'' if loss is None else format(loss, '.5f')} |"
    )


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - began:,.0f} s")
