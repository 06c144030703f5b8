"""From which score on is a document relevant? Learnt from judged queries of one collection.

The collection answers the queries as it serves them, so what is calibrated is what is served.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lexmax.building import Silent, Watcher
from lexmax.collection import Collection
from lexmax.encoders import PairScorer
from lexmax.encoders.inputs import Inputs
from lexmax.errors import CalibrationError
from lexmax.index.snapshot import Snapshot
from lexmax.pipeline import default_name
from lexmax.pipeline.queries import encode
from lexmax.relevance import (
    Calibration,
    QueryFeatures,
    Target,
    query_features,
    save_calibration,
)
from lexmax.relevance.adapter import QueryInput, Scale
from lexmax.relevance.calibrations import check_name
from lexmax.relevance.designs import AdapterDesign, TrainingRules
from lexmax.relevance.judged import JudgedList, JudgedPairs
from lexmax.relevance.maps import MapForm
from lexmax.relevance.thresholds import threshold_for
from lexmax.stages import Pipeline, named
from lexmax.types import ranges

if TYPE_CHECKING:  # Torch takes seconds to import, and versions are checked at every search.
    from lexmax.relevance.cross_fitting import CrossFitted

MIN_QUERIES = 20
_BATCH = 32
_FEATURE_DEPTH = 100


@dataclass(frozen=True, slots=True)
class CalibrationRules:
    """How to calibrate.

    Attributes:
        form: of the map from scores to probabilities.
        inputs: what of a query the map depends on; None tries `none` and `features`, and takes
            what is better on held-out queries.
        scale: of scores before the map; None tries all, likewise.
        target: what the threshold is chosen for.
        held_out: share of the queries that each adapter is not trained on; one after the other
            every query is held out.
        depth: candidates a query. A search with this calibration looks at as many, because what
            is known of a query are scores of its candidates too.
        relevant_from: grade from which on a document counts as relevant.
        training: of each adapter, seed included.
    """

    form: MapForm = "power"
    inputs: QueryInput | None = None
    scale: Scale | None = None
    target: Target = field(default_factory=lambda: Target("recall", 0.95))
    held_out: float = 0.2
    depth: int = 100
    relevant_from: int = 1
    training: TrainingRules = field(default_factory=TrainingRules)

    def __post_init__(self) -> None:
        if not 0 < self.held_out <= 0.5:
            raise CalibrationError(
                f"held_out is {self.held_out}; expected above 0 and at most 0.5, such as 0.2"
            )
        if self.depth < 2:
            raise CalibrationError(f"depth is {self.depth}; expected 2 candidates or more")


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What was made, and what it says of queries that it was not trained on.

    Attributes:
        calibration: as it is stored.
        path: its folder.
        raw: all pairs with the pipeline's own scores.
        adapted: the same pairs with probabilities by adapters that have not seen their query.
        n_without: queries that are not judged, or have nothing relevant among their candidates.
    """

    calibration: Calibration
    path: Path
    raw: JudgedPairs
    adapted: JudgedPairs
    n_without: int


def calibrate(
    collection: Collection,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]] | None,
    *,
    pipeline: str | Pipeline | None = None,
    rules: CalibrationRules | None = None,
    name: str = "default",
    teacher: PairScorer | None = None,
    watcher: Watcher | None = None,
) -> CalibrationReport:
    """Learn to tell relevance from scores, and store that in the collection's folder.

    Documents that are not in a query's qrels count as not relevant. Without qrels a teacher's
    scores stand for judgements: shares of relevance if all are from 0 to 1, else logits.

    Args:
        collection: Answers the queries.
        queries: Text by query_id.
        qrels: Relevance by doc_id by query_id; None asks the teacher.
        pipeline: As for a search; what it does after its documents are scored is left out.
        rules: How to calibrate.
        name: What searches call it by; one of this name is replaced.
        teacher: Reads a query and a document together.
        watcher: Is told how far it is, and may stop it.

    Raises:
        CalibrationError: if too few queries are judged, or the target cannot be reached.
        PipelineError: if there is no such pipeline, or this collection cannot run it.
        KeyboardInterrupt: if the watcher stopped it; nothing was written.
    """
    rules, watcher = rules or CalibrationRules(), watcher or Silent()
    check_name(name)
    stages = scoring_stages(named(pipeline or default_name(collection.encoders)))
    asked = _asked(queries, qrels, teacher)
    snapshot = collection.snapshot()
    labels = _by_qrels(qrels, rules) if qrels is not None else _by_teacher(collection, teacher)
    lists = _judged_lists(collection, snapshot, stages, asked, labels, rules, watcher)
    n_judged = _require_enough(lists, rules)
    fitted = _fitted(lists, rules, watcher)
    adapted = JudgedPairs.of(lists, fitted.held_out)
    threshold = threshold_for(adapted.scores, adapted.labels, rules.target)
    measured = {"cross_entropy": fitted.loss}
    calibration = Calibration(
        name,
        fitted.adapter,
        threshold,
        rules.target,
        collection.index_version(snapshot, stages),
        rules.depth,
        n_judged,
        measured,
    )
    path = save_calibration(collection.path, calibration)
    return CalibrationReport(
        calibration, path, JudgedPairs.of(lists), adapted, len(queries) - n_judged
    )


def scoring_stages(pipeline: Pipeline) -> Pipeline:
    """The pipeline without what it does once its documents are scored."""
    return pipeline.model_copy(update={"relevance": None, "diversify": None})


def _asked(
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]] | None,
    teacher: PairScorer | None,
) -> dict[str, str]:
    """Queries that can be judged."""
    if qrels is None and teacher is None:
        raise CalibrationError(
            "found neither qrels nor a teacher; expected judgements, or a reranker whose scores "
            "stand for them; give one of them"
        )
    judged = queries if qrels is None else {q: t for q, t in queries.items() if q in qrels}
    asked = {query_id: text for query_id, text in judged.items() if text.strip()}
    if len(asked) < MIN_QUERIES:
        raise _too_few(len(asked), "are judged")
    return asked


def _too_few(found: int, what: str) -> CalibrationError:
    return CalibrationError(
        f"{found:,} queries {what}; expected at least {MIN_QUERIES}, so that some can be held "
        "out; judge more queries, or let a reranker judge with a teacher"
    )


_Labels = Callable[[str, str, Sequence[str]], NDArray[np.float32]]


def _by_qrels(qrels: Mapping[str, Mapping[str, int]], rules: CalibrationRules) -> _Labels:
    def labels(query_id: str, query: str, doc_ids: Sequence[str]) -> NDArray[np.float32]:
        grades = qrels[query_id]
        relevant = [grades.get(doc_id, 0) >= rules.relevant_from for doc_id in doc_ids]
        return np.array(relevant, dtype=np.float32)

    return labels


def _by_teacher(collection: Collection, teacher: PairScorer | None) -> _Labels:
    def labels(query_id: str, query: str, doc_ids: Sequence[str]) -> NDArray[np.float32]:
        if teacher is None or not doc_ids:
            return np.zeros(len(doc_ids), dtype=np.float32)
        documents = collection.get(doc_ids)
        texts = ["" if document is None else document.full_text for document in documents]
        return teacher.score(query, texts)

    return labels


def _judged_lists(
    collection: Collection,
    snapshot: Snapshot,
    pipeline: Pipeline,
    asked: Mapping[str, str],
    labels: _Labels,
    rules: CalibrationRules,
    watcher: Watcher,
) -> list[JudgedList]:
    """The candidates of every query that has any, in the order of the queries."""
    query_ids, texts = list(asked), list(asked.values())
    found: list[_Candidates] = []
    for start, stop in ranges(len(texts), _BATCH):
        batch = texts[start:stop]
        ranking = collection.search_batch(batch, rules.depth, pipeline=pipeline)
        encoded = encode(pipeline, snapshot, collection.encoders, Inputs(batch))
        for i, (doc_ids, scores) in enumerate(zip(ranking.doc_ids, ranking.scores, strict=True)):
            if doc_ids:
                depth = min(rules.depth, _FEATURE_DEPTH)
                query = query_features(encoded, i, scores, depth=depth, statistics=snapshot)
                judged = labels(query_ids[start + i], batch[i], doc_ids)
                found.append(_Candidates(scores, judged, query))
        watcher.advance("search", stop, len(texts))
        if watcher.stopped():
            raise KeyboardInterrupt
    shares = _shares([one.judged for one in found])
    return [
        JudgedList(one.scores, share, one.query) for one, share in zip(found, shares, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Of one query; `judged` are labels, or what a teacher says."""

    scores: NDArray[np.float32]
    judged: NDArray[np.float32]
    query: QueryFeatures


def _shares(judged: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Scores as shares of relevance: as they are where all are shares, else of logits."""
    if any(np.isnan(one).any() for one in judged):
        raise CalibrationError(
            "the teacher gave a score that is NaN; expected numbers; take another reranker"
        )
    # A text without words scores -inf: it is not relevant in either reading.
    if all(np.all((one == -np.inf) | ((one >= 0) & (one <= 1))) for one in judged):
        return [np.maximum(one, np.float32(0)) for one in judged]
    shares = (1.0 / (1.0 + np.exp(np.clip(-one.astype(np.float64), -700, 700))) for one in judged)
    return [one.astype(np.float32) for one in shares]


def _require_enough(lists: Sequence[JudgedList], rules: CalibrationRules) -> int:
    """Queries with something relevant among their candidates; others teach what is not."""
    n = sum(bool(np.any(one.labels >= 0.5)) for one in lists)
    if n < MIN_QUERIES:
        raise _too_few(n, f"have a relevant document among their first {rules.depth:,}")
    return n


def _fitted(
    lists: Sequence[JudgedList], rules: CalibrationRules, watcher: Watcher
) -> "CrossFitted":
    from lexmax.relevance.cross_fitting import cross_fit

    def advance(done: int, total: int) -> None:
        watcher.advance("train", done, total)
        if watcher.stopped():
            raise KeyboardInterrupt

    return cross_fit(
        lists, _designs(rules), share=rules.held_out, rules=rules.training, advance=advance
    )


def _designs(rules: CalibrationRules) -> list[AdapterDesign]:
    """What is tried, the simplest first."""
    scales: tuple[Scale, ...] = ("fixed", "query", "list")
    inputs: tuple[QueryInput, ...] = ("none", "features")
    depth = min(rules.depth, _FEATURE_DEPTH)
    if rules.form == "raw":
        return [AdapterDesign("raw", "none", rules.scale or "fixed", depth)]
    return [
        AdapterDesign(rules.form, one, scale, depth)
        for one in (inputs if rules.inputs is None else (rules.inputs,))
        for scale in (scales if rules.scale is None else (rules.scale,))
    ]
