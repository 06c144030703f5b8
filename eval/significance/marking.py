"""What marks does a table of outcomes get?"""

from collections.abc import Mapping, Sequence

import numpy as np

from lexmax.eval.significance.comparison import Comparison, Procedure, compare
from lexmax.eval.significance.scores import Scores

QUICK = Procedure(test="t", correction="holm")
"""What tables are marked by that nobody asked to compare: no resampling, so no waiting."""


def compared(
    figures: Mapping[str, Mapping[str, Mapping[str, float]]],
    measures: Sequence[str],
    procedure: Procedure = QUICK,
    *,
    baseline: str | None = None,
    intervals: bool = False,
    lower_is_better: frozenset[str] = frozenset(),
) -> dict[str, Comparison]:
    """A comparison by measure, without the measures that cannot be compared.

    These are measures that fewer than two systems, or two queries, have a finite figure for.

    Args:
        figures: By system, by measure, by query.
        measures: Which to compare.
        procedure: How.
        baseline: Compare only with this system.
        intervals: Whether to compute bootstrap intervals.
        lower_is_better: The measures of which the smaller figure is the better.

    Raises:
        EvaluationError: if the baseline is no system.
    """
    found: dict[str, Comparison] = {}
    for measure in measures:
        by_system = {name: of[measure] for name, of in figures.items() if measure in of}
        if len(by_system) < 2 or _n_shared(list(by_system.values())) < 2:
            continue
        found[measure] = compare(
            measure,
            Scores.of(by_system),
            procedure,
            baseline=baseline,
            intervals=intervals,
            lower_is_better=measure in lower_is_better,
        )
    return found


def _n_shared(by_query: list[Mapping[str, float]]) -> int:
    first, *others = by_query
    return sum(
        bool(np.isfinite(value)) and all(np.isfinite(o.get(q, np.nan)) for o in others)
        for q, value in first.items()
    )


def caption(comparison: Comparison) -> str:
    """How the marks of a comparison came about, in one line."""
    procedure = comparison.procedure
    tests = {
        "t": "paired t test",
        "randomisation": f"randomisation test, {procedure.n_resamples:,} draws",
        "wilcoxon": "Wilcoxon signed ranks",
        "tukey": "two-way ANOVA, Tukey HSD",
    }
    corrections = {
        "holm": "Holm",
        "bh": "Benjamini-Hochberg",
        "bonferroni": "Bonferroni",
        "none": "not corrected",
    }
    n_pairs = len(comparison.differences)
    corrected = "" if comparison.anova else f", {corrections[procedure.correction]}"
    pairs = "1 pair" if n_pairs == 1 else f"{n_pairs:,} pairs"
    return f"{tests[procedure.test]}{corrected}, {pairs} a measure, p < {procedure.alpha:g}"
