"""What did a ranking give to these documents?"""

import numpy as np
from numpy.typing import NDArray

from lexmax.index import _native
from lexmax.types import Hits


def found_scores(hits: Hits, i: int, wanted: NDArray[np.int64]) -> list[float | None]:
    """The scores of documents (n,) among the hits of query `i`; None for one that is no hit."""
    return _native.found_scores(hits.ordinals[i], hits.scores[i], wanted)
