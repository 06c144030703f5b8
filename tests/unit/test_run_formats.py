"""Runs that other tools write are read, and those that we write other tools read."""

from pathlib import Path

import numpy as np
import orjson
import pytest
import pytrec_eval
from typer.testing import CliRunner

from lexmax.cli import app
from lexmax.collection import Collection
from lexmax.errors import EvaluationError
from lexmax.eval.runs import Run, read_run, write_run
from lexmax.types import Document

# What trec_eval's format can hold and people write: it takes anything but ASCII white space.
ODD = [
    "#1",
    "Q0",
    "0007",
    "7",
    "a%20b",
    '"quoted"',
    "<d>",
    "né",
    "ne\u0301",
    "文書",
    "a,b;c|d",
    "-",
]

# As Pyserini's TrecWriter and MsMarcoWriter write them: six digits, ties left as they are.
PYSERINI_TREC = """\
264014 Q0 4834547 1 12.345600 Anserini
264014 Q0 6641238 2 12.345600 Anserini
264014 Q0 96852 3 11.000000 Anserini
104861 Q0 1017088 1 9.876543 Anserini
"""
PYSERINI_MSMARCO = """\
264014\t4834547\t1
264014\t6641238\t2
264014\t96852\t3
104861\t1017088\t1
"""
QRELS = "264014 0 6641238 1\n104861 0 1017088 1\n"


def scores(n: int) -> np.ndarray:
    return np.full(n, 2.5, np.float32)


def test_trec_eval_reads_odd_ids_in_our_order(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    ids = {query_id: ODD for query_id in ODD}
    write_run(path, Run("odd", ids, {query_id: scores(len(ODD)) for query_id in ODD}))
    with path.open() as file:
        parsed = pytrec_eval.parse_run(file)
    for query_id in ODD:
        assert sorted(parsed[query_id], key=parsed[query_id].__getitem__, reverse=True) == ODD
    for place, relevant in enumerate(ODD, start=1):
        evaluator = pytrec_eval.RelevanceEvaluator({"#1": {relevant: 1}}, {"recip_rank"})
        assert evaluator.evaluate(parsed)["#1"]["recip_rank"] == pytest.approx(1 / place)


def test_ids_with_spaces_in_the_format_of_msmarco(tmp_path: Path) -> None:
    path = tmp_path / "run.tsv"
    ranked = {"who likes tea?": ["Ada Lopez", "B. de la O 2", "plain"], "q": ["Ada Lopez"]}
    given = {query_id: scores(len(ids)) for query_id, ids in ranked.items()}
    write_run(path, Run("a name", ranked, given), format="msmarco")
    assert path.read_text().splitlines()[1] == "who likes tea?\tB. de la O 2\t2"
    assert read_run(path).doc_ids == ranked
    assert read_run(path).scores["q"].tolist() == [-1]


@pytest.mark.parametrize("name", ["a\tb", "a\nb", " a", "a ", "", "a\rb", "\ud800"])
def test_ids_that_tabs_cannot_part(tmp_path: Path, name: str) -> None:
    for run in (
        Run("r", {name: ["d"]}, {name: scores(1)}),
        Run("r", {"q": [name]}, {"q": scores(1)}),
    ):
        with pytest.raises(EvaluationError, match="with tabs between its fields"):
            write_run(tmp_path / "run.tsv", run, format="msmarco")
    assert list(tmp_path.iterdir()) == []


def test_unknown_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="found the format 'json' for runs; expected trec"):
        write_run(tmp_path / "r", Run("r", {}, {}), format="json")  # type: ignore[arg-type]


def test_documents_twice_are_named_where_ids_hold_spaces(tmp_path: Path) -> None:
    path = tmp_path / "run.tsv"
    path.write_text("q\ta b\t1\nq\tc\t2\nq\ta b\t3\n")
    with pytest.raises(EvaluationError, match=r":3: found 'a b'; expected a document once"):
        read_run(path)
    path.write_text("q\ta b\t1\nq\t\t2\n")
    with pytest.raises(EvaluationError, match=r":2: found .* expected `query_id doc_id rank`"):
        read_run(path)


def test_runs_of_pyserini_are_read_and_compared(tmp_path: Path) -> None:
    trec, msmarco, qrels = tmp_path / "bm25.txt", tmp_path / "run.tsv", tmp_path / "qrels.txt"
    trec.write_text(PYSERINI_TREC)
    msmarco.write_text(PYSERINI_MSMARCO)
    qrels.write_text(QRELS)
    # trec_eval puts the second of the two equal ones first; the format of MS MARCO has ranks.
    assert read_run(trec).doc_ids["264014"] == ["6641238", "4834547", "96852"]
    assert read_run(msmarco).doc_ids["264014"] == ["4834547", "6641238", "96852"]
    out = tmp_path / "out.json"
    asked = ["compare", str(trec), str(msmarco), "--qrels", str(qrels), "--measures", "RR@10"]
    result = CliRunner().invoke(app, [*asked, "--json", str(out)])
    assert result.exit_code == 0, result.output
    figures = orjson.loads(out.read_bytes())["pipelines"]
    assert figures == {"Anserini": {"RR@10": 1.0}, "run": {"RR@10": 0.75}}


def test_evaluate_writes_either_format(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "ix", multivector=None) as collection:
        collection.add([Document("Ada Lopez", "likes tea"), Document("B", "likes tea and rice")])
    dataset = tmp_path / "likes"
    (dataset / "qrels").mkdir(parents=True)
    (dataset / "corpus.jsonl").write_text('{"_id": "B", "text": "likes tea and rice"}\n')
    (dataset / "queries.jsonl").write_text('{"_id": "q", "text": "tea"}\n')
    (dataset / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tAda Lopez\t1\n")
    runs, json = tmp_path / "runs", tmp_path / "out.json"
    asked = ["evaluate", str(dataset), "--collection", str(tmp_path / "ix"), "--measures", "RR@10"]
    asked += ["--pipelines", "bm25", "--runs", str(runs), "--json", str(json)]
    refused = CliRunner().invoke(app, asked)
    assert isinstance(refused.exception, EvaluationError)
    assert "write runs in the format msmarco" in str(refused.exception)
    result = CliRunner().invoke(app, [*asked, "--run-format", "msmarco"])
    assert result.exit_code == 0, result.output
    assert (runs / "likes.test.bm25.tsv").read_text() == "q\tAda Lopez\t1\nq\tB\t2\n"
    assert orjson.loads(json.read_bytes())["pipelines"]["bm25"]["RR@10"] == 1
    scored = ["evaluate", "--run", str(runs / "likes.test.bm25.tsv"), "--measures", "RR@10"]
    scored += ["--qrels", str(dataset / "qrels" / "test.tsv"), "--json", str(json)]
    assert CliRunner().invoke(app, scored).exit_code == 0
    assert orjson.loads(json.read_bytes())["measures"]["RR@10"] == 1
