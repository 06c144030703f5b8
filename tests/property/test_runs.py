"""Any ranking, with any ties, keeps its order through a run file, and every provider sees it."""

import importlib
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.eval.measures import Evaluator
from lexmax.eval.runs import Run, descending, read_run, write_run

ir_measures: Any = importlib.import_module("ir_measures")

# Few distinct values, so that ties are the rule; and neighbours that only 64 bits tell apart.
SCORES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 1.0000001, -2.5, 1e-45, 3e38, -3e38]),
    st.floats(-1e6, 1e6, width=32),
)
IDS = st.text(st.characters(exclude_categories=["Z", "Cs", "Cc"]), min_size=1, max_size=4).filter(
    lambda doc_id: doc_id.split() == [doc_id]
)
RANKINGS = st.dictionaries(
    IDS, st.dictionaries(IDS, SCORES, min_size=1, max_size=10), min_size=1, max_size=3
)


def written(ranked: dict[str, dict[str, float]], path: Path) -> Path:
    doc_ids = {query_id: list(row) for query_id, row in ranked.items()}
    scores = {q: np.array(list(row.values()), dtype=np.float32) for q, row in ranked.items()}
    write_run(path, Run("run", doc_ids, scores))
    return path


def rank_based(ranking: list[str], judged: dict[str, int]) -> dict[str, float]:
    """The measures by their definitions, from ranks alone."""
    grades = [judged.get(doc_id, 0) for doc_id in ranking]
    ideal = sorted(judged.values(), reverse=True)[:10]
    dcg, best = (
        sum(grade / math.log2(rank + 1) for rank, grade in enumerate(row, start=1))
        for row in (grades[:10], ideal)
    )
    hits = [rank for rank, grade in enumerate(grades, start=1) if grade > 0]
    n_relevant = sum(grade > 0 for grade in judged.values())
    return {
        "nDCG@10": dcg / best if best else 0.0,
        "RR@10": 1 / hits[0] if hits and hits[0] <= 10 else 0.0,
        "R@5": sum(rank <= 5 for rank in hits) / n_relevant if n_relevant else 0.0,
        "AP": sum((i + 1) / rank for i, rank in enumerate(hits)) / n_relevant if hits else 0.0,
    }


@settings(deadline=None)
@given(st.lists(SCORES, max_size=30))
def test_lowered_scores_descend_and_are_the_highest_that_do(values: list[float]) -> None:
    given_scores = np.array(values, dtype=np.float32)
    lowered = descending(given_scores)
    assert lowered.dtype == np.float32
    assert np.all(lowered[:-1] > lowered[1:])
    assert np.all(lowered <= given_scores)
    for i in range(1, len(values)):
        below = np.nextafter(lowered[i - 1], np.float32(-np.inf))
        assert lowered[i] == min(given_scores[i], below)
    assert descending(lowered).tobytes() == lowered.tobytes()


@settings(deadline=None)
@given(RANKINGS)
def test_any_ranking_comes_back_from_its_file(ranked: dict[str, dict[str, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(ranked, Path(folder) / "run.trec")
        run = read_run(path)
        assert run.doc_ids == {query_id: list(row) for query_id, row in ranked.items()}
        write_run(Path(folder) / "again.trec", run)
        assert (Path(folder) / "again.trec").read_bytes() == path.read_bytes()


@settings(deadline=None)
@given(RANKINGS, st.data())
def test_every_provider_agrees_on_a_written_run(
    ranked: dict[str, dict[str, float]], data: st.DataObject
) -> None:
    qrels = {
        query_id: data.draw(
            st.dictionaries(
                st.one_of(st.sampled_from(sorted(row)), IDS), st.integers(0, 3), min_size=1
            )
        )
        for query_id, row in ranked.items()
    }
    expected = {
        query_id: rank_based(list(row), qrels[query_id]) for query_id, row in ranked.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        path = written(ranked, Path(folder) / "run.trec")
        rows = [line.split(" ") for line in path.read_text().split("\n")[:-1]]
    scored: dict[str, dict[str, float]] = {query_id: {} for query_id in ranked}
    for query_id, _, doc_id, _, score, _ in rows:
        scored[query_id][doc_id] = float(score)
    trec_eval, ms_marco = ir_measures.pytrec_eval, ir_measures.msmarco
    # No ranking is longer than 10, so that RR is RR@10.
    for provider, name in [(trec_eval, "RR"), (ms_marco, "RR@10"), (trec_eval, "nDCG@10")]:
        for found in provider.iter_calc([ir_measures.parse_measure(name)], qrels, scored):
            wanted = expected[found.query_id]["RR@10" if name == "RR" else name]
            assert found.value == pytest.approx(wanted)
    ours = Evaluator(qrels, ["nDCG@10", "RR@10", "R@5", "AP"])
    by_query = ours.evaluate({query_id: list(row) for query_id, row in ranked.items()}).by_query
    for query_id, figures in expected.items():
        assert {name: by_query[name][query_id] for name in figures} == pytest.approx(figures)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(IDS, st.sampled_from([1.0, 1.00000001, 2.0, -1.0]), min_size=2, max_size=12),
    st.randoms(use_true_random=False),
)
def test_runs_of_others_are_ordered_as_trec_eval_does(row: dict[str, float], rng: Any) -> None:
    lines = [f"q Q0 {doc_id} {rng.randint(1, 99)} {score!r} t" for doc_id, score in row.items()]
    qrels = {"q": {doc_id: rng.randint(0, 3) for doc_id in row if rng.random() < 0.5} or {"x": 1}}
    names = ["nDCG@10", "AP", "R@5", "P@1"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        path.write_text("\n".join(lines))
        ours = Evaluator(qrels, names).evaluate(read_run(path).doc_ids).overall
    measures = {name: ir_measures.parse_measure(name) for name in names}
    theirs = ir_measures.pytrec_eval.calc_aggregate(measures.values(), qrels, {"q": row})
    for name, measure in measures.items():
        assert ours[name] == pytest.approx(theirs[measure], abs=1e-9)
