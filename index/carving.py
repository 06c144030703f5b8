"""Which tokens of a query say nearly the same? Ball carving, so that fewer are compared.

Tokens near one another are replaced by their sum (Dhulipala et al. 2024, section 3.2), by which
a document's MaxSim is at most what it was: the best for a sum is no better than the sum of the
bests. The paper loses no recall down to tau 0.6 and has 5 times fewer tokens at 0.7.
"""

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import ShapeError
from lexmax.types import TokenBatch

_UNIT = 1e-2


def carved(queries: TokenBatch, tau: float) -> TokenBatch:
    """Queries whose tokens are sums of clusters, in the order of the clusters' first tokens.

    The first token in no cluster is a seed; with it are all tokens in no cluster whose product
    with it is at least `tau`, so the order of tokens matters and is that of the query. Sums are
    not normalised: their length is how much they weigh. Unit vectors are expected, or zero.

    Raises:
        ShapeError: if `tau` is not above 0 and at most 1, or a token is not of unit length.
    """
    if not 0 < tau <= 1:
        raise ShapeError(
            f"tau is {tau}; expected a cosine above 0 and at most 1, as 0.7: "
            "the higher, the more tokens are kept apart"
        )
    norms = np.linalg.norm(queries.vectors, axis=1)
    if (np.abs(norms - 1) > _UNIT)[norms > 0].any():
        raise ShapeError(
            f"tokens have lengths {norms.min():.3g} to {norms.max():.3g}; "
            "expected unit vectors, for which tau is a cosine; rerank without carving"
        )
    return TokenBatch.from_rows(
        [_sums(queries.row(i), tau) for i in range(len(queries))], queries.dim
    )


def _sums(query: NDArray[np.float32], tau: float) -> NDArray[np.float32]:
    near = query @ query.T >= tau
    left = np.ones(len(query), dtype=np.bool_)
    sums: list[NDArray[np.float32]] = []
    for seed in range(len(query)):
        if left[seed]:
            members = left & near[seed]
            members[seed] = True
            left &= ~members
            sums.append(query[members].sum(axis=0))
    return np.array(sums, dtype=np.float32).reshape(-1, query.shape[1])
