"""MS MARCO, TREC, Parquet, ir_datasets and sub-collections: what is read from each."""

import gzip
import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lexmax.corpus import Reject, read_documents
from lexmax.errors import EvaluationError
from lexmax.eval.collections import averaged, load_dataset, load_group, sub_collections
from lexmax.eval.collections.msmarco import Triple, read_triples
from lexmax.eval.collections.trec import read_topics
from lexmax.types import Document


def unexpected(reject: Reject) -> None:
    pytest.fail(str(reject))


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return folder


PASSAGES = {
    "collection.tsv": "0\tfirst passage\n1\tsecond\n",
    "queries.dev.small.tsv": "2\t Androgen receptor define\n9\tunjudged\n",
    "qrels.dev.small.tsv": "2\t0\t1\t1\n",
    "queries.train.tsv.gz": "5\tfive\n",
    "qrels.train.tsv": "5\t0\t0\t1\n",
    "msmarco-test2019-queries.tsv": "7\tseven\n",
    "2019qrels-pass.txt": "7 Q0 0 3\n7 Q0 1 0\n",
}


def test_msmarco_passages(tmp_path: Path) -> None:
    dataset = load_dataset(write(tmp_path, PASSAGES), split="dev.small")
    assert dataset.queries == {"2": "Androgen receptor define"}
    assert dataset.qrels == {"2": {"1": 1}}
    assert load_dataset(tmp_path, split="train").queries == {"5": "five"}
    assert load_dataset(tmp_path, split="2019").qrels == {"7": {"0": 3, "1": 0}}
    found = list(read_documents(dataset.corpus, on_reject=unexpected))
    assert found == [Document("0", "first passage"), Document("1", "second")]
    with pytest.raises(EvaluationError, match=r"found 2019, dev\.small, train"):
        load_dataset(tmp_path, split="dev")


def test_msmarco_documents(tmp_path: Path) -> None:
    files = {
        "msmarco-docs.tsv": "D1\thttps://x\tTitle\tBody\n",
        "msmarco-docdev-queries.tsv.gz": "2\ttwo\n",
        "msmarco-docdev-qrels.tsv.gz": "2 0 D1 1\n",
    }
    dataset = load_dataset(write(tmp_path, files), split="dev")
    assert (dataset.queries, dataset.qrels) == ({"2": "two"}, {"2": {"D1": 1}})
    (document,) = read_documents(dataset.corpus, on_reject=unexpected)
    assert document == Document("D1", "Body", "Title", {"url": "https://x"})


def test_triples_of_ids_and_of_texts(tmp_path: Path) -> None:
    path = write(tmp_path, {"t.tsv": "1\t2\t3\nwhat is x\tx is y\tz\n"}) / "t.tsv"
    assert list(read_triples(path)) == [Triple("1", "2", "3"), Triple("what is x", "x is y", "z")]
    for text, message in {
        "1 2 3\n": r":1: .*spaces stand where tabs should",
        "1\t2\n": r":1: .*`query positive negative` with a tab",
        "1\t \t3\n": r":1: .*`query positive negative` with a tab",
        "\n": "holds no triple",
    }.items():
        path.write_text(text)
        with pytest.raises(EvaluationError, match=message):
            list(read_triples(path))


TOPICS = """<top>
<num> Number: 301
<title> International &amp; Organized Crime

<desc> Description:
Identify organizations.
<narr> Narrative: A relevant document
says more.
</top>
<top><num> Number: 302 <title> Poliomyelitis <desc> Is it under control? </top>
"""
XML = """<?xml version="1.0"?><topics><topic number="1"><query>origin of COVID-19</query>
<question>what is the origin?</question></topic></topics>"""


def test_topics_of_trec(tmp_path: Path) -> None:
    files = {"topics.a.txt": TOPICS, "topics.b.xml": XML, "topics.c.tsv": "1\tone\n"}
    write(tmp_path, files)
    titles = read_topics(tmp_path / "topics.a.txt")
    assert titles == {"301": "International & Organized Crime", "302": "Poliomyelitis"}
    described = read_topics(tmp_path / "topics.a.txt", field="description")
    assert described["301"] == "Identify organizations."
    assert read_topics(tmp_path / "topics.b.xml") == {"1": "origin of COVID-19"}
    assert read_topics(tmp_path / "topics.b.xml", field="description") == {
        "1": "what is the origin?"
    }
    assert read_topics(tmp_path / "topics.c.tsv") == {"1": "one"}
    with pytest.raises(EvaluationError, match=r"topic 2 \(302\) has no narrative"):
        read_topics(tmp_path / "topics.a.txt", field="narrative")
    with pytest.raises(EvaluationError, match="a topic has no part 'body'"):
        read_topics(tmp_path / "topics.a.txt", field="body")


def test_a_folder_of_topics_and_qrels(tmp_path: Path) -> None:
    files = {"topics.robust04.txt": TOPICS, "qrels.robust04.txt": "301 0 FT1 1\n302 0 FT2 0\n"}
    dataset = load_dataset(write(tmp_path, files), split="robust04")
    assert list(dataset.queries) == ["301", "302"]
    assert dataset.qrels["301"] == {"FT1": 1}
    assert dataset.corpus == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<top><title> x </top>", r"topic 1 \(without a number\) has no number"),
        ("<top><num> 1 <title> x </top><top><num> 1 <title> y </top>", "no number of its own"),
        ("1,one\n", r":1: .*`query_id text` with a tab"),
        ("\n", "holds no query"),
        ("1\tone\n1\ttwo\n", r":2: query '1' stands above already"),
    ],
)
def test_bad_topics(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, {"topics.txt": text})
    with pytest.raises(EvaluationError, match=message):
        read_topics(tmp_path / "topics.txt")


def test_a_heading_of_topics_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, {"topics.tsv": "qid\tquery\n1\tone\n"})
    assert read_topics(tmp_path / "topics.tsv") == {"1": "one"}


def test_parquet_as_the_hub_has_it(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    tables = {
        "corpus/corpus-00000-of-00002.parquet": {"_id": ["a"], "title": ["A"], "text": ["one"]},
        "corpus/corpus-00001-of-00002.parquet": {"_id": ["b"], "title": [None], "text": ["two"]},
        "queries/queries-00000-of-00001.parquet": {"_id": [1, 2], "text": ["x", "y"]},
        "qrels/test-00000-of-00002.parquet": {
            "query-id": [1],
            "corpus-id": ["a"],
            "score": [1.0],
        },
        "qrels/test-00001-of-00002.parquet": {"query-id": [1], "corpus-id": ["b"], "score": [2.0]},
    }
    for name, columns in tables.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        parquet.write_table(arrow.table(columns), tmp_path / name)
    dataset = load_dataset(tmp_path, split="test")
    assert (dataset.queries, dataset.qrels) == ({"1": "x"}, {"1": {"a": 1, "b": 2}})
    found = list(read_documents(dataset.corpus, on_reject=unexpected))
    assert found == [Document("a", "one", "A"), Document("b", "two")]
    (tmp_path / "qrels" / "test-00000-of-00002.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(EvaluationError, match="cannot be read as Parquet"):
        load_dataset(tmp_path, split="test")


def test_parquet_without_pyarrow_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    write(tmp_path, {"queries.parquet": "", "qrels/test.tsv": "1\ta\t1\n"})
    with pytest.raises(EvaluationError, match="reading Parquet needs pyarrow, which is not inst"):
        load_dataset(tmp_path, split="test")


def row(**fields: Any) -> SimpleNamespace:
    return SimpleNamespace(**fields)


class StandIn:
    """A dataset as ir_datasets gives it."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails

    def has_queries(self) -> bool:
        return True

    has_qrels = has_docs = has_queries

    def queries_iter(self) -> list[SimpleNamespace]:
        if self.fails:
            raise OSError("no network")
        return [row(query_id="1", default_text=lambda: " one "), row(query_id="2", text="two")]

    def qrels_iter(self) -> list[SimpleNamespace]:
        return [
            row(query_id="1", doc_id="a", relevance=1),
            row(query_id="3", doc_id="a", relevance=1),
        ]

    def docs_iter(self) -> list[SimpleNamespace]:
        both = row(doc_id="b", default_text=lambda: "all of it")
        return [row(doc_id="a", title="A", text="body"), both]


def stand_in(name: str) -> StandIn:
    if name != "beir/tiny/test":
        raise KeyError(name)
    return StandIn()


def test_names_of_ir_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", SimpleNamespace(load=stand_in))
    dataset = load_dataset("irds:beir/tiny/test", split="test")
    assert (dataset.name, dataset.split) == ("beir/tiny/test", "test")
    assert (dataset.queries, dataset.qrels) == ({"1": "one"}, {"1": {"a": 1}})
    assert "1 of 2 queries judged in irds:beir/tiny/test have no text" in dataset.warnings[0]
    found = list(read_documents(dataset.corpus, on_reject=unexpected))
    assert found == [Document("a", "body", "A"), Document("b", "all of it")]
    with pytest.raises(EvaluationError, match="ir_datasets cannot open it"):
        load_dataset("irds:absent", split="test")


def test_ir_datasets_that_is_absent_or_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(EvaluationError, match="needs ir_datasets, which is not installed"):
        load_dataset("irds:beir/scifact/test", split="test")
    offline = SimpleNamespace(load=lambda name: StandIn(fails=True))
    monkeypatch.setitem(sys.modules, "ir_datasets", offline)
    with pytest.raises(EvaluationError, match=r"cannot fetch or read it \(no network\)"):
        load_dataset("irds:beir/scifact/test", split="test")


def test_the_library_itself(tmp_path: Path) -> None:
    library: Any = pytest.importorskip("ir_datasets")
    write(tmp_path, {"docs.tsv": "a\tone\n", "queries.tsv": "1\tfirst\n", "qrels": "1 0 a 2\n"})
    made = library.create_dataset(
        docs_tsv=str(tmp_path / "docs.tsv"),
        queries_tsv=str(tmp_path / "queries.tsv"),
        qrels_trec=str(tmp_path / "qrels"),
    )
    library.registry.register("lexmax/tiny", made)
    dataset = load_dataset("irds:lexmax/tiny", split="tiny")
    assert (dataset.queries, dataset.qrels) == ({"1": "first"}, {"1": {"a": 2}})
    assert list(read_documents(dataset.corpus, on_reject=unexpected)) == [Document("a", "one")]


def forum(query: str, doc: str) -> dict[str, str]:
    return {
        "corpus.jsonl": f'{{"_id": "{doc}", "text": "t"}}\n',
        "queries.jsonl": f'{{"_id": "{query}", "text": "x"}}\n',
        "qrels/test.tsv": f"{query}\t{doc}\t1\n",
    }


def test_sub_collections_are_loaded_apart(tmp_path: Path) -> None:
    whole = tmp_path / "cqadupstack"
    for name in ("unix", "android"):
        write(whole / name, forum("1", name))
    write(whole / "notes", {"readme.txt": ""})
    assert [path.name for path in sub_collections(whole)] == ["android", "unix"]
    parts = load_group(whole, split="test")
    assert [part.name for part in parts] == ["cqadupstack/android", "cqadupstack/unix"]
    assert parts[1].qrels == {"1": {"unix": 1}}
    with pytest.raises(EvaluationError, match=r"holds 2 sub-collections \(android, unix\)"):
        load_dataset(whole, split="test")
    assert [part.name for part in load_group(whole / "unix", split="test")] == ["unix"]


def test_each_sub_collection_counts_alike() -> None:
    assert averaged({"big": {"nDCG@10": 0.2}, "small": {"nDCG@10": 0.4}}) == {
        "nDCG@10": pytest.approx(0.3)
    }
    for wrong in ({}, {"a": {"AP": 1.0}, "b": {"RR": 1.0}}):
        with pytest.raises(EvaluationError, match="measures that differ"):
            averaged(wrong)


def test_bad_documents_of_parquet_are_set_aside(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    path = tmp_path / "corpus.parquet"
    parquet.write_table(arrow.table({"_id": ["", "a"], "text": ["x", "y"]}), path)
    rejects: list[Reject] = []
    assert list(read_documents([str(path)], on_reject=rejects.append)) == [Document("a", "y")]
    assert [(one.line_number, one.source) for one in rejects] == [(1, str(path))]
