"""What do other programs say of a ranking, through ir-measures?

Every provider is given scores that follow from ranks alone, because they order equal scores
differently: trec_eval by doc_id descending, the MS MARCO script ascending.
"""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lexmax.errors import EvaluationError
from lexmax.eval.qrels import Qrels

# No document that a file of TREC can name.
_NOBODY = " "


def ir_measures() -> Any:
    """The library: untyped, and slow to import, so only where something is measured."""
    return importlib.import_module("ir_measures")


class Providers:
    """Computes measures of ir-measures; its evaluator is built once for the qrels.

    Raises:
        EvaluationError: if no provider that is installed computes one of them.
    """

    def __init__(self, qrels: Qrels, measures: Iterable[Any]) -> None:
        self._measures = list(measures)
        # Providers tell qrels from other forms by their being dicts.
        judged = {query_id: _with_a_zero(grades) for query_id, grades in qrels.items()}
        try:
            self._evaluator = ir_measures().evaluator(self._measures, judged)
        except Exception as error:
            raise _not_computed(self._measures, error) from error

    def values(self, rankings: Mapping[str, Sequence[str]]) -> dict[Any, dict[str, float]]:
        """By measure and query_id, for doc_ids by query_id, best first.

        A judged query without a ranking has the value of an empty one.

        Raises:
            EvaluationError: if a provider fails.
        """
        values: dict[Any, dict[str, float]] = {measure: {} for measure in self._measures}
        try:
            for query_id, measure, value in self._evaluator.iter_calc(_scored(rankings)):
                values[measure][query_id] = float(value)
        except Exception as error:
            # Providers run C, Perl and Python of their own; each fails in its own way.
            raise _not_computed(self._measures, error) from error
        return values


def overall(measure: Any, values: Mapping[str, float]) -> float:
    """A mean for most measures, a sum for counts."""
    aggregator = measure.aggregator()
    for value in values.values():
        aggregator.add(value)
    return float(aggregator.result())


def _with_a_zero(grades: Mapping[str, int]) -> dict[str, int]:
    """The grades of a query; with one of 0 where all are below, as trec_eval would never end."""
    return {**grades} if any(grade >= 0 for grade in grades.values()) else {**grades, _NOBODY: 0}


def _scored(rankings: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """Scores that only say the rank; whole numbers, exact as 32-bit floats too."""
    longest = max(map(len, rankings.values()), default=0)
    scores = [float(score) for score in range(longest, 0, -1)]
    return {
        query_id: dict(zip(doc_ids, scores, strict=False)) for query_id, doc_ids in rankings.items()
    }


def _not_computed(measures: Iterable[Any], error: Exception) -> EvaluationError:
    names = ", ".join(sorted(map(str, measures)))
    return EvaluationError(
        f"cannot compute {names} here ({error}); expected measures that an installed provider of "
        "ir-measures computes; leave them out, or install what it names"
    )
