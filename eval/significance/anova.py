"""Do systems differ when the difficulty of queries is taken out? And which of them?

Two-way analysis of variance without interaction, score = mean + system + query + rest, and
Tukey's honestly significant differences between systems (Tague-Sutcliffe & Blustein 1994).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from lexmax.errors import EvaluationError
from lexmax.eval.significance.scores import Floats, Scores


@dataclass(frozen=True, slots=True)
class Anova:
    """The analysis of variance of systems over queries.

    Attributes:
        f: ratio of the systems' mean square to that of the rest; infinite without a rest.
        p: chance of such a ratio if all systems were alike.
        error: mean square of the rest.
        df_systems: degrees of freedom of systems.
        df_error: of the rest.
        n_queries: as many figures has each system.
    """

    f: float
    p: float
    error: float
    df_systems: int
    df_error: int
    n_queries: int


def two_way_anova(scores: Scores) -> Anova:
    """The analysis over systems and queries.

    Raises:
        EvaluationError: if there are not two systems and two queries.
    """
    from scipy.stats import f as f_distribution

    values = scores.values
    n_systems, n_queries = values.shape
    if n_systems < 2 or n_queries < 2:
        raise EvaluationError(
            f"{n_systems} systems over {n_queries} queries; expected two or more of each, as an "
            "analysis of variance needs; add some"
        )
    centred = values - values.mean()
    systems = centred.mean(axis=1, keepdims=True)
    rest = centred - systems - centred.mean(axis=0, keepdims=True)
    df_systems, df_error = n_systems - 1, (n_systems - 1) * (n_queries - 1)
    between = float(n_queries * (systems**2).sum() / df_systems)
    error = float((rest**2).sum() / df_error)
    # What is left after subtracting equal numbers is rounding, not variance.
    if error <= 1e-28 * max(float((values**2).max()), 1e-300):
        is_equal = between <= 1e-28
        f, p = (0.0, 1.0) if is_equal else (float("inf"), 0.0)
        return Anova(f, p, 0.0, df_systems, df_error, n_queries)
    f = between / error
    return Anova(
        f, float(f_distribution.sf(f, df_systems, df_error)), error, df_systems, df_error, n_queries
    )


def tukey_difference(anova: Anova, alpha: float = 0.05) -> float:
    """How far apart the means of two systems must be to differ: q sqrt(error / queries)."""
    q = _critical(alpha, anova.df_systems + 1, anova.df_error)
    return q * float(np.sqrt(anova.error / anova.n_queries))


@cache
def _critical(alpha: float, n_systems: int, df_error: int) -> float:
    """Of the studentised range; an integral that takes long to invert, and is asked for often."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(1 - alpha, n_systems, df_error))


def tukey_p_values(anova: Anova, differences: Floats) -> Floats:
    """Two-sided p for differences of means (n), corrected for all pairs; float64 (n)."""
    from scipy.stats import studentized_range

    if anova.error == 0:
        return np.where(differences == 0, 1.0, 0.0)
    q = np.abs(differences) / np.sqrt(anova.error / anova.n_queries)
    # The distribution is an integral for each value, so equal values are asked for once.
    distinct, inverse = np.unique(q, return_inverse=True)
    p = studentized_range.sf(distinct, anova.df_systems + 1, anova.df_error)
    return np.clip(np.asarray(p, np.float64)[inverse], 0.0, 1.0)
