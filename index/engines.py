"""How much of a query's postings does a search read? All that matters, or less for speed.

An engine is a value, spelled like an encoder: a name, then perhaps one parameter, the knob.
"""

import math
from dataclasses import dataclass

from lexmax.errors import QueryError


@dataclass(frozen=True, slots=True)
class SparseEngine:
    """One way to search a sparse index.

    Attributes:
        spec: the text that `parse_engine` reads.
        share: of the query's mass, what its postings could add to a score at most, the share that
            is read, the cheapest first to be left out; 1 is exact.
        budget: postings to read, those that could add most; 0 for no limit.
        affordable: a query whose terms have no more postings is answered exactly all the same.
    """

    spec: str
    share: float = 1.0
    budget: int = 0
    affordable: int = 0


EXACT = SparseEngine("exact")
QUERY_MASS = SparseEngine("query-mass?share=0.93", share=0.93)
BUDGET = SparseEngine("budget?postings=300000", budget=300_000)
# So many postings of learned sparse weights take about a millisecond.
AUTO = SparseEngine("auto", share=0.93, affordable=4_000_000)
_NAMED = {"exact": EXACT, "query-mass": QUERY_MASS, "budget": BUDGET, "auto": AUTO}


def parse_engine(text: str) -> SparseEngine:
    """The engine that a text names.

    Raises:
        QueryError: if there is none, or its parameter is no number in range.
    """
    name, _, parameter = text.partition("?")
    knob, _, value = parameter.partition("=")
    if name in _NAMED and not parameter:
        return _NAMED[name]
    if (name, knob) == ("query-mass", "share"):
        return SparseEngine(text, share=_number(text, value, least=0.01, most=1))
    if (name, knob) == ("budget", "postings"):
        return SparseEngine(text, budget=int(_number(text, value, least=1, most=1e15)))
    raise QueryError(
        f"found no sparse engine {text!r}; expected exact, auto, {QUERY_MASS.spec} or {BUDGET.spec}"
    )


def _number(text: str, value: str, *, least: float, most: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise QueryError(
            f"engine {text!r}: found {value!r}; expected a number from {least:g} to {most:g}"
        )
    return number
