"""What is the outcome over sub-collections, such as the twelve of CQADupStack?"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lexmax.errors import EvaluationError
from lexmax.eval.collections import Dataset, averaged
from lexmax.eval.outcomes import Evaluation, Outcome
from lexmax.types import Json


def collection_of(path: Path, dataset: Dataset, *, is_part: bool) -> Path:
    """The collection that a dataset is asked of; of a part, the one of its name in `path`.

    Raises:
        EvaluationError: if there is none.
    """
    if not is_part:
        return path
    folder = path / dataset.path.name
    if not folder.is_dir():
        raise EvaluationError(
            f"{folder}: there is no such folder; expected a collection for each sub-collection, "
            f"called like it; `lexmax index {folder} {dataset.path}` makes it"
        )
    return folder


def averaged_evaluation(name: str, parts: Mapping[str, Evaluation]) -> Evaluation:
    """Means of the parts' means, each part counting alike, as BEIR has it.

    There are no figures by query, because the mean is not one over queries: what is significant
    stands in the tables of the parts.

    Raises:
        EvaluationError: if there is no part, or they were not evaluated alike.
    """
    evaluations = list(parts.values())
    if not evaluations or len({tuple(one.pipelines) for one in evaluations}) > 1:
        raise EvaluationError(
            f"the parts of {name} were not asked by the same pipelines; expected the same for "
            "each; name them with --pipelines"
        )
    first = evaluations[0]
    outcomes = {
        pipeline: _averaged([one.pipelines[pipeline] for one in evaluations], list(parts))
        for pipeline in first.pipelines
    }
    n_queries = sum(one.n_queries for one in evaluations)
    about: dict[str, Json] = {**first.about, "dataset": name, "sub-collections": len(parts)}
    warnings = tuple(f"{part}: {said}" for part, one in parts.items() for said in one.warnings)
    return Evaluation(outcomes, first.measures, n_queries, about, warnings, first.lower_is_better)


def _averaged(outcomes: Sequence[Outcome], parts: Sequence[str]) -> Outcome:
    figures = {part: one.measures for part, one in zip(parts, outcomes, strict=True)}
    times = [one.query_ms for one in outcomes if one.query_ms is not None]
    return Outcome(
        averaged(figures),
        {},
        sum(one.n_missing for one in outcomes),
        sum(times) / len(times) if times else None,
    )
