"""Evaluations of a stand-in collection, and of run files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import EvaluationError, PipelineError
from lexmax.eval.datasets import Dataset
from lexmax.eval.experiment import evaluate_pipelines, evaluate_run, to_json
from lexmax.eval.runs import read_run
from lexmax.stages import Pipeline

QUERIES = {"q1": "one", "q2": "two", "q3": "three"}
DATASET = Dataset(
    "tiny", Path("tiny"), QUERIES, {"q1": {"a": 1}, "q2": {"b": 1}, "q3": {"c": 1}}, "test"
)
# RR: q1 at rank 1, q2 at rank 2, q3 not found: (1 + 1/2 + 0) / 3 = 0.5.
GOOD = {"one": ["a", "b"], "two": ["a", "b"], "three": []}
BAD = {"one": ["b", "a"], "two": ["a"], "three": ["a"]}


@dataclass(frozen=True)
class Answers:
    doc_ids: Sequence[Sequence[str]]
    scores: Sequence[NDArray[np.float32]]
    timings_ms: Mapping[str, float]


@dataclass
class StandIn:
    """Answers from a table, every score 1; one millisecond a query in the stage "scan_ms"."""

    tables: Mapping[str, Mapping[str, Sequence[str]]]
    batches: list[tuple[str | None, int, int]] = field(default_factory=list)

    def search_batch(
        self, queries: Sequence[str], k: int, *, pipeline: str | Pipeline | None = None
    ) -> Answers:
        if not isinstance(pipeline, str) or pipeline not in self.tables:
            raise PipelineError(f"no pipeline {pipeline!r}")
        self.batches.append((pipeline, len(queries), k))
        found = [self.tables[pipeline][query][:k] for query in queries]
        ones = [np.ones(len(ids), dtype=np.float32) for ids in found]
        return Answers(found, ones, {"scan_ms": float(len(queries))})


@pytest.fixture
def collection() -> StandIn:
    return StandIn({"good": GOOD, "bad/er 🦊": BAD})


def test_figures_by_pipeline(collection: StandIn) -> None:
    evaluation = evaluate_pipelines(
        collection, DATASET, ["good", "bad/er 🦊", "good"], measures=["RR@10", "R@1000"]
    )
    assert list(evaluation.pipelines) == ["good", "bad/er 🦊"]
    good, bad = evaluation.pipelines.values()
    assert good.measures == pytest.approx({"RR@10": 0.5, "R@1000": 2 / 3})
    # q1 at rank 2, the others not found.
    assert bad.measures == pytest.approx({"RR@10": 1 / 6, "R@1000": 1 / 3})
    assert good.by_query["RR@10"] == {"q1": 1.0, "q2": 0.5, "q3": 0.0}
    assert (good.n_missing, bad.n_missing) == (1, 0)
    assert good.stage_ms == {"scan_ms": 1.0}
    assert good.query_ms is not None
    assert good.query_ms > 0
    assert evaluation.n_queries == 3
    assert evaluation.warnings == ()


def test_every_pipeline_answers_once_before_the_first_is_timed(collection: StandIn) -> None:
    told: list[tuple[str, int, int]] = []
    evaluate_pipelines(
        collection,
        DATASET,
        ["good", "bad/er 🦊"],
        k=7,
        batch_size=2,
        progress=lambda *state: told.append(state),
    )
    assert collection.batches[:2] == [("good", 1, 7), ("bad/er 🦊", 1, 7)]
    assert collection.batches[2:4] == [("good", 2, 7), ("good", 1, 7)]
    assert told == [("good", 2, 3), ("good", 3, 3), ("bad/er 🦊", 2, 3), ("bad/er 🦊", 3, 3)]


def test_wrong_name_fails_before_any_work(collection: StandIn, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="absent"):
        evaluate_pipelines(collection, DATASET, ["good", "absent"], runs_dir=tmp_path)
    assert collection.batches == [("good", 1, 1000)]
    with pytest.raises(EvaluationError, match="no measure 'ndcg'"):
        evaluate_pipelines(collection, DATASET, ["good"], measures=["ndcg"])
    assert len(collection.batches) == 1


@pytest.mark.parametrize(
    ("pipelines", "k", "batch_size", "message"),
    [([], 10, 1, "no pipeline"), (["good"], 0, 1, "k is 0"), (["good"], 1, 0, "batch_size is 0")],
)
def test_requests_that_ask_for_nothing(
    collection: StandIn, pipelines: list[str], k: int, batch_size: int, message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        evaluate_pipelines(collection, DATASET, pipelines, k=k, batch_size=batch_size)


def test_k_below_a_cutoff_is_said(collection: StandIn) -> None:
    evaluation = evaluate_pipelines(
        collection, DATASET, ["good"], measures=["RR@1", "R@100", "R@1000", "AP"], k=1
    )
    assert evaluation.warnings == (
        "R@100, R@1000: computed from the 1 documents asked for, which is fewer",
    )
    assert evaluation.pipelines["good"].measures["R@100"] == pytest.approx(1 / 3)


def test_runs_are_written_and_score_the_same(collection: StandIn, tmp_path: Path) -> None:
    runs = tmp_path / "new" / "runs"
    evaluation = evaluate_pipelines(collection, DATASET, ["good", "bad/er 🦊"], runs_dir=runs)
    files = {"good": "tiny.test.good.trec", "bad/er 🦊": "tiny.test.bad%2Fer%20%F0%9F%A6%8A.trec"}
    assert sorted(path.name for path in runs.iterdir()) == sorted(files.values())
    qrels = tmp_path / "qrels"
    qrels.write_text("q1 0 a 1\nq2 0 b 1\nq3 0 c 1\n")
    for name, file in files.items():
        # All scores were 1: only the written ones keep the order, "a" before "b" and after it.
        (again,) = evaluate_run(runs / file, qrels).pipelines.values()
        assert again.measures == evaluation.pipelines[name].measures
    assert read_run(runs / files["good"]).doc_ids == {"q1": ["a", "b"], "q2": ["a", "b"]}


def test_runs_that_cannot_be_written_fail_before_any_work(
    collection: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="cannot hold runs"):
        evaluate_pipelines(collection, DATASET, ["good"], runs_dir=tmp_path / "file" / "runs")
    spaced = Dataset("s", Path("s"), {"q 1": "one"}, {"q 1": {"a": 1}}, "test")
    with pytest.raises(EvaluationError, match="'q 1' cannot stand in a TREC file"):
        evaluate_pipelines(collection, spaced, ["good"], runs_dir=tmp_path)
    assert collection.batches == []
    assert evaluate_pipelines(collection, spaced, ["good"]).pipelines["good"].measures["AP"] == 1


def test_json_of_pipelines(collection: StandIn, tmp_path: Path) -> None:
    dataset = Dataset("tiny", Path("tiny"), QUERIES, DATASET.qrels, "test", ("2 left out",))
    evaluation = evaluate_pipelines(collection, dataset, ["good"], measures=["RR@10"], k=20)
    to_json(evaluation, tmp_path / "new" / "figures.json")
    figures = json.loads((tmp_path / "new" / "figures.json").read_text())
    assert figures.pop("ms_per_query")["good"] > 0
    assert figures == {
        "pipelines": {"good": {"RR@10": 0.5}},
        "dataset": "tiny",
        "split": "test",
        "k": 20,
        "queries": 3,
        "missing": {"good": 1},
        "stage_ms_per_query": {"good": {"scan_ms": 1.0}},
        "warnings": ["2 left out"],
    }


def test_json_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q1 Q0 a 1 2 mine\nq2 Q0 x 1 2 mine\nqx Q0 a 1 2 mine\n")
    (tmp_path / "qrels").write_text("q1 0 a 1\nq2 0 b 1\nq3 0 c 1\nq4 0 c 1\n")
    evaluation = evaluate_run(tmp_path / "run", tmp_path / "qrels", ["RR@10"])
    to_json(evaluation, tmp_path / "figures.json")
    assert json.loads((tmp_path / "figures.json").read_text()) == {
        "run": str(tmp_path / "run"),
        "qrels": str(tmp_path / "qrels"),
        "measures": {"RR@10": 0.25},
        "pipelines": {"mine": {"RR@10": 0.25}},
        "queries": 4,
        "missing": {"mine": 2},
        "ms_per_query": {},
        "stage_ms_per_query": {},
        "warnings": ["1 of 3 queries of the run have no judgement: left out"],
    }


def test_run_of_other_queries_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x1 Q0 a 1 2 mine\n")
    (tmp_path / "qrels").write_text("q1 0 a 1\n")
    with pytest.raises(EvaluationError, match="none of its 1 queries is among the 1 that"):
        evaluate_run(tmp_path / "run", tmp_path / "qrels")


@dataclass
class Holds(StandIn):
    """One that can say which documents it has."""

    documents: Sequence[str] = ()

    def get(self, doc_ids: Sequence[str]) -> list[str | None]:
        return [doc_id if doc_id in self.documents else None for doc_id in doc_ids]


def test_judged_documents_that_are_not_held_are_counted_and_named() -> None:
    collection = Holds({"good": GOOD}, documents=["a", "b"])
    evaluation = evaluate_pipelines(collection, DATASET, ["good"], measures=["RR@1"])
    assert evaluation.warnings == (
        "1 judged documents are not in the collection (c); 1 of 3 judgements are of relevant ones "
        "that cannot be found",
    )
    strangers = Holds({"good": GOOD}, documents=["x"])
    with pytest.raises(EvaluationError, match="none of the 3 judged documents"):
        evaluate_pipelines(strangers, DATASET, ["good"])
    assert strangers.batches == []
