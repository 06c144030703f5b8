"""How good and how fast is each pipeline of a collection on a dataset?"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol
from urllib.parse import quote

import numpy as np
import orjson
from numpy.typing import NDArray

from lexmax.errors import EvaluationError
from lexmax.eval.datasets import Dataset
from lexmax.eval.files import check_ids, replace_file
from lexmax.eval.measures import DEFAULT_MEASURES, Evaluator
from lexmax.eval.qrels import read_qrels
from lexmax.eval.runs import Run, read_run, write_run
from lexmax.types import Json, ranges

_BATCH = 32


class Ranked(Protocol):
    """The answers to a batch: one entry a query, best document first."""

    @property
    def doc_ids(self) -> Sequence[Sequence[str]]:
        """Documents found, no document twice in a query."""
        ...

    @property
    def scores(self) -> Sequence[NDArray[np.float32]]:
        """One for each document, float32; bigger is better."""
        ...

    @property
    def timings_ms(self) -> Mapping[str, float]:
        """Milliseconds that the whole batch spent in each stage."""
        ...


class Searchable(Protocol):
    """What can be evaluated: a collection, or anything that answers batches like one."""

    def search_batch(
        self, queries: Sequence[str], k: int, *, pipeline: str | None = None
    ) -> Ranked:
        """The k best documents of each query."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one pipeline, or one run, did.

    Attributes:
        measures: mean over every judged query, by the measure's name.
        by_query: by the measure's name, then by query_id.
        n_missing: judged queries for which it returned nothing; each counts 0.
        query_ms: milliseconds a query, measured around the search; None for a run that was read.
        stage_ms: the same by stage, as the collection tells it.
    """

    measures: Mapping[str, float]
    by_query: Mapping[str, Mapping[str, float]]
    n_missing: int
    query_ms: float | None = None
    stage_ms: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The outcome of each pipeline over the same judged queries.

    Attributes:
        pipelines: outcome by the name of the pipeline, or of the run.
        measures: names, in the order asked for.
        n_queries: judged queries, over which every mean is taken.
        about: what was evaluated: dataset, split and k; or run and qrels.
        warnings: what the figures do not cover, in sentences.
    """

    pipelines: Mapping[str, Outcome]
    measures: tuple[str, ...]
    n_queries: int
    about: Mapping[str, Json]
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """The figures by pipeline and measure under "pipelines", and all that led to them."""
        timed = {name: o for name, o in self.pipelines.items() if o.query_ms is not None}
        return {
            "pipelines": {name: dict(o.measures) for name, o in self.pipelines.items()},
            **self.about,
            "queries": self.n_queries,
            "missing": {name: o.n_missing for name, o in self.pipelines.items()},
            "ms_per_query": {name: o.query_ms for name, o in timed.items()},
            "stage_ms_per_query": {name: dict(o.stage_ms) for name, o in timed.items()},
            "warnings": self.warnings,
        }


def to_json(evaluation: Evaluation, path: Path | str) -> None:
    """Writes `evaluation.as_json()`, whole or not at all.

    Raises:
        EvaluationError: if the path cannot be written.
        DiskFullError: if there is no room.
    """
    text = orjson.dumps(evaluation.as_json(), option=orjson.OPT_INDENT_2)
    replace_file(Path(path), [text, b"\n"])


def _silent(pipeline: str, n_done: int, n_queries: int) -> None:
    """Reports nothing."""


def evaluate_pipelines(
    collection: Searchable,
    dataset: Dataset,
    pipelines: Sequence[str],
    *,
    measures: Sequence[str] = DEFAULT_MEASURES,
    k: int = 1000,
    runs_dir: Path | str | None = None,
    progress: Callable[[str, int, int], None] = _silent,
    batch_size: int = _BATCH,
) -> Evaluation:
    """Asks a collection every judged query by every pipeline, and measures the answers.

    Every pipeline answers one query before the first is timed, so that a wrong name fails at once
    and no pipeline pays for loading the encoders. With `runs_dir`, each writes
    `DATASET.SPLIT.PIPELINE.trec` there. `progress` is told (pipeline, queries done, queries).

    Raises:
        EvaluationError: if a measure is unknown, no pipeline is named, k or batch_size is below
            1, or an id cannot stand in a run that is to be written.
        PipelineError, QueryError: as the collection raises them.
        DiskFullError: if there is no room for the runs.
    """
    names = tuple(dict.fromkeys(pipelines))
    _check_request(names, k, batch_size)
    evaluator = Evaluator(dataset.qrels, measures)
    if runs_dir is not None:
        _prepare(Path(runs_dir), dataset)
    for name in names:
        collection.search_batch([next(iter(dataset.queries.values()))], k, pipeline=name)
    outcomes: dict[str, Outcome] = {}
    for name in names:
        run, total_ms, stage_ms = _answers(
            collection, dataset, pipeline=name, k=k, batch_size=batch_size, progress=progress
        )
        if runs_dir is not None:
            write_run(Path(runs_dir) / f"{_slug(dataset, name)}.trec", run)
        outcomes[name] = _outcome(evaluator, run, total_ms=total_ms, stage_ms=stage_ms)
    about: dict[str, Json] = {"dataset": dataset.name, "split": dataset.split, "k": k}
    warnings = (*dataset.warnings, *_cut_short(evaluator, k))
    return Evaluation(outcomes, evaluator.names, len(dataset.queries), about, warnings)


def evaluate_run(
    run_path: Path | str,
    qrels_path: Path | str,
    measures: Sequence[str] = DEFAULT_MEASURES,
) -> Evaluation:
    """Measures a run that some system wrote, against qrels; its order is trec_eval's.

    The only pipeline is named by the run's tag, or by the file where the format has none. The
    JSON form holds its figures a second time, under "measures".

    Raises:
        EvaluationError: if a file cannot be read, a measure is unknown, or the two files have no
            query in common.
    """
    evaluator = Evaluator(read_qrels(qrels_path), measures)
    run = read_run(run_path)
    n_queries = len(evaluator.query_ids)
    n_unjudged = len(run.doc_ids.keys() - set(evaluator.query_ids))
    if n_unjudged == len(run.doc_ids):
        raise EvaluationError(
            f"{run_path}: none of its {n_unjudged:,} queries is among the {n_queries:,} that "
            f"{qrels_path} judges; expected the same query_ids; check that they belong together"
        )
    outcome = _outcome(evaluator, run)
    about: dict[str, Json] = {
        "run": str(run_path),
        "qrels": str(qrels_path),
        "measures": dict(outcome.measures),
    }
    warnings: tuple[str, ...] = ()
    if n_unjudged:
        n_run = len(run.doc_ids)
        warnings = (f"{n_unjudged:,} of {n_run:,} queries of the run have no judgement: left out",)
    return Evaluation({run.name: outcome}, evaluator.names, n_queries, about, warnings)


def _check_request(pipelines: Sequence[str], k: int, batch_size: int) -> None:
    if not pipelines:
        raise EvaluationError("no pipeline is named; expected one or more, such as bm25; name one")
    for name, value in (("k", k), ("batch_size", batch_size)):
        if value < 1:
            raise EvaluationError(f"{name} is {value}; expected 1 or more; ask for more")


def _prepare(runs_dir: Path, dataset: Dataset) -> None:
    """Finds out before hours of search whether runs can be written."""
    check_ids(list(dataset.queries))
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EvaluationError(
            f"{runs_dir}: cannot hold runs ({error.strerror}); expected a folder, or a path where "
            "one can be made; choose another"
        ) from error


def _slug(dataset: Dataset, pipeline: str) -> str:
    return ".".join(quote(part, safe="") for part in (dataset.name, dataset.split, pipeline))


def _answers(
    collection: Searchable,
    dataset: Dataset,
    *,
    pipeline: str,
    k: int,
    batch_size: int,
    progress: Callable[[str, int, int], None],
) -> tuple[Run, float, dict[str, float]]:
    """What a pipeline returns to every query; milliseconds of all searches, and by stage."""
    query_ids, texts = list(dataset.queries), list(dataset.queries.values())
    doc_ids: dict[str, Sequence[str]] = {}
    scores: dict[str, NDArray[np.float32]] = {}
    total_ms, by_stage = 0.0, dict[str, float]()
    for start, stop in ranges(len(texts), batch_size):
        began = time.perf_counter()
        ranked = collection.search_batch(texts[start:stop], k, pipeline=pipeline)
        total_ms += (time.perf_counter() - began) * 1000
        for stage, stage_ms in ranked.timings_ms.items():
            by_stage[stage] = by_stage.get(stage, 0.0) + stage_ms
        doc_ids |= zip(query_ids[start:stop], ranked.doc_ids, strict=True)
        scores |= zip(query_ids[start:stop], ranked.scores, strict=True)
        progress(pipeline, stop, len(texts))
    return Run(quote(pipeline, safe=""), doc_ids, scores), total_ms, by_stage


def _outcome(
    evaluator: Evaluator,
    run: Run,
    *,
    total_ms: float | None = None,
    stage_ms: Mapping[str, float] = MappingProxyType({}),
) -> Outcome:
    measured = evaluator.evaluate(run.doc_ids)
    n_queries = len(evaluator.query_ids)
    n_missing = sum(not run.doc_ids.get(query_id) for query_id in evaluator.query_ids)
    query_ms = None if total_ms is None else total_ms / n_queries
    each = {stage: ms / n_queries for stage, ms in stage_ms.items()}
    return Outcome(measured.overall, measured.by_query, n_missing, query_ms, each)


def _cut_short(evaluator: Evaluator, k: int) -> tuple[str, ...]:
    names = [
        name for name, cutoff in evaluator.cutoffs.items() if cutoff is not None and cutoff > k
    ]
    if not names:
        return ()
    return (f"{', '.join(names)}: computed from the {k:,} documents asked for, which is fewer",)
