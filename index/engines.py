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
        share: of what postings left unread could add to a document, the share that is allowed
            for; 1 is exact.
        budget: postings to read at most, those that add most; 0 for no limit.
        auto: whether the collection's size decides.
    """

    spec: str
    share: float = 1.0
    budget: int = 0
    auto: bool = False

    def chosen(self, n_docs: int) -> "SparseEngine":
        """The engine that runs on so many documents: itself, unless it is `auto`."""
        if not self.auto:
            return self
        return EXACT if n_docs <= _AUTO_DOCS else QUERY_MASS


EXACT = SparseEngine("exact")
QUERY_MASS = SparseEngine("query-mass?share=0.3", share=0.3)
BUDGET = SparseEngine("budget?postings=300000", budget=300_000)
AUTO = SparseEngine("auto", auto=True)
# Up to here an exact search takes about a millisecond.
_AUTO_DOCS = 1 << 20
_FORMS = "exact, auto, query-mass?share=0.3, budget?postings=300000"


def parse_engine(text: str) -> SparseEngine:
    """The engine that a text names.

    Raises:
        QueryError: if there is none, or its parameter is no number in range.
    """
    named = {"exact": EXACT, "query-mass": QUERY_MASS, "budget": BUDGET, "auto": AUTO}
    name, _, parameter = text.partition("?")
    if name in named and not parameter:
        return named[name]
    knob, _, value = parameter.partition("=")
    if (name, knob) == ("query-mass", "share"):
        share = _number(text, value)
        if not 0.01 <= share <= 1:
            raise QueryError(f"engine {text!r}: found share {value}; expected 0.01 to 1")
        return SparseEngine(text, share=share)
    if (name, knob) == ("budget", "postings"):
        budget = _number(text, value)
        if not 1 <= budget <= 1e15:
            raise QueryError(f"engine {text!r}: found {value} postings; expected 1 or more")
        return SparseEngine(text, budget=int(budget))
    raise QueryError(f"found no sparse engine {text!r}; expected one of {_FORMS}")


def _number(text: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise QueryError(f"engine {text!r}: found {value!r}; expected a number")
    return number
