"""Qrels of every format, and what is refused."""

import gzip
from pathlib import Path

import pytest

from lexmax.errors import EvaluationError
from lexmax.eval.qrels import read_qrels, write_qrels

EXPECTED = {"q1": {"d1": 2, "d2": 0}, "q2": {"d/3🦊": 1}}

FORMATS = {
    "trec": "q1 0 d1 2\nq1 0 d2 0\nq2 0 d/3🦊 1\n",
    "trec with tabs and runs of spaces": "q1\t0\td1\t2\nq1  0 d2\t 0\r\n\nq2 0 d/3🦊 1",
    "beir": "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td/3🦊\t1\n",
    "beir without a header": "q1\td1\t2\nq1\td2\t0\nq2\td/3🦊\t1\n",
    "beir as pandas writes it": "query-id\tcorpus-id\tscore\nq1\td1\t2.0\nq1\td2\t0.0\n"
    "q2\td/3🦊\t1.0\n",
    "json": '{"query-id": "q1", "corpus-id": "d1", "score": 2}\n'
    '{"query-id": "q1", "corpus-id": "d2", "score": 0.0}\n'
    '{"query-id": "q2", "corpus-id": "d/3🦊", "score": 1}\n',
}


@pytest.mark.parametrize("text", FORMATS.values(), ids=FORMATS.keys())
def test_formats_give_the_same_qrels(tmp_path: Path, text: str) -> None:
    path = tmp_path / "qrels"
    path.write_text(text, newline="")
    assert read_qrels(path) == EXPECTED
    packed = tmp_path / "qrels.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert read_qrels(packed) == EXPECTED


def test_beir_ids_may_hold_spaces_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "test.tsv"
    path.write_text("a query\ta document\t1\n7\t8\t-1\n")
    assert read_qrels(path) == {"a query": {"a document": 1}, "7": {"8": -1}}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "qrels.txt"
    write_qrels(path, EXPECTED)
    assert path.read_text() == FORMATS["trec"]
    assert read_qrels(path) == EXPECTED


def test_ids_with_white_space_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "qrels.txt"
    with pytest.raises(EvaluationError, match="'a b' cannot stand in a TREC file"):
        write_qrels(path, {"q": {"a b": 1}})
    assert not path.exists()


BAD = {
    "no line": ("", "holds no judgement"),
    "header alone": ("query-id\tcorpus-id\tscore\n", "holds no judgement"),
    "commas": ("q1,d1,2\n", r":1: found 'q1,d1,2'; expected 3 fields with tabs"),
    "a run": ("q1 Q0 d1 1 0.5 tag\n", r":1: found 'q1 Q0 d1 1 0.5 tag'; expected 3 fields"),
    "field missing": ("q1 0 d1 2\nq1 0 d2\n", r":2: found 'q1 0 d2'; expected 4 fields"),
    "tab missing": ("q1\td1\t2\nq1 d2\t0\n", r":2: found 'q1 d2\\t0'; expected `query_id doc_id"),
    "empty id": ("q1\td1\t2\n\td2\t0\n", r":2: found '\\td2\\t0'"),
    "header inside": ("q1\td1\t2\nquery-id\tcorpus-id\tscore\n", r":2: found relevance 'score'"),
    "header of TREC": ("qid 0 docid x\n", r":1: found relevance 'x'"),
    "fraction": ("q1 0 d1 0.5\n", r":1: found relevance '0.5'; expected an integer"),
    "other digits": ("q1 0 d1 ²\n", r":1: found relevance '²'"),
    "too high": ("q1 0 d1 10001\n", r":1: found relevance '10001'; expected an integer from"),
    "much too high": (f"q1 0 d1 {'9' * 5000}\n", r":1: found relevance '9999"),
    "contradiction": ("q1 0 d1 2\nq1 0 d1 1\n", r":2: document 'd1' has relevance 1 .* but had 2"),
    "broken json": ('{"query-id": "q1"\n', r":1: found .* expected one JSON object"),
    "json field missing": ('{"query-id": "q1", "score": 1}\n', r":1: found .* one JSON object"),
    "json fraction": ('{"query-id": 1, "corpus-id": 2, "score": 1.5}\n', r":1: .*'1.5'"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD.keys())
def test_bad_qrels_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.tsv"
    path.write_text(text)
    with pytest.raises(EvaluationError, match=r"bad\.tsv.*" + message):
        read_qrels(path)


def test_same_judgement_twice_is_no_contradiction(tmp_path: Path) -> None:
    path = tmp_path / "qrels"
    path.write_text("q1 0 d1 2\nq1 0 d1 2\n")
    assert read_qrels(path) == {"q1": {"d1": 2}}


def test_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "qrels"
    path.write_bytes(b"q1 0 d1 2\nq1 0 d\xff 2\n")
    with pytest.raises(EvaluationError, match=r"qrels:2: byte 6 of the line is not UTF-8"):
        read_qrels(path)
