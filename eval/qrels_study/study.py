"""What would each method of adjudication have claimed, at each budget?"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from lexmax.errors import EvaluationError
from lexmax.eval.measures import Evaluator
from lexmax.eval.qrels import Qrels
from lexmax.eval.qrels_study.adjudication import METHODS
from lexmax.eval.qrels_study.agreement import Agreement, Claims
from lexmax.eval.qrels_study.pool import Pool
from lexmax.eval.runs import Run
from lexmax.eval.significance import CORRECTIONS, Scores
from lexmax.eval.significance.anova import tukey_difference, two_way_anova
from lexmax.eval.significance.paired import paired_t, wilcoxon
from lexmax.types import Json

_TESTS = ("tukey", "t", "wilcoxon")


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What to simulate.

    Attributes:
        methods: names of `METHODS`.
        budgets: judgements a topic.
        measure: what systems are compared by.
        depth: how many documents of each run are pooled.
        rel: least grade that a judge calls relevant.
        test: "tukey" (two-way ANOVA and HSD), "t" or "wilcoxon".
        correction: for "t" and "wilcoxon", one of significance.CORRECTIONS.
        alpha: a corrected p below it is significant.
        seed: of what is drawn.

    Raises:
        EvaluationError: if a name is unknown or a number out of range.
    """

    methods: tuple[str, ...] = tuple(METHODS)
    budgets: tuple[int, ...] = (5, 10, 20, 50, 100)
    measure: str = "nDCG@10"
    depth: int = 100
    rel: int = 1
    test: str = "tukey"
    correction: str = "bh"
    alpha: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        for kind, names, known in (
            ("method", self.methods, tuple(METHODS)),
            ("test", (self.test,), _TESTS),
            ("correction", (self.correction,), tuple(CORRECTIONS)),
        ):
            if unknown := [name for name in names if name not in known]:
                raise EvaluationError(
                    f"no {kind} {unknown[0]!r}; expected one of {', '.join(known)}; name one"
                )
        numbers = (*self.budgets, self.depth, self.rel)
        if not self.methods or not self.budgets or min(numbers) < 1 or self.seed < 0:
            raise EvaluationError(
                f"methods {self.methods}, budgets {self.budgets}, depth {self.depth}, rel "
                f"{self.rel}; expected one method and one budget or more, and numbers from 1; "
                "change them"
            )
        if not 0 < self.alpha < 1:
            raise EvaluationError(f"alpha is {self.alpha}; expected between 0 and 1; change it")


@dataclass(frozen=True, slots=True)
class Row:
    """One method at one budget.

    Attributes:
        method: its name.
        budget: judgements a topic, at most.
        n_judged: judgements in all; fewer than budget times topics where pools are smaller.
        n_relevant: how many relevant documents they found.
        agreement: with the claims of the full qrels.
    """

    method: str
    budget: int
    n_judged: int
    n_relevant: int
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class QrelsStudy:
    """What the simulation gave.

    Attributes:
        plan: what was asked for.
        rows: by method, then by budget.
        systems: names of the runs.
        n_topics: judged topics that a run answers.
        n_significant: pairs of systems that the full qrels tell apart.
        n_judged: judgements of the full qrels.
        n_relevant: relevant ones among them.
        warnings: what the pools could not hold, in sentences.
    """

    plan: StudyPlan
    rows: tuple[Row, ...]
    systems: tuple[str, ...]
    n_topics: int
    n_significant: int
    n_judged: int
    n_relevant: int
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Json]:
        """All of it, as plain values; shares that are not defined are null."""
        return {
            "plan": asdict(self.plan),
            "systems": self.systems,
            "topics": self.n_topics,
            "significant_pairs": self.n_significant,
            "judgements": self.n_judged,
            "relevant": self.n_relevant,
            "rows": [_row_json(row) for row in self.rows],
            "warnings": self.warnings,
        }


def study_qrels(runs: Sequence[Run], qrels: Qrels, plan: StudyPlan) -> QrelsStudy:
    """Cuts the qrels down by each method to each budget, and compares what is significant.

    Raises:
        EvaluationError: if there are not two runs of different names and two topics that they
            answer, or the measure is unknown.
    """
    if len({run.name for run in runs}) < max(2, len(runs)):
        raise EvaluationError(
            f"runs {', '.join(run.name for run in runs) or 'none'}; expected two or more of "
            "different names; add runs, or change their tags"
        )
    topics = [topic for topic in qrels if any(run.doc_ids.get(topic) for run in runs)]
    if len(topics) < 2:
        raise EvaluationError(
            f"{len(topics)} judged topics are answered by the runs; expected two or more, to "
            "tell systems apart; give qrels and runs that belong together"
        )
    judged = {topic: qrels[topic] for topic in topics}
    pools = {topic: _pool(runs, topic, qrels[topic], plan) for topic in topics}
    scores = _scores(runs, judged, plan)
    full = _Full(runs, judged, plan, scores, _claims(scores, plan))
    rows: list[Row] = []
    for method in plan.methods:
        orders = dict(_orders(method, pools, plan.seed))
        rows += [full.beside(method, budget, orders) for budget in plan.budgets]
    return QrelsStudy(
        plan,
        tuple(rows),
        scores.systems,
        len(topics),
        int(np.count_nonzero(full.claims.is_significant)),
        sum(map(len, judged.values())),
        _n_relevant(judged, plan.rel),
        _warnings(pools),
    )


@dataclass(frozen=True, slots=True)
class _Full:
    """What the full qrels say: the ground for every comparison."""

    runs: Sequence[Run]
    qrels: Qrels
    plan: StudyPlan
    scores: Scores
    claims: Claims

    def beside(self, method: str, budget: int, orders: Mapping[str, Sequence[str]]) -> Row:
        """What the first documents of each order say, compared with that."""
        reduced = {
            topic: {doc_id: grades[doc_id] for doc_id in orders[topic][:budget]}
            for topic, grades in self.qrels.items()
        }
        scores = _scores(self.runs, reduced, self.plan)
        agreement = Agreement.of(self.claims, _claims(scores, self.plan), _tau(self.scores, scores))
        n_judged = sum(map(len, reduced.values()))
        return Row(method, budget, n_judged, _n_relevant(reduced, self.plan.rel), agreement)


def _pool(runs: Sequence[Run], topic: str, judged: Mapping[str, int], plan: StudyPlan) -> Pool:
    rankings = [run.doc_ids.get(topic, ()) for run in runs]
    return Pool.of(rankings, judged, depth=plan.depth, rel=plan.rel)


def _orders(method: str, pools: Mapping[str, Pool], seed: int) -> Iterator[tuple[str, list[str]]]:
    rng = np.random.default_rng(seed)
    for topic, pool in pools.items():
        yield topic, [pool.doc_ids[place] for place in METHODS[method](pool, rng)]


def _scores(runs: Sequence[Run], qrels: Qrels, plan: StudyPlan) -> Scores:
    evaluator = Evaluator(qrels, [plan.measure])
    figures = {run.name: evaluator.evaluate(run.doc_ids).by_query[plan.measure] for run in runs}
    return Scores.of(figures)


def _claims(scores: Scores, plan: StudyPlan) -> Claims:
    first, second = np.triu_indices(len(scores.systems), 1)
    differences = scores.means[first] - scores.means[second]
    if plan.test == "tukey":
        least = tukey_difference(two_way_anova(scores), plan.alpha)
        return Claims(differences, np.abs(differences) > least)
    test = paired_t if plan.test == "t" else wilcoxon
    rows = scores.values[first] - scores.values[second]
    p_values = np.array([test(row) for row in rows])
    return Claims(differences, CORRECTIONS[plan.correction](p_values) < plan.alpha)


def _tau(full: Scores, reduced: Scores) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(full.means, reduced.means).statistic)


def _n_relevant(qrels: Qrels, rel: int) -> int:
    return sum(grade >= rel for judged in qrels.values() for grade in judged.values())


def _warnings(pools: Mapping[str, Pool]) -> tuple[str, ...]:
    n_unjudged = sum(pool.n_unjudged for pool in pools.values())
    if not n_unjudged:
        return ()
    n_pooled = n_unjudged + sum(len(pool.doc_ids) for pool in pools.values())
    return (
        f"{n_unjudged:,} of {n_pooled:,} pooled documents are not in the full qrels: nobody can "
        "say what they are, so no method gets to judge them",
    )


def _row_json(row: Row) -> dict[str, Json]:
    found = row.agreement
    shares = {
        "precision": found.precision,
        "recall": found.recall,
        "publication_bias": found.publication_bias,
        "tau": found.tau,
    }
    counts = {"method": row.method, "budget": row.budget}
    judged = {"judgements": row.n_judged, "relevant": row.n_relevant}
    defined = {name: None if math.isnan(share) else share for name, share in shares.items()}
    return {**counts, **judged, **asdict(found), **defined}
