"""How good are the runs that some systems wrote?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from lexmax.errors import EvaluationError
from lexmax.eval.collections.dataset import shown_ids
from lexmax.eval.measures import DEFAULT_MEASURES, Evaluator
from lexmax.eval.measures.names import needs_subtopics
from lexmax.eval.outcomes import Evaluation, Outcome, outcome_of
from lexmax.eval.qrels import read_qrels, read_subtopics
from lexmax.eval.runs import Run, read_run
from lexmax.types import Json


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
    evaluator = file_evaluator(qrels_path, measures)
    run = read_run(run_path)
    warnings = _checked(run, run_path, evaluator, qrels_path)
    outcome = outcome_of(evaluator, run)
    about: dict[str, Json] = {
        "run": str(run_path),
        "qrels": str(qrels_path),
        "measures": dict(outcome.measures),
    }
    return _evaluation({run.name: outcome}, evaluator, about, warnings)


def evaluate_runs(
    run_paths: Sequence[Path | str],
    qrels_path: Path | str,
    measures: Sequence[str] = DEFAULT_MEASURES,
) -> Evaluation:
    """Measures several runs against the same qrels, which are prepared once.

    Raises:
        EvaluationError: as `evaluate_run`, and if no run is named.
    """
    evaluator = file_evaluator(qrels_path, measures)
    outcomes: dict[str, Outcome] = {}
    warnings: list[str] = []
    for name, path, run in _read_each(run_paths):
        warnings += [f"{name}: {one}" for one in _checked(run, path, evaluator, qrels_path)]
        outcomes[name] = outcome_of(evaluator, run)
    about: dict[str, Json] = {"runs": len(outcomes), "qrels": str(qrels_path)}
    return _evaluation(outcomes, evaluator, about, tuple(warnings))


def file_evaluator(qrels_path: Path | str, measures: Sequence[str]) -> Evaluator:
    """The evaluator for a file of qrels; subtopics are read where a measure asks for them.

    Raises:
        EvaluationError: if the file cannot be read, or a measure is unknown.
    """
    qrels = read_qrels(qrels_path)
    is_diverse = any(map(needs_subtopics, measures))
    return Evaluator(qrels, measures, subtopics=read_subtopics(qrels_path) if is_diverse else None)


def read_runs(run_paths: Sequence[Path | str]) -> list[Run]:
    """Runs of different names: their tags, or the names of their files where two tags are alike.

    Raises:
        EvaluationError: if no run is named, two files have one name, or a file cannot be read.
    """
    return [
        Run(name, run.doc_ids, run.scores, run.warnings) for name, _, run in _read_each(run_paths)
    ]


def _read_each(run_paths: Sequence[Path | str]) -> list[tuple[str, Path, Run]]:
    paths = [Path(path) for path in run_paths]
    if not paths:
        raise EvaluationError("no run is named; expected one or more files; name one")
    runs = [read_run(path) for path in paths]
    names = [run.name for run in runs]
    if max(Counter(names).values()) > 1:
        names = [path.name for path in paths]
    if max(Counter(names).values()) > 1:
        raise EvaluationError(
            f"runs {', '.join(names)}: a name stands twice, and so does a tag; expected files "
            "or tags of different names; rename one"
        )
    return list(zip(names, paths, runs, strict=True))


def _checked(
    run: Run, path: Path | str, evaluator: Evaluator, qrels_path: Path | str
) -> tuple[str, ...]:
    """What of a run does not count, in sentences."""
    n_run, n_queries = len(run.doc_ids), len(evaluator.query_ids)
    unjudged = [q for q in run.doc_ids if q not in set(evaluator.query_ids)]
    if len(unjudged) == n_run:
        raise EvaluationError(
            f"{path}: none of its {n_run:,} queries is among the {n_queries:,} that {qrels_path} "
            f"judges (in the run {shown_ids(unjudged)}, judged "
            f"{shown_ids(evaluator.query_ids)}); expected the same query_ids; check that they "
            "belong together"
        )
    if not unjudged:
        return run.warnings
    left_out = f"{len(unjudged):,} of {n_run:,} queries of the run have no judgement: left out"
    return (*run.warnings, left_out)


def _evaluation(
    outcomes: Mapping[str, Outcome],
    evaluator: Evaluator,
    about: Mapping[str, Json],
    warnings: tuple[str, ...],
) -> Evaluation:
    n_queries, lower = len(evaluator.query_ids), evaluator.lower_is_better
    return Evaluation(outcomes, evaluator.names, n_queries, about, warnings, lower)
