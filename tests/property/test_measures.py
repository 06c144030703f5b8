"""Random runs full of ties score here what trec_eval's own code says, within 1e-9."""

import importlib
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from lexmax.eval.measures import Evaluator
from lexmax.eval.runs import read_run

pytrec_eval: Any = importlib.import_module("pytrec_eval")

# Our name, and theirs.
NAMES = {
    "nDCG@10": "ndcg_cut_10",
    "nDCG@3": "ndcg_cut_3",
    "nDCG": "ndcg",
    "RR": "recip_rank",
    "R@5": "recall_5",
    "R@1000": "recall_1000",
    "P@5": "P_5",
    "P@30": "P_30",
    "AP": "map",
    "AP@5": "map_cut_5",
    "Success@1": "success_1",
    "Success@5": "success_5",
    "Rprec": "Rprec",
    "Bpref": "bpref",
}
DOCS = [f"d{i}" for i in range(40)]


def drawn(seed: int) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """Qrels with grades from -1 to 3, and a run with few distinct scores, some tied as floats."""
    rng = random.Random(seed)
    queries = [f"q{i}" for i in range(rng.randint(1, 4))]
    qrels = {
        # One grade of 0: their nDCG never ends where a query has none but negative ones.
        q: {d: rng.choice([-1, 0, 0, 1, 1, 2, 3]) for d in rng.sample(DOCS, rng.randint(1, 20))}
        | {"d0": 0}
        for q in queries
    }
    scores = [1.0, 1.0, 2.0, 0.0, -1.5, 1.00000001, rng.random()]
    run = {
        q: {d: rng.choice(scores) for d in rng.sample(DOCS, rng.randint(1, 35))}
        for q in [*queries, "unjudged"]
        if q == queries[0] or rng.random() < 0.8
    }
    return qrels, run


@pytest.mark.parametrize("rel", [1, 2])
def test_two_hundred_random_runs_agree_with_trec_eval(rel: int) -> None:
    ours = list(NAMES) if rel == 1 else ["RR(rel=2)", "R(rel=2)@5", "P(rel=2)@5", "AP(rel=2)"]
    theirs = list(NAMES.values()) if rel == 1 else ["recip_rank", "recall_5", "P_5", "map"]
    n_compared = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.trec"
        for seed in range(200):
            qrels, run = drawn(seed)
            path.write_text(
                "".join(f"{q} Q0 {d} 0 {s!r} t\n" for q, row in run.items() for d, s in row.items())
            )
            measured = Evaluator(qrels, ours).evaluate(read_run(path).doc_ids)
            expected = pytrec_eval.RelevanceEvaluator(
                qrels, set(theirs), relevance_level=rel
            ).evaluate(run)
            for name, official in zip(ours, theirs, strict=True):
                for query_id in qrels:
                    value = expected.get(query_id, {}).get(official, 0.0)
                    assert measured.by_query[name][query_id] == pytest.approx(value, abs=1e-9)
                    n_compared += 1
    assert n_compared > 1000


def test_rr_is_ms_marcos_by_rank(tmp_path: Path) -> None:
    ir_measures: Any = importlib.import_module("ir_measures")
    for seed in range(50):
        qrels, run = drawn(seed)
        orders = {q: random.Random(seed).sample(list(row), len(row)) for q, row in run.items()}
        lines = (f"{q}\t{d}\t{i}\n" for q, ds in orders.items() for i, d in enumerate(ds, 1))
        (tmp_path / "run.tsv").write_text("".join(lines))
        measured = Evaluator(qrels, ["RR@10"]).evaluate(read_run(tmp_path / "run.tsv").doc_ids)
        by_rank = {q: {d: -float(i) for i, d in enumerate(ds)} for q, ds in orders.items()}
        official = ir_measures.msmarco.iter_calc([ir_measures.RR @ 10], qrels, by_rank)
        expected = {metric.query_id: metric.value for metric in official}
        for query_id, value in measured.by_query["RR@10"].items():
            assert value == pytest.approx(expected.get(query_id, 0.0), abs=1e-12)
