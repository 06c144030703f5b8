"""How good is a ranking, by each measure?

Measures are named as in ir-measures (MacAvaney et al. 2022): `nDCG@10`, `RR@10`, `R@1000`, `AP`,
`P(rel=2)@5`; names.py adds those that it lacks. The common ones are computed here, over arrays,
to the figures of trec_eval; all others by ir-measures' providers.
"""

from lexmax.eval.measures.evaluator import Evaluator, Measured
from lexmax.eval.measures.limits import MAX_CUTOFF
from lexmax.eval.measures.names import DEFAULT_MEASURES

__all__ = ["DEFAULT_MEASURES", "MAX_CUTOFF", "Evaluator", "Measured"]
