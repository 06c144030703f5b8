"""How many candidates must a first stage pass on, so that a recall is reached?"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lexmax.eval.measures.found import Floats, Found
from lexmax.eval.measures.ranked import counted
from lexmax.eval.measures.screening import ceiling

# Sums of thousands of shares such as 1/3 end this far below the whole.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class CandidatesNeeded:
    """Candidates@Rp: the least k at which the mean recall at k reaches p %.

    Infinite where the run ends before. Queries without a relevant document are left out.

    Attributes:
        percent: of the relevant documents.
        rel: least grade that is relevant.
    """

    percent: Fraction
    rel: int = 1

    @property
    def cutoff(self) -> int | None:
        """It looks at all that a run has."""
        return None

    @property
    def lower_is_better(self) -> bool:
        """Fewer candidates are less work."""
        return True

    def values(self, found: Found) -> Floats:
        """The rank at which each query's own recall reaches p %."""
        n_relevant = found.judged.n_relevant(self.rel)
        values = np.where(n_relevant > 0, np.inf, np.nan)
        chosen = found.relevant(self.rel)
        rows = found.rows[chosen]
        reached = counted(rows) == ceiling(self.percent, n_relevant)[rows]
        values[rows[reached]] = found.ranks[chosen][reached]
        return values

    def overall(self, values: Floats, found: Found) -> float:
        """The depth that serves all queries together; not the mean of what each needs."""
        n_relevant = found.judged.n_relevant(self.rel)
        n_queries = np.count_nonzero(n_relevant)
        if not n_queries:
            return float("nan")
        chosen = found.relevant(self.rel)
        order = np.argsort(found.ranks[chosen], kind="stable")
        recalls = np.cumsum(1.0 / n_relevant[found.rows[chosen]][order]) / n_queries
        first = np.searchsorted(recalls, float(self.percent) / 100 - _ROUNDING)
        return float(found.ranks[chosen][order][first]) if first < len(order) else float("inf")
