"""How good is a ranking, by each measure?

Measures are named and computed as in ir-measures (MacAvaney et al. 2022): `nDCG@10`, `RR@10`,
`R@1000`, `AP`, `P(rel=2)@5`. Every provider is given scores that follow from ranks alone, because
they order equal scores differently: trec_eval by doc_id descending, the MS MARCO script ascending.
"""

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lexmax.errors import EvaluationError
from lexmax.eval.qrels import MAX_RELEVANCE, Qrels

DEFAULT_MEASURES = ("nDCG@10", "RR@10", "R@100", "R@1000", "AP")

MAX_CUTOFF = 1_000_000
# Their value at a cutoff does not change when the ranking is cut there.
_CUT_SAFELY = frozenset({"AP", "P", "R", "RR", "Success", "nDCG"})
# One provider sorts whole rankings in Python; shallow measures are spared that.
_SHALLOW = 100


@dataclass(frozen=True, slots=True)
class Measured:
    """What the measures say of one run.

    Attributes:
        overall: by the measure's name, mean over every judged query (a sum, for counts).
        by_query: by the measure's name, then by query_id, in the order of the qrels.
    """

    overall: Mapping[str, float]
    by_query: Mapping[str, Mapping[str, float]]


class Evaluator:
    """Measures runs against one set of qrels, which is prepared once.

    Raises:
        EvaluationError: if no measure is named, or one is unknown or cannot be computed here.
    """

    def __init__(self, qrels: Qrels, measures: Sequence[str] = DEFAULT_MEASURES) -> None:
        if not measures:
            raise EvaluationError(
                "no measure is named; expected one or more names of ir-measures; "
                f"leave them out for {', '.join(DEFAULT_MEASURES)}"
            )
        # Providers tell qrels from other forms by their being dicts.
        judged = {query_id: dict(grades) for query_id, grades in qrels.items()}
        self._query_ids = tuple(judged)
        self._measures = {name: _parsed(name) for name in measures}
        self._evaluators = [
            (depth, _built(chosen, judged)) for depth, chosen in _by_depth(self._measures.values())
        ]

    @property
    def names(self) -> tuple[str, ...]:
        """The measures, in the order asked for, each once."""
        return tuple(self._measures)

    @property
    def cutoffs(self) -> Mapping[str, int | None]:
        """How many documents each measure looks at; None for all of them."""
        return {name: measure.params.get("cutoff") for name, measure in self._measures.items()}

    @property
    def query_ids(self) -> tuple[str, ...]:
        """The judged queries, in the order of the qrels."""
        return self._query_ids

    def evaluate(self, rankings: Mapping[str, Sequence[str]]) -> Measured:
        """Measures rankings: doc_ids by query_id, best first.

        A judged query without a ranking counts with the value of an empty one, 0 for all but
        counts; rankings of queries that were not judged are not looked at.

        Raises:
            EvaluationError: if a provider cannot compute its measure.
        """
        found = {q: rankings[q] for q in self._query_ids if rankings.get(q)}
        values: dict[Any, dict[str, float]] = {m: {} for m in self._measures.values()}
        for depth, evaluator in self._evaluators:
            for query_id, measure, value in _computed(evaluator, _scored(found, depth)):
                values[measure][query_id] = value
        by_query = {name: self._in_order(values[m]) for name, m in self._measures.items()}
        overall = {name: _overall(m, by_query[name]) for name, m in self._measures.items()}
        return Measured(overall, by_query)

    def _in_order(self, values: Mapping[str, float]) -> dict[str, float]:
        return {query_id: values[query_id] for query_id in self._query_ids}


def _ir_measures() -> Any:
    # Untyped, and slow to import: only where something is measured.
    return importlib.import_module("ir_measures")


def _parsed(name: str) -> Any:
    """The measure of that name; what would stop the C code of its provider is refused here."""
    try:
        measure = _ir_measures().parse_measure(name)
        measure.validate_params()
    except Exception as error:
        # ir-measures parses Python syntax and checks with assertions, so nearly anything comes.
        raise _no_measure(name, "it has no such name, or other parameters") from error
    limits = {"cutoff": MAX_CUTOFF, "rel": MAX_RELEVANCE}
    for parameter, highest in limits.items():
        value = measure.params.get(parameter, 1)
        if isinstance(value, bool) or not 1 <= value <= highest:
            raise _no_measure(name, f"its {parameter} must be from 1 to {highest:,}")
    return measure


def _no_measure(name: str, reason: str) -> EvaluationError:
    return EvaluationError(
        f"no measure {name[:60]!r} ({reason}); expected a name of ir-measures, such as "
        f"{', '.join(DEFAULT_MEASURES)}, P@5, Success@5 or nDCG(judged_only=True)@10; "
        "capital letters count"
    )


def _by_depth(measures: Iterable[Any]) -> list[tuple[int, list[Any]]]:
    """(depth that rankings are cut to, measures), shallow ones apart from deep ones."""
    depths = {measure: _depth(measure) for measure in measures}
    shallow = [m for m, depth in depths.items() if depth <= _SHALLOW]
    deep = [m for m, depth in depths.items() if depth > _SHALLOW]
    return [(max(depths[m] for m in chosen), chosen) for chosen in (shallow, deep) if chosen]


def _depth(measure: Any) -> int:
    if measure.NAME not in _CUT_SAFELY or measure.params.get("judged_only"):
        return sys.maxsize
    return int(measure.params.get("cutoff", sys.maxsize))


def _built(measures: Sequence[Any], qrels: Qrels) -> Any:
    try:
        return _ir_measures().evaluator(measures, qrels)
    except Exception as error:
        raise _not_computed(measures, error) from error


def _scored(rankings: Mapping[str, Sequence[str]], depth: int) -> dict[str, dict[str, float]]:
    """Scores that only say the rank; whole numbers, exact as 32-bit floats too."""
    longest = max(map(len, rankings.values()), default=0)
    scores = [float(score) for score in range(longest, 0, -1)]
    return {
        query_id: dict(zip(doc_ids[:depth], scores, strict=False))
        for query_id, doc_ids in rankings.items()
    }


def _computed(evaluator: Any, run: Mapping[str, Mapping[str, float]]) -> list[Any]:
    try:
        return list(evaluator.iter_calc(run))
    except Exception as error:
        # Providers run C, Perl and Python of their own; each fails in its own way.
        raise _not_computed(evaluator.measures, error) from error


def _not_computed(measures: Iterable[Any], error: Exception) -> EvaluationError:
    names = ", ".join(sorted(map(str, measures)))
    return EvaluationError(
        f"cannot compute {names} here ({error}); expected measures that an installed provider of "
        "ir-measures computes; leave them out, or install what it names"
    )


def _overall(measure: Any, values: Mapping[str, float]) -> float:
    aggregator = measure.aggregator()
    for value in values.values():
        aggregator.add(value)
    return float(aggregator.result())
