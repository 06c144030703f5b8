"""Which differences between systems are more than chance?"""

from lexmax.eval.significance.comparison import (
    CORRECTIONS,
    TESTS,
    Comparison,
    Difference,
    Procedure,
    compare,
)
from lexmax.eval.significance.scores import Scores

__all__ = ["CORRECTIONS", "TESTS", "Comparison", "Difference", "Procedure", "Scores", "compare"]
