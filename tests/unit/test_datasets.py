"""Folders in BEIR layout: what is read from them and what is refused."""

import gzip
from pathlib import Path

import pytest
import zstandard

from lexmax.errors import EvaluationError
from lexmax.eval.datasets import load_dataset

QUERIES = """{"_id": "q1", "text": "what is a fox?"}
{"_id": "q2", "text": " two  foxes ", "metadata": {"year": 1}}
{"_id": 3, "text": "a number for an id"}
{"_id": "q4", "text": "never judged"}
"""
QRELS = "query-id\tcorpus-id\tscore\n3\td1\t1\nq1\td1\t1\nq1\td2\t0\nq2\td/3\t2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "foxes"
    (path / "qrels").mkdir(parents=True)
    (path / "queries.jsonl").write_text(QUERIES)
    (path / "qrels" / "test.tsv").write_text(QRELS)
    return path


def test_judged_queries_in_the_order_of_their_file(folder: Path) -> None:
    dataset = load_dataset(folder, split="test")
    assert dataset.name == "foxes"
    assert dataset.split == "test"
    assert list(dataset.queries.items()) == [
        ("q1", "what is a fox?"),
        ("q2", "two  foxes"),
        ("3", "a number for an id"),
    ]
    assert list(dataset.qrels) == ["q1", "q2", "3"]
    assert dataset.qrels["q1"] == {"d1": 1, "d2": 0}
    assert dataset.warnings == ()


def test_name_does_not_depend_on_how_the_path_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert load_dataset(".", split="test").name == "foxes"


def test_packed_files(folder: Path) -> None:
    (folder / "queries.jsonl").unlink()
    (folder / "queries.jsonl.zst").write_bytes(zstandard.compress(QUERIES.encode()))
    (folder / "qrels" / "dev.tsv.gz").write_bytes(gzip.compress(QRELS.encode()))
    dev, test = load_dataset(folder, split="dev"), load_dataset(folder, split="test")
    assert (dev.queries, dev.qrels) == (test.queries, test.qrels)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("qrels/dev.jsonl", '{"query-id": "q4", "corpus-id": "d9", "score": 1}\n'),
        ("qrels/dev.txt", "q4 0 d9 1\n"),
        ("qrels/dev.trec", "q4 0 d9 1\n"),
        ("qrels_full/dev.tsv", "q4\td9\t1\n"),
    ],
)
def test_other_formats_and_folders_of_qrels(folder: Path, file: str, text: str) -> None:
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(text)
    assert load_dataset(folder, split="dev").qrels == {"q4": {"d9": 1}}


def test_tsv_and_the_folder_qrels_go_first(folder: Path) -> None:
    (folder / "qrels" / "test.jsonl").write_text('{"query-id":"q4","corpus-id":"d","score":1}')
    (folder / "qrels_full").mkdir()
    (folder / "qrels_full" / "test.tsv").write_text("q4\td\t1\n")
    assert list(load_dataset(folder, split="test").queries) == ["q1", "q2", "3"]


def test_judged_queries_without_text_are_counted_and_named(folder: Path) -> None:
    with (folder / "queries.jsonl").open("a") as file:
        file.write('{"_id": "blank", "text": " "}\n')
    more = "".join(f"gone{i}\td1\t1\n" for i in range(5)) + "blank\td1\t1\n"
    (folder / "qrels" / "test.tsv").write_text(QRELS + more)
    dataset = load_dataset(folder, split="test")
    assert list(dataset.queries) == list(dataset.qrels) == ["q1", "q2", "3"]
    assert dataset.warnings == (
        "6 of 9 queries judged in test.tsv have no text and are left out: "
        "gone0, gone1, gone2, gone3, gone4, ...",
    )


def test_missing_parts_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / "qrels" / "dev.tsv").write_text(QRELS)
    for split in ("train", "", "../qrels/test", "test.tsv"):
        with pytest.raises(EvaluationError, match=r"no qrels for split .*; found dev, test;"):
            load_dataset(folder, split=split)
    with pytest.raises(EvaluationError, match="no such folder"):
        load_dataset(tmp_path / "absent", split="test")
    (folder / "queries.jsonl").unlink()
    with pytest.raises(EvaluationError, match=r"holds no queries\.jsonl"):
        load_dataset(folder, split="test")
    with pytest.raises(EvaluationError, match="no qrels for split 'test'; found none"):
        load_dataset(tmp_path, split="test")


def test_qrels_of_another_dataset_are_refused(folder: Path) -> None:
    (folder / "qrels" / "test.tsv").write_text("x1\td1\t1\nx2\td1\t1\n")
    with pytest.raises(EvaluationError, match=r"none of the 2 queries .* among the 4 queries"):
        load_dataset(folder, split="test")


def test_empty_split_is_refused(folder: Path) -> None:
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n")
    with pytest.raises(EvaluationError, match=r"test\.tsv: holds no judgement"):
        load_dataset(folder, split="test")


BAD_QUERIES = {
    "none": ("", r"queries\.jsonl: holds no query"),
    "broken json": ('{"_id": "q1", "text": \n', r"queries\.jsonl:1: found .* one JSON object"),
    "no object": ('["q1", "text"]\n', r"queries\.jsonl:1: .* one JSON object"),
    "no text": ('{"_id": "q1"}\n', r"queries\.jsonl:1: .* one JSON object"),
    "text of numbers": ('{"_id": "q1", "text": 3}\n', r'queries\.jsonl:1: .*"text" a string'),
    "no id": ('{"_id": null, "text": "a"}\n', r'queries\.jsonl:1: .*"_id" a name'),
    "empty id": ('{"_id": "", "text": "a"}\n', r'queries\.jsonl:1: .*"_id" a name'),
    "truth for an id": ('{"_id": true, "text": "a"}\n', r'queries\.jsonl:1: .*"_id" a name'),
    "twice": ('{"_id": "1", "text": "a"}\n{"_id": 1, "text": "b"}\n', r":2: query '1' stands"),
}


@pytest.mark.parametrize(("text", "message"), BAD_QUERIES.values(), ids=BAD_QUERIES.keys())
def test_bad_queries_name_file_and_line(folder: Path, text: str, message: str) -> None:
    (folder / "queries.jsonl").write_text(text)
    with pytest.raises(EvaluationError, match=message):
        load_dataset(folder, split="test")


def test_queries_that_are_not_utf8_are_named(folder: Path) -> None:
    (folder / "queries.jsonl").write_bytes(QUERIES.encode() + '{"_id": "é"}'.encode("latin-1"))
    with pytest.raises(EvaluationError, match=r"queries\.jsonl:5: byte 9 .* not UTF-8"):
        load_dataset(folder, split="test")
