"""Experiments over a collection of a few documents: figures, caches, interruptions."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import EvaluationError
from lexmax.eval.experiments import Experiment, Results, read_results, run_experiment
from lexmax.eval.experiments.cell import read_cell
from lexmax.eval.experiments.planning import planned
from lexmax.eval.runs import read_run
from lexmax.eval.runs.ids import decoded_ids

WORDS = ("red", "blue", "green", "ring", "stone", "river", "cloud", "fox", "owl", "ship")
TINY = {
    "name": "tiny",
    "measures": ["nDCG@10", "R@5"],
    "k": 5,
    "latency": {"queries": 2},
    "collections": ["tiny"],
    "indexes": {
        "all": {"sparse": "bm25", "multivector": "minilm", "pooled": "minilm-pooled"},
        "other": {"like": "all", "sparse": "bm25?b=0.1"},
    },
    "systems": {
        "bm25": {"index": "all", "pipeline": "bm25"},
        "exact": {"index": "all", "pipeline": "multivector-exact"},
        "flat": {"index": "other", "pipeline": "hybrid-pooled"},
    },
}


class Stopping:
    """A watcher that stops once it has been told of so many finished cells."""

    def __init__(self, after: int) -> None:
        self._left = after

    def advance(self, stage: str, done: int, total: int) -> None:
        self._left -= stage == "cells"

    def stopped(self) -> bool:
        return self._left <= 0


def write_dataset(folder: Path, *, n_docs: int = 24, space: str = " ") -> None:
    """Documents of three words each; every query asks for one document by two of them."""
    (folder / "qrels").mkdir(parents=True)
    docs = [
        {"_id": f"d{space}{i}", "text": " ".join(WORDS[(i * j + i // 3) % 10] for j in (1, 3, 7))}
        for i in range(n_docs)
    ]
    (folder / "corpus.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in docs))
    queries = [
        {"_id": f"q{i}", "text": " ".join(docs[i]["text"].split()[:2])} for i in range(n_docs)
    ]
    (folder / "queries.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in queries))
    rows = [f"q{i}\td{space}{i}\t1\n" for i in range(n_docs)]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "data" / "tiny")
    return tmp_path / "data"


def experiment(
    folder: Path, data: Path, matrix: Mapping[str, Any] = TINY, out: str = "out"
) -> Experiment:
    path = folder / "matrix.yaml"
    path.write_text(yaml.safe_dump(dict(matrix)))
    return Experiment.read(path, out=folder / out, cache=folder / "cache", data=data)


@pytest.fixture
def results(tmp_path: Path, data: Path, cheap_encoders: Encoders) -> Results:
    return run_experiment(experiment(tmp_path, data), encoders=cheap_encoders)


def test_results_are_those_of_the_collection(
    tmp_path: Path, results: Results, cheap_encoders: Encoders
) -> None:
    assert read_results(tmp_path / "out").content == orjson.loads(orjson.dumps(results.content))
    assert list(results.cells("tiny")) == ["bm25", "exact", "flat"]
    cell = results.cells("tiny")["exact"]
    kept = read_cell(tmp_path / "out", "tiny", "exact")
    assert kept is not None
    assert kept.query_ids[:2] == ("q0", "q1")
    figures = kept.measured("nDCG@10")
    assert cell["measures"]["nDCG@10"] == pytest.approx(sum(figures.values()) / 24)
    folder = tmp_path / "cache" / "indexes" / cell["index"]["folder"]
    with Collection.open(folder, encoders=cheap_encoders) as collection:
        ranking = collection.search_batch(["red ring"], 5, pipeline="multivector-exact")
        assert collection.n_docs == 24
    run = decoded_ids(read_run(tmp_path / "out" / cell["run"]))
    assert (tmp_path / "out" / cell["run"]).read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
    asked = next(q for q, text in queries_of(tmp_path).items() if set(text.split()) == {"red"})
    assert run.doc_ids[asked]
    assert len(ranking.doc_ids[0]) == 5
    assert cell["latency"]["n"] == 2
    assert cell["index"]["parts_used"] == ["tokens"]
    assert cell["recall_by_depth"][-1] == [5, pytest.approx(cell["measures"]["R@5"])]


def queries_of(folder: Path) -> dict[str, str]:
    lines = (folder / "data" / "tiny" / "queries.jsonl").read_bytes().splitlines()
    return {one["_id"]: one["text"] for one in map(orjson.loads, lines)}


def test_ids_with_spaces_stand_in_runs_and_are_read_back(tmp_path: Path, results: Results) -> None:
    cell = results.cells("tiny")["bm25"]
    assert cell["ids"] == "percent-encoded"
    run = read_run(tmp_path / "out" / cell["run"])
    assert {doc_id.startswith("d%20") for ids in run.doc_ids.values() for doc_id in ids} == {True}
    assert decoded_ids(run).doc_ids["q0"][0].startswith("d ")
    assert (tmp_path / "out" / "runs" / "tiny" / "qrels.encoded.txt").is_file()


def test_nothing_is_run_twice(
    tmp_path: Path, data: Path, results: Results, cheap_encoders: Encoders
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "cells").rglob("*")}
    again = run_experiment(experiment(tmp_path, data), encoders=cheap_encoders)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "cells").rglob("*")}
    assert before == after
    assert again.content["cells"] == orjson.loads(orjson.dumps(results.content["cells"]))


def test_a_changed_system_alone_is_run_again(
    tmp_path: Path, data: Path, results: Results, cheap_encoders: Encoders
) -> None:
    systems: dict[str, Any] = dict(TINY["systems"])  # type: ignore[call-overload]
    systems["exact"] = {"index": "all", "pipeline": "multivector:fde?candidates=9"}
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out" / "cells" / "tiny").iterdir()}
    matrix = {**TINY, "systems": systems}
    run_experiment(experiment(tmp_path, data, matrix), encoders=cheap_encoders)
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out" / "cells" / "tiny").iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"exact.json"}


def test_stopped_it_goes_on_at_the_cell_where_it_stopped(
    tmp_path: Path, data: Path, cheap_encoders: Encoders
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_experiment(experiment(tmp_path, data), watcher=Stopping(1), encoders=cheap_encoders)
    cells = list((tmp_path / "out" / "cells" / "tiny").iterdir())
    assert [path.name for path in cells] == ["bm25.json"]
    assert not (tmp_path / "out" / "results.json").exists()
    first = cells[0].stat().st_mtime_ns
    found = run_experiment(experiment(tmp_path, data), encoders=cheap_encoders)
    assert cells[0].stat().st_mtime_ns == first
    assert list(found.cells("tiny")) == ["bm25", "exact", "flat"]


def test_an_index_that_lends_its_vectors_is_as_good_as_a_built_one(
    tmp_path: Path, data: Path, results: Results, cheap_encoders: Encoders
) -> None:
    derived = results.cells("tiny")["flat"]
    assert derived["index"]["how"] == "derived"
    folders = [tmp_path / "cache" / "indexes" / results.cells("tiny")[s]["index"]["folder"]
               for s in ("exact", "flat")]  # fmt: skip
    tokens = [next(folder.rglob("tokens.codes.npy")) for folder in folders]
    assert tokens[0].samefile(tokens[1])
    alone = {**TINY, "systems": {"flat": TINY["systems"]["flat"]}}  # type: ignore[index]
    path = tmp_path / "alone.yaml"
    path.write_text(yaml.safe_dump(alone))
    other = Experiment.read(path, out=tmp_path / "b", cache=tmp_path / "cache2", data=data)
    built = run_experiment(other, encoders=cheap_encoders).cells("tiny")["flat"]
    assert built["index"]["how"] == "built"
    runs = [read_run(tmp_path / "out" / derived["run"]), read_run(tmp_path / "b" / built["run"])]
    assert runs[0].doc_ids == runs[1].doc_ids
    for query_id, scores in runs[0].scores.items():
        assert scores.tolist() == runs[1].scores[query_id].tolist()
    with Collection.open(folders[1], encoders=cheap_encoders) as collection:
        assert collection.verify().problems == ()


def test_encodings_of_another_size_are_made_over_linked_tokens(
    tmp_path: Path, data: Path, cheap_encoders: Encoders
) -> None:
    systems = {
        "fde": {
            "index": {"like": "all", "fde_dim": "{dim}", "fde_store": "flat"},
            "pipeline": "multivector:fde?candidates=4",
            "grid": {"dim": [2, 16]},
        }
    }
    matrix = {**TINY, "systems": systems}
    found = run_experiment(experiment(tmp_path, data, matrix), encoders=cheap_encoders)
    cells = found.cells("tiny")
    assert [cell["index"]["how"] for cell in cells.values()] == ["built", "derived"]
    sizes = [cell["index"]["bytes"]["fde"] for cell in cells.values()]
    assert sizes[0] < sizes[1]


def test_queries_of_another_encoder_are_refused(
    tmp_path: Path, data: Path, results: Results, cheap_encoders: Encoders
) -> None:
    for about in (tmp_path / "cache" / "queries").rglob("about.json"):
        written = orjson.loads(about.read_bytes())
        about.write_bytes(orjson.dumps({**written, "fingerprint": "another encoder"}))
    with pytest.raises(EvaluationError, match="holds queries that another encoder encoded"):
        run_experiment(experiment(tmp_path, data, out="second"), encoders=cheap_encoders)


def test_damaged_queries_are_encoded_again(
    tmp_path: Path, data: Path, results: Results, cheap_encoders: Encoders
) -> None:
    for vectors in (tmp_path / "cache" / "queries").rglob("vectors.npy"):
        content = bytearray(vectors.read_bytes())
        content[-1] ^= 1
        vectors.write_bytes(bytes(content))
    again = run_experiment(experiment(tmp_path, data, out="second"), encoders=cheap_encoders)
    for name, cell in results.cells("tiny").items():
        assert again.cells("tiny")[name]["measures"] == cell["measures"]


def test_a_system_that_a_collection_cannot_answer_is_noted_and_the_others_go_on(
    tmp_path: Path, data: Path, cheap_encoders: Encoders
) -> None:
    systems: dict[str, Any] = {
        "bad": {"index": {"sparse": "bm25"}, "pipeline": "pooled"},
        "bm25": {"index": {"sparse": "bm25"}, "pipeline": "bm25"},
    }
    matrix = {**TINY, "systems": systems}
    found = run_experiment(experiment(tmp_path, data, matrix), encoders=cheap_encoders)
    assert list(found.cells("tiny")) == ["bm25"]
    assert len(found.errors) == 1
    assert found.errors[0].startswith("tiny, bad: pipeline 'bad'")


def test_results_are_written_after_each_collection(
    tmp_path: Path, data: Path, cheap_encoders: Encoders
) -> None:
    write_dataset(data / "second", n_docs=9)
    systems = {"bm25": {"index": {"sparse": "bm25"}, "pipeline": "bm25"}}
    matrix = {**TINY, "collections": ["tiny", "second"], "systems": systems}
    with pytest.raises(KeyboardInterrupt):
        run_experiment(
            experiment(tmp_path, data, matrix), watcher=Stopping(1), encoders=cheap_encoders
        )
    found = read_results(tmp_path / "out")
    assert found.content["finished"] is False
    assert list(found.cells("tiny")) == ["bm25"]
    assert list(found.cells("second")) == []
    done = run_experiment(experiment(tmp_path, data, matrix), encoders=cheap_encoders)
    assert done.content["finished"] is True


def test_sub_collections_are_averaged_and_count_once(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    data = tmp_path / "data"
    for name, n_docs in (("one", 9), ("two", 24)):
        write_dataset(data / "group" / name, n_docs=n_docs)
    write_dataset(data / "tiny")
    matrix = {
        **TINY,
        "collections": ["tiny", "group"],
        "systems": {"bm25": {"index": {"sparse": "bm25"}, "pipeline": "bm25"}},
    }
    found = run_experiment(experiment(tmp_path, data, matrix), encoders=cheap_encoders)
    assert list(found.collections) == ["tiny", "group-one", "group-two"]
    parts = [found.cells(f"group-{name}")["bm25"]["measures"]["R@5"] for name in ("one", "two")]
    group = found.content["groups"]["group"]["bm25"]["R@5"]
    assert group == pytest.approx(sum(parts) / 2)
    tiny = found.cells("tiny")["bm25"]["measures"]["R@5"]
    overall = found.content["overall"]["averages"]["bm25"]["R@5"]
    assert overall == pytest.approx((tiny + group) / 2)


def test_a_dry_run_says_what_is_missing_and_writes_nothing(
    tmp_path: Path, data: Path, cheap_encoders: Encoders
) -> None:
    asked = experiment(tmp_path, data)
    plan = planned(asked, encoders=cheap_encoders)
    assert [(step.how, step.seconds is not None) for step in plan.indexes] == [
        ("built", True),
        ("derived", False),
    ]
    assert [(cells.n_missing, cells.n_there) for cells in plan.cells] == [(3, 0)]
    assert not (tmp_path / "cache").exists()
    run_experiment(asked, encoders=cheap_encoders)
    plan = planned(asked, encoders=cheap_encoders)
    assert [step.how for step in plan.indexes] == ["there", "there"]
    assert [(cells.n_missing, cells.n_there) for cells in plan.cells] == [(0, 3)]


def test_what_an_interrupted_index_left_is_gone_on_with(
    tmp_path: Path, data: Path, cheap_encoders: Encoders
) -> None:
    class AtOnce:
        def advance(self, stage: str, done: int, total: int) -> None: ...

        def stopped(self) -> bool:
            return True

    with pytest.raises(KeyboardInterrupt):
        run_experiment(experiment(tmp_path, data), watcher=AtOnce(), encoders=cheap_encoders)
    step = planned(experiment(tmp_path, data), encoders=cheap_encoders).indexes[0]
    assert (step.how, step.begun) == ("built", True)
    found = run_experiment(experiment(tmp_path, data), encoders=cheap_encoders)
    assert found.cells("tiny")["bm25"]["n_docs"] == 24


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"collections": ["none"]}, "there is no folder none"),
        ({"collections": ["tiny", {"path": "tiny"}]}, "two collections are called tiny"),
        ({"measures": ["nDGC@10"]}, "nDGC@10"),
        ({"collections": [{"path": "tiny", "split": "dev"}]}, "dev"),
        (
            {"systems": {"a": {"index": "all", "pipeline": "bm25", "collections": ["x"]}}},
            "there is no collection x",
        ),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_is_built(
    tmp_path: Path, data: Path, change: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(EvaluationError) as caught:
        experiment(tmp_path, data, {**TINY, **change})
    assert said in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_queries_may_be_drawn(tmp_path: Path, data: Path, cheap_encoders: Encoders) -> None:
    matrix = {**TINY, "collections": [{"path": "tiny", "queries": 7, "name": "few"}]}
    found = run_experiment(experiment(tmp_path, data, matrix), encoders=cheap_encoders)
    assert found.collections["few"]["n_queries"] == 7
    assert "7 of 24 judged queries were drawn" in found.collections["few"]["warnings"][0]


def test_a_lost_index_is_built_again(
    tmp_path: Path, data: Path, results: Results, cheap_encoders: Encoders
) -> None:
    shutil.rmtree(tmp_path / "cache")
    again = run_experiment(experiment(tmp_path, data, out="second"), encoders=cheap_encoders)
    ours: Sequence[str] = list(again.cells("tiny"))
    assert ours == list(results.cells("tiny"))


def test_a_relevance_filter_learns_on_queries_that_it_is_not_measured_on(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    write_dataset(tmp_path / "data" / "tiny", n_docs=100)
    systems: dict[str, Any] = {
        "plain": {"index": {"sparse": "bm25"}, "pipeline": "bm25"},
        "filtered": {
            "index": {"sparse": "bm25"},
            "pipeline": {"preset": "bm25", "relevance": {}},
            "calibrate": {"folds": 2, "depth": 10, "inputs": "none", "scale": "fixed"},
        },
    }
    asked = experiment(tmp_path, tmp_path / "data", {**TINY, "systems": systems})
    found = run_experiment(asked, encoders=cheap_encoders)
    assert found.errors == []
    cells = found.cells("tiny")
    folds = cells["filtered"]["calibration"]["folds"]
    assert sum(fold["queries"] for fold in folds) == 100
    assert all(fold["learnt_from"] <= 100 - fold["queries"] for fold in folds)
    assert sum(one["pairs"] for one in folds[0]["reliability"]) > 0
    runs = [read_run(tmp_path / "out" / cells[name]["run"]) for name in ("plain", "filtered")]
    kept, all_of = [sum(map(len, run.doc_ids.values())) for run in reversed(runs)]
    assert kept < all_of
    for query_id, doc_ids in runs[1].doc_ids.items():
        assert set(doc_ids) <= set(runs[0].doc_ids[query_id])
