"""How good and how fast is each pipeline of a collection on a dataset?"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import EvaluationError
from lexmax.eval.collections import unknown_documents
from lexmax.eval.datasets import Dataset
from lexmax.eval.measures import DEFAULT_MEASURES, Evaluator
from lexmax.eval.outcomes import Evaluation, Outcome, outcome_of, to_json
from lexmax.eval.qrels import Qrels
from lexmax.eval.run_files import evaluate_run
from lexmax.eval.runs import Run, RunFormat, write_run
from lexmax.eval.runs.writing import check_run_ids, run_suffix
from lexmax.stages import Pipeline
from lexmax.types import Json, ranges

__all__ = [
    "Evaluation",
    "Outcome",
    "Ranked",
    "Searchable",
    "evaluate_pipelines",
    "evaluate_run",
    "to_json",
]

_BATCH = 32
_LOOKED_UP = 1024


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
        self, queries: Sequence[str], k: int, *, pipeline: str | Pipeline | None = None
    ) -> Ranked:
        """The k best documents of each query."""
        ...


@runtime_checkable
class Holding(Protocol):
    """What can say which documents it holds."""

    def get(self, doc_ids: Sequence[str]) -> Sequence[object | None]:
        """The documents, None where there is none."""
        ...


def _silent(pipeline: str, n_done: int, n_queries: int) -> None:
    """Reports nothing."""


def evaluate_pipelines(
    collection: Searchable,
    dataset: Dataset,
    pipelines: Sequence[str | Pipeline],
    *,
    measures: Sequence[str] = DEFAULT_MEASURES,
    k: int = 1000,
    runs_dir: Path | str | None = None,
    run_format: RunFormat = "trec",
    progress: Callable[[str, int, int], None] = _silent,
    batch_size: int = _BATCH,
) -> Evaluation:
    """Asks a collection every judged query by every pipeline, and measures the answers.

    Every pipeline answers one query before the first is timed, so that a wrong name fails at once
    and no pipeline pays for loading the encoders. With `runs_dir`, each writes
    `DATASET.SPLIT.PIPELINE.trec` there, or `.tsv` where `run_format` is "msmarco". `progress` is
    told (pipeline, queries done, queries).

    Raises:
        EvaluationError: if a measure is unknown, no pipeline is named, k or batch_size is below
            1, or an id cannot stand in a run that is to be written.
        PipelineError, QueryError: as the collection raises them.
        DiskFullError: if there is no room for the runs.
    """
    named = _named(pipelines)
    _check_request(named, k, batch_size)
    evaluator = Evaluator(dataset.qrels, measures)
    unknown = _unknown(collection, dataset.qrels)
    if runs_dir is not None:
        _prepare(Path(runs_dir), dataset, run_format)
    for pipeline in named.values():
        collection.search_batch([next(iter(dataset.queries.values()))], k, pipeline=pipeline)
    outcomes: dict[str, Outcome] = {}
    for name, pipeline in named.items():
        run, total_ms, stage_ms = _answers(
            collection,
            dataset,
            name,
            pipeline=pipeline,
            k=k,
            batch_size=batch_size,
            progress=progress,
        )
        if runs_dir is not None:
            path = Path(runs_dir) / f"{_slug(dataset, name)}{run_suffix(run_format)}"
            write_run(path, run, format=run_format)
        outcomes[name] = outcome_of(evaluator, run, total_ms=total_ms, stage_ms=stage_ms)
    about: dict[str, Json] = {"dataset": dataset.name, "split": dataset.split, "k": k}
    warnings = (*dataset.warnings, *unknown, *_cut_short(evaluator, k))
    n_queries, lower = len(dataset.queries), evaluator.lower_is_better
    return Evaluation(outcomes, evaluator.names, n_queries, about, warnings, lower)


def _named(pipelines: Sequence[str | Pipeline]) -> dict[str, str | Pipeline]:
    found: dict[str, str | Pipeline] = {}
    for pipeline in pipelines:
        name = pipeline if isinstance(pipeline, str) else pipeline.name
        if found.setdefault(name, pipeline) != pipeline:
            raise EvaluationError(
                f"found two pipelines that are both called {name!r}; expected names that differ; "
                "rename one of them"
            )
    return found


def _check_request(pipelines: Collection[str], k: int, batch_size: int) -> None:
    if not pipelines:
        raise EvaluationError("no pipeline is named; expected one or more, such as bm25; name one")
    for name, value in (("k", k), ("batch_size", batch_size)):
        if value < 1:
            raise EvaluationError(f"{name} is {value}; expected 1 or more; ask for more")


def _prepare(runs_dir: Path, dataset: Dataset, run_format: RunFormat) -> None:
    """Finds out before hours of search whether runs can be written."""
    check_run_ids(list(dataset.queries), run_format)
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
    name: str,
    *,
    pipeline: str | Pipeline,
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
        progress(name, stop, len(texts))
    return Run(quote(name, safe=""), doc_ids, scores), total_ms, by_stage


def _unknown(collection: Searchable, qrels: Qrels) -> tuple[str, ...]:
    """What the qrels judge and the collection does not hold, if it can say what it holds."""
    if not isinstance(collection, Holding):
        return ()
    judged = list(dict.fromkeys(doc_id for grades in qrels.values() for doc_id in grades))
    known = set[str]()
    for start, stop in ranges(len(judged), _LOOKED_UP):
        ids = judged[start:stop]
        found = collection.get(ids)
        known.update(i for i, document in zip(ids, found, strict=True) if document is not None)
    return unknown_documents(qrels, known)


def _cut_short(evaluator: Evaluator, k: int) -> tuple[str, ...]:
    names = [
        name for name, cutoff in evaluator.cutoffs.items() if cutoff is not None and cutoff > k
    ]
    if not names:
        return ()
    return (f"{', '.join(names)}: computed from the {k:,} documents asked for, which is fewer",)
