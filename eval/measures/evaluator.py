"""What do the measures say of a run?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lexmax.errors import EvaluationError
from lexmax.eval.measures.found import Floats, Found, Judged
from lexmax.eval.measures.measure import Measure
from lexmax.eval.measures.names import DEFAULT_MEASURES, Provided, parsed
from lexmax.eval.measures.providers import Providers, overall
from lexmax.eval.qrels import Qrels, Subtopics


@dataclass(frozen=True, slots=True)
class Measured:
    """What the measures say of one run.

    Attributes:
        overall: by the measure's name, mean over every judged query (a sum, for counts); NaN if
            the measure says nothing about any of them.
        by_query: by the measure's name, then by query_id, in the order of the qrels; without the
            queries that the measure says nothing about.
    """

    overall: Mapping[str, float]
    by_query: Mapping[str, Mapping[str, float]]


class Evaluator:
    """Measures runs against one set of qrels, which is prepared once.

    Args:
        qrels: Relevance by doc_id by query_id.
        measures: Names, as in the package's docstring.
        subtopics: What alpha_nDCG asks for, of the documents in `qrels`.

    Raises:
        EvaluationError: if no measure is named, or one is unknown or cannot be computed here.
    """

    def __init__(
        self,
        qrels: Qrels,
        measures: Sequence[str] = DEFAULT_MEASURES,
        *,
        subtopics: Subtopics | None = None,
    ) -> None:
        if not measures:
            raise EvaluationError(
                "no measure is named; expected one or more names of ir-measures; "
                f"leave them out for {', '.join(DEFAULT_MEASURES)}"
            )
        self._measures = {name: parsed(name, subtopics) for name in measures}
        self._judged = Judged.of(qrels)
        theirs = {m.measure for m in self._measures.values() if isinstance(m, Provided)}
        self._providers = Providers(qrels, theirs) if theirs else None

    @property
    def names(self) -> tuple[str, ...]:
        """The measures, in the order asked for, each once."""
        return tuple(self._measures)

    @property
    def cutoffs(self) -> Mapping[str, int | None]:
        """How many documents each measure looks at; None for all of them."""
        return {name: measure.cutoff for name, measure in self._measures.items()}

    @property
    def lower_is_better(self) -> frozenset[str]:
        """The measures of which the smaller figure is the better."""
        return frozenset(name for name, m in self._measures.items() if m.lower_is_better)

    @property
    def query_ids(self) -> tuple[str, ...]:
        """The judged queries, in the order of the qrels."""
        return self._judged.query_ids

    def evaluate(self, rankings: Mapping[str, Sequence[str]]) -> Measured:
        """Measures rankings: doc_ids by query_id, best first, no document twice.

        A judged query without a ranking counts with the value of an empty one, 0 for all but
        counts; rankings of queries that were not judged are not looked at.

        Raises:
            EvaluationError: if a provider cannot compute its measure.
        """
        by_query: dict[str, Mapping[str, float]] = {}
        totals: dict[str, float] = {}
        found = Found.of(self._judged, rankings)
        provided = self._provided(rankings)
        for name, measure in self._measures.items():
            if isinstance(measure, Provided):
                values = provided[measure.measure]
                by_query[name] = {query_id: values[query_id] for query_id in self.query_ids}
                totals[name] = overall(measure.measure, by_query[name])
            else:
                by_query[name], totals[name] = self._own(measure, found)
        return Measured(totals, by_query)

    def _own(self, measure: Measure, found: Found) -> tuple[dict[str, float], float]:
        values = measure.values(found)
        return self._defined(values), measure.overall(values, found)

    def _defined(self, values: Floats) -> dict[str, float]:
        pairs = zip(self.query_ids, values.tolist(), np.isnan(values).tolist(), strict=True)
        return {query_id: value for query_id, value, is_nan in pairs if not is_nan}

    def _provided(self, rankings: Mapping[str, Sequence[str]]) -> dict[object, dict[str, float]]:
        if self._providers is None:
            return {}
        judged = {q: rankings[q] for q in self.query_ids if rankings.get(q)}
        return self._providers.values(judged)
