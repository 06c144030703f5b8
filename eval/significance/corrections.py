"""What is a p-value worth among many?"""

import numpy as np

from lexmax.eval.significance.scores import Floats


def uncorrected(p_values: Floats) -> Floats:
    """As they are: for one comparison that was planned."""
    return p_values.copy()


def bonferroni(p_values: Floats) -> Floats:
    """Times their number: the chance of one false claim among all stays below alpha."""
    return np.minimum(p_values * len(p_values), 1.0)


def holm(p_values: Floats) -> Floats:
    """Holm (1979): the same promise as Bonferroni's, and never fewer claims."""
    order = np.argsort(p_values, kind="stable")
    n = len(p_values)
    stepped = np.maximum.accumulate(p_values[order] * (n - np.arange(n)))
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p_values: Floats) -> Floats:
    """Benjamini and Hochberg (1995): the expected share of false claims stays below alpha."""
    order = np.argsort(p_values, kind="stable")[::-1]
    n = len(p_values)
    stepped = np.minimum.accumulate(p_values[order] * n / np.arange(n, 0, -1))
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
