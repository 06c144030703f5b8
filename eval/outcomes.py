"""How did each pipeline, or each run, do?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import orjson

from lexmax.eval.files import replace_file
from lexmax.eval.measures import Evaluator
from lexmax.eval.runs import Run
from lexmax.types import Json


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
        lower_is_better: those measures of which the smaller figure is the better.
    """

    pipelines: Mapping[str, Outcome]
    measures: tuple[str, ...]
    n_queries: int
    about: Mapping[str, Json]
    warnings: tuple[str, ...] = ()
    lower_is_better: frozenset[str] = frozenset()

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
    write_json(path, evaluation.as_json())


def write_json(path: Path | str, values: Mapping[str, Json]) -> None:
    """Writes plain values, whole or not at all; what is not finite becomes null.

    Raises:
        EvaluationError: if the path cannot be written.
        DiskFullError: if there is no room.
    """
    text = orjson.dumps(values, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
    replace_file(Path(path), [text, b"\n"])


def outcome_of(
    evaluator: Evaluator,
    run: Run,
    *,
    total_ms: float | None = None,
    stage_ms: Mapping[str, float] = MappingProxyType({}),
) -> Outcome:
    """Measures a run; the times are milliseconds of all queries together."""
    measured = evaluator.evaluate(run.doc_ids)
    n_queries = len(evaluator.query_ids)
    n_missing = sum(not run.doc_ids.get(query_id) for query_id in evaluator.query_ids)
    query_ms = None if total_ms is None else total_ms / n_queries
    each = {stage: ms / n_queries for stage, ms in stage_ms.items()}
    return Outcome(measured.overall, measured.by_query, n_missing, query_ms, each)
