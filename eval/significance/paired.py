"""How likely is such a difference between two systems, if chance alone made it?

Each function takes the differences of two systems, one a query (n), float64, and gives a
two-sided p-value. Where all differences are 0, p is 1; one query alone proves nothing, and p is 1
too. (Smucker et al. 2007 compare these tests for retrieval.)
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexmax.eval.significance.scores import Floats

# Sums that would be equal in real numbers differ by so much, relative to the largest.
_ROUNDING = 1e-12
_VALUES_A_BLOCK = 1 << 22


def paired_t(differences: Floats) -> float:
    """Student's paired t test: differences as if from a normal distribution."""
    from scipy.stats import ttest_1samp

    if len(differences) < 2 or not differences.any():
        return 1.0
    if _all_equal(differences):
        return 0.0
    return float(ttest_1samp(differences, 0.0).pvalue)


def wilcoxon(differences: Floats) -> float:
    """Wilcoxon's signed ranks: only the order of the sizes counts; queries of no difference do not.

    Exact for at most 50 differences without ties; else the normal approximation.
    """
    from scipy.stats import wilcoxon as signed_ranks

    changed = differences[differences != 0]
    if len(changed) < 2:
        return 1.0
    is_exact = len(changed) <= 50 and len(np.unique(np.abs(changed))) == len(changed)
    # By position and "approx" because the stubs know of the older names alone.
    result: Any = signed_ranks(changed, method="exact" if is_exact else "approx")
    return min(float(result.pvalue), 1.0)


def randomisation(differences: Floats, *, n_permutations: int = 10_000, seed: int = 0) -> float:
    """Fisher's randomisation: the share of sign changes whose mean is as far from 0.

    All 2^n changes are tried where they are not more than `n_permutations`; then p is exact. Else
    so many are drawn, and p is (1 + as far) / (1 + drawn), which is never 0.
    """
    if len(differences) < 2 or not differences.any():
        return 1.0
    changed = differences[differences != 0]
    observed = abs(changed.sum()) * (1 - _ROUNDING)
    if len(changed) < 63 and 1 << len(changed) <= n_permutations:
        numbers = np.arange(1 << len(changed))
        signs = 1 - 2 * ((numbers[:, None] >> np.arange(len(changed))) & 1)
        is_far: NDArray[np.bool_] = np.abs(signs @ changed) >= observed
        return float(np.mean(is_far))
    rng = np.random.default_rng(seed)
    n_far = done = 0
    block = max(1, _VALUES_A_BLOCK // len(changed))
    while done < n_permutations:
        n = min(block, n_permutations - done)
        flips = rng.integers(0, 2, (n, len(changed)), np.int8)
        n_far += int(np.count_nonzero(np.abs((1 - 2 * flips) @ changed) >= observed))
        done += n
    return (1 + n_far) / (1 + n_permutations)


def bootstrap_interval(
    differences: Floats, *, confidence: float = 0.95, n_resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """The percentile interval of the mean difference when queries are drawn with replacement."""
    rng = np.random.default_rng(seed)
    n = len(differences)
    means: list[Floats] = []
    block = max(1, _VALUES_A_BLOCK // n)
    for start in range(0, n_resamples, block):
        drawn = rng.integers(0, n, (min(block, n_resamples - start), n))
        means.append(differences[drawn].mean(axis=1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def _all_equal(differences: Floats) -> bool:
    spread = np.ptp(differences)
    return bool(spread <= _ROUNDING * np.abs(differences).max())
