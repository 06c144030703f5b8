"""Which system is significantly better than which, by one measure?

A `Comparison` is what every table marks from: `marks` gives, for each system, the letters of the
systems that it beats.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from string import ascii_lowercase
from types import MappingProxyType

import numpy as np

from lexmax.errors import EvaluationError
from lexmax.eval.significance import corrections
from lexmax.eval.significance.anova import Anova, tukey_p_values, two_way_anova
from lexmax.eval.significance.paired import bootstrap_interval, paired_t, randomisation, wilcoxon
from lexmax.eval.significance.scores import Floats, Scores
from lexmax.types import Json

TUKEY = "tukey"
TESTS = ("t", "randomisation", "wilcoxon", TUKEY)
CORRECTIONS: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType(
    {
        "holm": corrections.holm,
        "bh": corrections.benjamini_hochberg,
        "bonferroni": corrections.bonferroni,
        "none": corrections.uncorrected,
    }
)


@dataclass(frozen=True, slots=True)
class Procedure:
    """How differences are judged.

    Attributes:
        test: one of `TESTS`: paired t, randomisation, Wilcoxon, or ANOVA with Tukey HSD, which
            corrects for all pairs by itself.
        correction: one of `CORRECTIONS`, over the pairs that are compared.
        alpha: a corrected p below it is significant.
        confidence: of the bootstrap intervals.
        n_resamples: of the randomisation test and of the bootstrap.
        seed: of both.

    Raises:
        EvaluationError: if there is no such test or correction, or a number is out of range.
    """

    test: str = "randomisation"
    correction: str = "holm"
    alpha: float = 0.05
    confidence: float = 0.95
    n_resamples: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (
            ("test", self.test, TESTS),
            ("correction", self.correction, tuple(CORRECTIONS)),
        ):
            if value not in known:
                raise EvaluationError(
                    f"no {name} {value!r}; expected one of {', '.join(known)}; name one"
                )
        if not 0 < self.alpha < 1 or not 0 < self.confidence < 1 or self.n_resamples < 1:
            raise EvaluationError(
                f"alpha is {self.alpha}, confidence {self.confidence}, resamples "
                f"{self.n_resamples}; expected alpha and confidence between 0 and 1, and 1 "
                "resample or more; change them"
            )
        if self.seed < 0:
            raise EvaluationError(f"seed is {self.seed}; expected 0 or more; change it")


@dataclass(frozen=True, slots=True)
class Difference:
    """Two systems beside each other.

    Attributes:
        first: a system.
        second: another.
        mean: of the first less that of the second.
        interval: of that, by bootstrap; None if it was not asked for.
        p: of the test.
        p_corrected: among all pairs that were compared.
        is_significant: whether `p_corrected` is below alpha.
        wins: queries for which the first has the higher figure.
        losses: the lower.
    """

    first: str
    second: str
    mean: float
    interval: tuple[float, float] | None
    p: float
    p_corrected: float
    is_significant: bool
    wins: int
    losses: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences of one measure.

    Attributes:
        measure: its name.
        systems: in the order given.
        means: by system.
        differences: of every pair, or of every system with the baseline.
        procedure: how they were judged.
        n_queries: that all systems have a figure for.
        baseline: what all were compared with; None if all pairs were.
        anova: the analysis of variance behind Tukey's differences; else None.
        lower_is_better: whether the smaller figure is the better.
    """

    measure: str
    systems: tuple[str, ...]
    means: Mapping[str, float]
    differences: tuple[Difference, ...]
    procedure: Procedure
    n_queries: int
    baseline: str | None = None
    anova: Anova | None = None
    lower_is_better: bool = False

    @property
    def letters(self) -> dict[str, str]:
        """The letter that stands for each system in a table."""
        return {name: letter(i) for i, name in enumerate(self.systems)}

    def beaten_by(self, system: str) -> tuple[str, ...]:
        """The systems that it is significantly better than, in their order."""
        found = {
            d.second if d.first == system else d.first
            for d in self.differences
            if d.is_significant and system == self._better(d)
        }
        return tuple(name for name in self.systems if name in found)

    def marks(self, system: str) -> str:
        """The letters of the systems that it is significantly better than."""
        return "".join(self.letters[name] for name in self.beaten_by(system))

    def _better(self, difference: Difference) -> str | None:
        if difference.mean == 0:
            return None
        is_first = (difference.mean > 0) is not self.lower_is_better
        return difference.first if is_first else difference.second

    def as_json(self) -> dict[str, Json]:
        """All of it, as plain values."""
        return {
            "measure": self.measure,
            "test": self.procedure.test,
            "correction": "tukey" if self.anova else self.procedure.correction,
            "alpha": self.procedure.alpha,
            "seed": self.procedure.seed,
            "queries": self.n_queries,
            "baseline": self.baseline,
            "means": dict(self.means),
            "anova": None if self.anova is None else {"F": self.anova.f, "p": self.anova.p},
            "differences": [_difference_json(one) for one in self.differences],
        }


def letter(number: int) -> str:
    """A, b, ... z, then two letters; what a table calls its rows."""
    more, last = divmod(number, len(ascii_lowercase))
    return (letter(more - 1) if more else "") + ascii_lowercase[last]


def compare(
    measure: str,
    scores: Scores,
    procedure: Procedure = Procedure(),
    *,
    baseline: str | None = None,
    intervals: bool = True,
    lower_is_better: bool = False,
) -> Comparison:
    """Every pair of systems, or every system with the baseline.

    Args:
        measure: The name of what was measured.
        scores: Figures of two systems or more.
        procedure: How to judge.
        baseline: Compare only with this one: fewer pairs, so smaller differences are found.
        intervals: Whether to compute bootstrap intervals.
        lower_is_better: Whether the smaller figure is the better.

    Raises:
        EvaluationError: if there is one system alone, or the baseline is none of them.
    """
    if len(scores.systems) < 2:
        raise EvaluationError(
            f"{', '.join(scores.systems)} is the only system; expected two or more to compare; "
            "add one"
        )
    pairs = _pairs(scores, baseline)
    rows = [scores.values[first] - scores.values[second] for first, second in pairs]
    anova = two_way_anova(scores) if procedure.test == TUKEY else None
    if anova is not None:
        p_values = tukey_p_values(anova, np.array([row.mean() for row in rows]))
        corrected = p_values
    else:
        p_values = np.array([_p_value(row, procedure) for row in rows])
        corrected = CORRECTIONS[procedure.correction](p_values)
    differences = tuple(
        Difference(
            scores.systems[first],
            scores.systems[second],
            float(row.mean()),
            _interval(row, procedure) if intervals else None,
            float(p),
            float(p_corrected),
            bool(p_corrected < procedure.alpha),
            int(np.count_nonzero(row > 0)),
            int(np.count_nonzero(row < 0)),
        )
        for (first, second), row, p, p_corrected in zip(
            pairs, rows, p_values, corrected, strict=True
        )
    )
    return Comparison(
        measure,
        scores.systems,
        dict(zip(scores.systems, scores.means.tolist(), strict=True)),
        differences,
        procedure,
        len(scores.query_ids),
        baseline,
        anova,
        lower_is_better,
    )


def _pairs(scores: Scores, baseline: str | None) -> list[tuple[int, int]]:
    everyone = range(len(scores.systems))
    if baseline is None:
        return list(combinations(everyone, 2))
    beside = scores.index(baseline)
    return [(i, beside) for i in everyone if i != beside]


def _p_value(differences: Floats, procedure: Procedure) -> float:
    match procedure.test:
        case "t":
            return paired_t(differences)
        case "wilcoxon":
            return wilcoxon(differences)
        case _:
            return randomisation(
                differences, n_permutations=procedure.n_resamples, seed=procedure.seed
            )


def _interval(differences: Floats, procedure: Procedure) -> tuple[float, float]:
    return bootstrap_interval(
        differences,
        confidence=procedure.confidence,
        n_resamples=procedure.n_resamples,
        seed=procedure.seed,
    )


def _difference_json(one: Difference) -> dict[str, Json]:
    return {
        "first": one.first,
        "second": one.second,
        "difference": one.mean,
        "interval": one.interval,
        "p": one.p,
        "p_corrected": one.p_corrected,
        "significant": one.is_significant,
        "wins": one.wins,
        "losses": one.losses,
    }
