"""How are scores of a teacher made comparable between queries?"""

import math
from collections.abc import Sequence


def scaled(score: float, known: Sequence[float], how: str) -> float:
    """A score on the scale of its list; NaN stays NaN.

    Args:
        score: Of one document.
        known: Scores of all documents of the example, NaN where there is none.
        how: none; min-max, from 0 to 1; z-score, in standard deviations from the mean. Of a flat
            list every score becomes 0.
    """
    finite = [one for one in known if math.isfinite(one)]
    if how == "none" or not finite:
        return score
    if how == "min-max":
        shift, unit = min(finite), max(finite) - min(finite)
    else:
        shift = math.fsum(finite) / len(finite)
        unit = math.sqrt(math.fsum((one - shift) ** 2 for one in finite) / len(finite))
    return score * 0.0 if unit <= 0 else (score - shift) / unit
