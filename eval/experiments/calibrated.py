"""How does a relevance filter of an experiment come to its thresholds?

It learns on queries that it is not measured on: those of another split where the collection names
one, else those of the other folds. Calibrations lie in the index they are for, under names that
are hashes of all that they depend on, so they are made once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import xxhash

from lexmax.building import Watcher
from lexmax.calibration import CalibrationReport, CalibrationRules, calibrate
from lexmax.collection import Collection
from lexmax.errors import CalibrationError
from lexmax.eval.experiments.matrix import CalibrationSection
from lexmax.eval.qrels import Qrels
from lexmax.eval.relevance_measures import filter_measures, pr_auc
from lexmax.index.durable import to_json, write_atomically
from lexmax.relevance import Target
from lexmax.relevance.designs import TrainingRules
from lexmax.relevance.judged import JudgedPairs
from lexmax.stages import Pipeline, RelevanceFilter
from lexmax.types import Json

_BINS = 10


@dataclass(frozen=True, slots=True)
class JudgedQueries:
    """Queries with their judgements, by query_id."""

    queries: Mapping[str, str]
    qrels: Qrels


@dataclass(frozen=True, slots=True)
class Share:
    """Queries that are asked by one pipeline, its calibration named in it."""

    query_ids: Sequence[str]
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Calibrated:
    """How to ask each query, and what the calibrations say of queries that they have not seen."""

    shares: tuple[Share, ...]
    described: Mapping[str, Json]


def calibrated(
    collection: Collection,
    pipeline: Pipeline,
    rules: CalibrationSection,
    *,
    asked: JudgedQueries,
    learnt_on: JudgedQueries | None,
    watcher: Watcher,
) -> Calibrated:
    """The calibrations of one system on one collection, made where they are missing.

    Raises:
        CalibrationError: if too few queries are judged, or the target cannot be reached.
        KeyboardInterrupt: if the watcher stopped it; finished ones are kept.
    """
    folds = _folds(list(asked.queries), 1 if learnt_on is not None else rules.folds)
    shares: list[Share] = []
    described: list[Json] = []
    for number, query_ids in enumerate(folds):
        teaching = learnt_on or _without(asked, set(query_ids))
        drawn = _drawn(teaching, rules)
        name = _name(pipeline, drawn, rules)
        about = _made(collection, name, pipeline, drawn, rules, watcher)
        stage = (pipeline.relevance or RelevanceFilter()).model_copy(update={"calibration": name})
        shares.append(Share(query_ids, pipeline.model_copy(update={"relevance": stage})))
        described.append({"fold": number, "queries": len(query_ids), **about})
    return Calibrated(
        tuple(shares),
        {"learnt_on": "another split" if learnt_on else f"{len(folds)} folds", "folds": described},
    )


def _folds(query_ids: Sequence[str], n: int) -> list[list[str]]:
    """Queries by a hash of their ids, so that a longer list moves none of them."""
    folds: list[list[str]] = [[] for _ in range(n)]
    for query_id in query_ids:
        folds[xxhash.xxh3_64_intdigest(query_id.encode()) % n].append(query_id)
    return [fold for fold in folds if fold]


def _without(asked: JudgedQueries, left_out: set[str]) -> JudgedQueries:
    queries = {q: text for q, text in asked.queries.items() if q not in left_out}
    if not queries:
        raise CalibrationError(
            f"{len(asked.queries)} judged queries cannot be told apart into folds; expected more, "
            "so that some are left to learn from; judge more, or name a split to calibrate on"
        )
    return JudgedQueries(queries, {q: asked.qrels[q] for q in queries})


def _drawn(teaching: JudgedQueries, rules: CalibrationSection) -> JudgedQueries:
    """At most so many of the queries, chosen by a hash of their ids and the seed."""
    order = sorted(
        teaching.queries,
        key=lambda query_id: xxhash.xxh3_64_intdigest(query_id.encode(), seed=rules.seed + 1),
    )
    chosen = set(order[: rules.queries])
    queries = {q: text for q, text in teaching.queries.items() if q in chosen}
    return JudgedQueries(queries, {q: teaching.qrels[q] for q in queries})


def _name(pipeline: Pipeline, teaching: JudgedQueries, rules: CalibrationSection) -> str:
    stages = pipeline.model_dump(mode="json", exclude={"name", "relevance", "diversify"})
    asked: Any = [
        stages,
        dict(teaching.queries),
        dict(teaching.qrels),
        rules.model_dump(exclude_defaults=True),
    ]
    digest = xxhash.xxh3_128(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS))
    return f"experiment-{digest.hexdigest()}"


def _made(
    collection: Collection,
    name: str,
    pipeline: Pipeline,
    teaching: JudgedQueries,
    rules: CalibrationSection,
    watcher: Watcher,
) -> dict[str, Json]:
    folder = collection.path / "relevance" / name
    about = folder / "experiment.json"
    if (known := _read(about)) is not None and (folder / "calibration.json").is_file():
        return known
    report = calibrate(
        collection,
        teaching.queries,
        teaching.qrels,
        pipeline=pipeline,
        rules=CalibrationRules(
            form=rules.form,
            inputs=None if rules.inputs == "auto" else rules.inputs,
            scale=None if rules.scale == "auto" else rules.scale,
            target=Target("recall", rules.recall),
            depth=rules.depth,
            relevant_from=rules.relevant_from,
            training=TrainingRules(seed=rules.seed),
        ),
        name=name,
        watcher=watcher,
    )
    described = _described(report)
    write_atomically(about, to_json(described))
    return described


def _read(path: Path) -> dict[str, Json] | None:
    try:
        found: Any = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _described(report: CalibrationReport) -> dict[str, Json]:
    """Of the queries that were learnt on, each judged by a map that had not seen it."""
    threshold = report.calibration.threshold
    filtered = filter_measures(report.adapted, threshold)
    return {
        "learnt_from": report.calibration.n_queries,
        "threshold": threshold,
        "pr_auc": {"scores": pr_auc(report.raw), "probabilities": pr_auc(report.adapted)},
        "held_out": {
            "precision": filtered.precision,
            "recall": filtered.recall,
            "removed": filtered.removed,
            "empty": filtered.empty,
        },
        "reliability": reliability(report.adapted),
    }


def reliability(pairs: JudgedPairs, *, bins: int = _BINS) -> list[Json]:
    """Of pairs in bins of equal width by probability: how many, their mean, and how many relevant.

    A map is calibrated where the mean probability is the share that is relevant. Bins without
    pairs are left out.
    """
    places = np.minimum((pairs.scores * bins).astype(np.int64), bins - 1)
    counts = np.bincount(places, minlength=bins)
    told = np.bincount(places, pairs.scores, minlength=bins)
    relevant = np.bincount(places, pairs.labels, minlength=bins)
    return [
        {
            "pairs": int(counts[i]),
            "probability": float(told[i] / counts[i]),
            "relevant": float(relevant[i] / counts[i]),
        }
        for i in range(bins)
        if counts[i]
    ]
