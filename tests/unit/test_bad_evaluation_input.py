"""Files of an evaluation that are not what they should be: each is named, none is guessed at."""

from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import EvaluationError
from lexmax.eval import evaluate_run
from lexmax.eval.collections import load_dataset, unknown_documents
from lexmax.eval.qrels import read_qrels, read_subtopics
from lexmax.eval.run_files import evaluate_runs, read_runs
from lexmax.eval.runs import Run, read_run, write_run

QRELS = "q1 0 a 1\nq1 0 b 0\nq2 0 c 2\n"
RUN = "q1 Q0 b 1 2 t\nq1 Q0 a 2 1 t\n"


@pytest.fixture
def qrels(tmp_path: Path) -> Path:
    path = tmp_path / "qrels.txt"
    path.write_text(QRELS)
    return path


def run_of(tmp_path: Path, text: str, name: str = "my.run") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_unknown_documents_are_counted_and_named() -> None:
    judged = {"q1": {"a": 1, "gone": 2}, "q2": {"gone": 0, "b": 1, "lost": 1}}
    assert unknown_documents(judged, {"a", "b", "c"}) == (
        "2 judged documents are not in the collection (gone, lost); 2 of 5 judgements are of "
        "relevant ones that cannot be found",
    )
    assert unknown_documents(judged, {"a", "b", "gone", "lost"}) == ()
    with pytest.raises(EvaluationError, match=r"none of the 4 judged documents \(a, gone, b, lost"):
        unknown_documents(judged, {"x"})


def test_missing_queries_count_and_that_is_said(tmp_path: Path, qrels: Path) -> None:
    evaluation = evaluate_run(run_of(tmp_path, RUN), qrels, ["RR@10"])
    # q1 at rank 2, q2 without an answer: 0.
    assert evaluation.pipelines["t"].measures == {"RR@10": 0.25}
    assert evaluation.pipelines["t"].n_missing == 1
    assert evaluation.n_queries == 2


def test_queries_of_other_ids_are_shown_beside_the_judged(tmp_path: Path, qrels: Path) -> None:
    with pytest.raises(EvaluationError, match=r"in the run '1' and '2', judged 'q1' and 'q2'"):
        evaluate_run(run_of(tmp_path, "1 Q0 a 1 2 t\n2 Q0 a 1 2 t\n"), qrels)


def test_a_document_twice_is_named_with_both_lines(tmp_path: Path) -> None:
    path = run_of(tmp_path, RUN + "q1 Q0 b 3 0.5 t\n")
    with pytest.raises(EvaluationError, match=r"my\.run:3: found 'b'; .* line 1 ranks it already"):
        read_run(path)


def test_nan_is_refused_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"my\.run:1: .* a finite number as the score"):
        read_run(run_of(tmp_path, "q1 Q0 a 1 NaN t\n"))
    with pytest.raises(EvaluationError, match="NaN or infinity"):
        write_run(tmp_path / "x", Run("t", {"q": ["a"]}, {"q": np.array([np.nan], np.float32)}))


def test_equal_scores_are_ordered_as_trec_eval_orders_them(tmp_path: Path, qrels: Path) -> None:
    path = run_of(tmp_path, "q1 Q0 a 1 1 t\nq1 Q0 b 2 1 t\n")
    assert read_run(path).doc_ids["q1"] == ["b", "a"]
    assert evaluate_run(path, qrels, ["RR@10"]).pipelines["t"].by_query["RR@10"]["q1"] == 0.5


WRONG_DELIMITERS = {
    "commas in a run": ("q1,Q0,a,1,2,t\n", "", "commas separate the fields"),
    "semicolons in a run": ("q1;Q0;a;1;2;t\n", "", "semicolons separate the fields"),
    "commas in qrels": ("", "q1,0,a,1\n", "commas separate the fields"),
    "bars in qrels": ("", "q1|0|a|1\n", "bars separate the fields"),
    "spaces in BEIR qrels": ("", "q1 a 1\n", "spaces stand where tabs should"),
}


@pytest.mark.parametrize(
    ("run", "judged", "message"), WRONG_DELIMITERS.values(), ids=WRONG_DELIMITERS
)
def test_wrong_delimiters_are_named(tmp_path: Path, run: str, judged: str, message: str) -> None:
    path = run_of(tmp_path, run or judged)
    with pytest.raises(EvaluationError, match=rf"my\.run:1: .*{message}"):
        (read_run if run else read_qrels)(path)


@pytest.mark.parametrize(
    "text",
    ["qid Q0 docid rank score tag\n" + RUN, "qid docid rank\nq1 a 1\n"],
    ids=["TREC", "MS MARCO"],
)
def test_a_run_has_no_heading(tmp_path: Path, text: str) -> None:
    with pytest.raises(EvaluationError, match=r"my\.run:1: .*this is a heading, which a run does"):
        read_run(run_of(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "query-id\tcorpus-id\tscore\nq1\ta\t1\n",
        "query_id iteration doc_id relevance\nq1 0 a 1\n",
    ],
)
def test_qrels_with_a_heading_are_read_without_it(tmp_path: Path, text: str) -> None:
    assert read_qrels(run_of(tmp_path, text)) == {"q1": {"a": 1}}


def test_ids_may_be_numbers_or_texts_of_the_same_digits(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "queries.jsonl").write_text('{"_id": 7, "text": "seven"}\n')
    (tmp_path / "qrels" / "test.jsonl").write_text(
        '{"query-id": "7", "corpus-id": 12, "score": 1}\n'
        '{"query-id": 7, "corpus-id": "13", "score": 2.0}\n'
    )
    assert load_dataset(tmp_path, split="test").qrels == {"7": {"12": 1, "13": 2}}


@pytest.mark.parametrize("query_id", ["7.0", "true", "null", "[7]", '""'])
def test_what_is_no_id_is_refused(tmp_path: Path, query_id: str) -> None:
    path = run_of(tmp_path, f'{{"query-id": {query_id}, "corpus-id": "d", "score": 1}}\n')
    with pytest.raises(EvaluationError, match=r":1: .* texts or whole numbers"):
        read_qrels(path)


def test_ids_of_another_type_are_shown_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "queries.jsonl").write_text('{"_id": "7", "text": "seven"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text("7.0\td\t1\n")
    with pytest.raises(EvaluationError, match=r"judged are such as '7\.0'; with a text '7'"):
        load_dataset(tmp_path, split="test")


def test_ranks_with_gaps_are_said(tmp_path: Path, qrels: Path) -> None:
    evaluation = evaluate_run(run_of(tmp_path, "q1 b 1\nq1 a 9\nq2 c 1\n"), qrels, ["RR@10"])
    assert evaluation.pipelines["my"].by_query["RR@10"] == {"q1": 0.5, "q2": 1.0}
    assert len(evaluation.warnings) == 1
    assert "ranks of 1 queries, q1 among them, are not 1, 2, 3" in evaluation.warnings[0]
    assert read_run(run_of(tmp_path, "q1 b 2\nq1 a 1\n")).warnings == ()


def test_subtopics_of_diversity_qrels(tmp_path: Path) -> None:
    path = run_of(tmp_path, "q 1 a 1\nq 2 a 3\nq 2 b 0\nq 1 c 0\nq 2 c 1\np 1 a 0\n")
    assert read_qrels(path) == {"q": {"a": 3, "b": 0, "c": 1}, "p": {"a": 0}}
    assert read_subtopics(path) == {
        "q": {"a": frozenset("12"), "c": frozenset("2")},
        "p": {},
    }
    ranked = run_of(tmp_path, "q Q0 a 1 1 t\n", "other.run")
    evaluation = evaluate_run(ranked, path, ["alpha_nDCG@1"])
    assert evaluation.pipelines["t"].by_query["alpha_nDCG@1"] == {"q": 1.0, "p": 0.0}
    again = run_of(tmp_path, "q 2 a 1\nq 2 a 2\n", "twice.txt")
    with pytest.raises(EvaluationError, match="expected one judgement a pair"):
        read_qrels(again)


def test_runs_with_one_tag_are_told_apart_by_their_files(tmp_path: Path, qrels: Path) -> None:
    paths = [run_of(tmp_path, RUN, name) for name in ("a.run", "b.run")]
    assert list(evaluate_runs(paths, qrels, ["RR@10"]).pipelines) == ["a.run", "b.run"]
    assert [run.name for run in read_runs(paths)] == ["a.run", "b.run"]
    with pytest.raises(EvaluationError, match="a name stands twice"):
        read_runs([paths[0], paths[0]])
    with pytest.raises(EvaluationError, match="no run is named"):
        evaluate_runs([], qrels)
