"""Which measure does a name ask for?

Names are those of ir-measures, `NAME(parameter=value)@cutoff`; the cutoff may stand before the
parentheses too. What ir-measures lacks is named in the same way: `Candidates@R95`, `WSS@95`,
`LastRel`, `R@5%`, each with `rel`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from lexmax.errors import EvaluationError
from lexmax.eval.measures import ranked, screening
from lexmax.eval.measures.candidates import CandidatesNeeded
from lexmax.eval.measures.diversity import alpha_gain
from lexmax.eval.measures.limits import MAX_CUTOFF
from lexmax.eval.measures.measure import Averaged, Measure
from lexmax.eval.measures.providers import ir_measures
from lexmax.eval.qrels import MAX_RELEVANCE, Subtopics

DEFAULT_MEASURES = ("nDCG@10", "RR@10", "R@100", "R@1000", "AP")

_LONGEST = 200
_FORM = re.compile(
    r"(?P<name>[A-Za-z_]\w*)(?:\((?P<before>[^()]*)\))?"
    r"(?:@(?P<at>[^()@\s]+))?(?:\((?P<after>[^()]*)\))?"
)
_REL = re.compile(r"\s*(?:rel\s*=\s*(?P<rel>\d{1,5})\s*)?")
_PERCENT = re.compile(r"R?(?P<percent>\d{1,3}(?:\.\d{1,4})?)%?")
_RANKED: dict[str, Callable[..., Any]] = {
    "P": ranked.precision,
    "R": ranked.recall,
    "RR": ranked.reciprocal_rank,
    "AP": ranked.average_precision,
    "Success": ranked.success,
}


@dataclass(frozen=True, slots=True)
class Provided:
    """A measure that a provider of ir-measures computes. `measure` is theirs."""

    measure: Any

    @property
    def cutoff(self) -> int | None:
        """How many documents of a ranking it looks at; None for all of them."""
        cutoff = self.measure.params.get("cutoff")
        return None if cutoff is None else int(cutoff)

    @property
    def lower_is_better(self) -> bool:
        """None of theirs is."""
        return False


def parsed(name: str, subtopics: Subtopics | None = None) -> Measure | Provided:
    """The measure of that name; `subtopics` are what alpha_nDCG asks for.

    Raises:
        EvaluationError: if there is none, a parameter is out of its range, or it needs subtopics
            and there are none.
    """
    form = _FORM.fullmatch(name) if len(name) <= _LONGEST else None
    if form is None:
        raise no_measure(name, "it has no such form")
    if form["before"] is not None and form["after"] is not None:
        raise no_measure(name, "it has parameters twice")
    at, parameters = form["at"], form["before"] or form["after"] or ""
    if form["name"] in ("WSS", "LastRel", "Candidates") or (at or "").endswith("%"):
        return _ours(name, form["name"], at, parameters)
    # ir-measures takes no whole number for alpha.
    parameters = re.sub(r"\balpha\s*=\s*(\d)(?=\s*(?:,|$))", r"alpha=\1.0", parameters)
    standard = f"{form['name']}({parameters})" if parameters else form["name"]
    return _of_theirs(name, standard + (f"@{at}" if at else ""), subtopics)


def _ours(name: str, kind: str, at: str | None, parameters: str) -> Measure:
    given = _REL.fullmatch(parameters)
    rel = int((given and given["rel"]) or 1)
    if given is None or not 1 <= rel <= MAX_RELEVANCE:
        raise no_measure(name, f"its only parameter is rel, from 1 to {MAX_RELEVANCE:,}")
    if kind == "LastRel" and at is None:
        return Averaged(partial(screening.last_relevant, rel=rel), lower_is_better=True)
    percent = _percent(name, kind, at or "")
    match kind:
        case "Candidates":
            return CandidatesNeeded(percent, rel)
        case "WSS":
            return Averaged(partial(screening.work_saved, percent=percent, rel=rel))
        case _:
            return Averaged(partial(screening.recall_of_pool, percent=percent, rel=rel))


def _percent(name: str, kind: str, at: str) -> Fraction:
    begins, ends = kind == "Candidates", kind == "R"
    found = _PERCENT.fullmatch(at) if kind != "LastRel" else None
    if found is None or at.startswith("R") is not begins or at.endswith("%") is not ends:
        raise no_measure(name, "expected Candidates@R95, WSS@95, LastRel or R@5%")
    percent = Fraction(found["percent"])
    if not 0 < percent <= 100:
        raise no_measure(name, "its percentage must be above 0 and at most 100")
    return percent


def _of_theirs(name: str, standard: str, subtopics: Subtopics | None) -> Measure | Provided:
    try:
        measure = ir_measures().parse_measure(standard)
        measure.validate_params()
    except Exception as error:
        # ir-measures parses Python syntax and checks with assertions, so nearly anything comes.
        raise no_measure(name, "it has no such name, or other parameters") from error
    # What would stop the C code of a provider is refused here.
    for parameter, highest in {"cutoff": MAX_CUTOFF, "rel": MAX_RELEVANCE}.items():
        value = measure.params.get(parameter, 1)
        if isinstance(value, bool) or not 1 <= value <= highest:
            raise no_measure(name, f"its {parameter} must be from 1 to {highest:,}")
    if measure.NAME == "alpha_nDCG":
        return _alpha_gain(name, measure, subtopics)
    return _over_arrays(measure) or Provided(measure)


def _over_arrays(measure: Any) -> Averaged | None:
    """The same measure over arrays, many times faster; None for those that are not here."""
    given = measure.params
    cutoff = given.get("cutoff")
    if given.get("judged_only"):
        return None
    if measure.NAME in _RANKED:
        rel = given.get("rel", 1)
        return Averaged(partial(_RANKED[measure.NAME], cutoff=cutoff, rel=rel), cutoff)
    if measure.NAME == "nDCG" and not {"dcg", "gains"} & given.keys():
        return Averaged(partial(ranked.discounted_gain, cutoff=cutoff), cutoff)
    if measure.NAME == "Judged":
        return Averaged(partial(ranked.judged_share, cutoff=cutoff), cutoff)
    return None


def _alpha_gain(name: str, measure: Any, subtopics: Subtopics | None) -> Averaged:
    alpha = float(measure.params.get("alpha", 0.5))
    if (
        not 0 <= alpha <= 1
        or measure.params.get("rel", 1) != 1
        or measure.params.get("judged_only")
    ):
        raise no_measure(name, "its alpha must be from 0 to 1; it has no other parameter here")
    if subtopics is None:
        raise EvaluationError(
            f"{name} needs to know the subtopics of each query; expected TREC qrels whose second "
            "column says the subtopic that a document is judged for; leave the measure out, or "
            "give such qrels"
        )
    cutoff = measure.params.get("cutoff")
    formula = partial(alpha_gain, subtopics=subtopics, alpha=alpha, cutoff=cutoff)
    return Averaged(formula, cutoff)


def needs_subtopics(name: str) -> bool:
    """Whether a name asks for a measure of diversity, which only qrels by subtopic can give."""
    return name.startswith("alpha_nDCG")


def no_measure(name: str, reason: str) -> EvaluationError:
    """The error for a name that is none."""
    return EvaluationError(
        f"no measure {name[:60]!r} ({reason}); expected a name of ir-measures, such as "
        f"{', '.join(DEFAULT_MEASURES)}, P@5, Success@5 or nDCG(judged_only=True)@10, or one of "
        "Candidates@R95, WSS@95, LastRel and R@5%; capital letters count"
    )
