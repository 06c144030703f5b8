"""What documents of a collection are worth, from the queries to the corpus without some."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from lexmax.building import Silent
from lexmax.cli_value import add_value_commands
from lexmax.collection import Collection
from lexmax.corpus_value import Valuation, value_corpus
from lexmax.creating import IndexChoice
from lexmax.errors import EvaluationError, InputError
from lexmax.importance import Weights
from lexmax.indexing import index_corpus
from lexmax.types import Document


@dataclass(frozen=True)
class Found:
    doc_ids: Sequence[Sequence[str]]


@dataclass(frozen=True)
class StandIn:
    """Answers from a table; the site of a document is the first letter of its id."""

    table: Mapping[str, Sequence[str]]
    metadata: Mapping[str, Mapping[str, Any]] | None = None

    def search_batch(self, queries: Sequence[str], k: int, *, pipeline: str | None = None) -> Found:
        return Found([list(self.table[query])[:k] for query in queries])

    def get(self, doc_ids: Sequence[str]) -> list[Document | None]:
        return [
            Document(
                one, "", metadata={"site": one[0]} if self.metadata is None else self.metadata[one]
            )
            for one in doc_ids
        ]


# Site s is first everywhere and never right; g is right, in part or wholly.
TABLE = {f"text {i}": [f"s{i % 3}", f"g{i}", f"g{i + 1}"] for i in range(10)}
QUERIES = {f"q{i}": f"text {i}" for i in range(10)}
QRELS = {f"q{i}": {f"g{i}": 2, f"g{i + 1}": 1} for i in range(10)}
RULES = Valuation(k=2, depth=3)


def test_a_source_that_is_never_right_is_dropped() -> None:
    report = value_corpus(StandIn(TABLE), QUERIES, QRELS, by="site", rules=RULES)
    good, bad = report.weights.sources
    assert (good.source, good.weight, good.keep) == ("g", 1.0, True)
    assert (bad.source, bad.weight, bad.keep) == ("s", 0.0, False)
    assert (report.n_queries, report.n_held_out, report.n_empty) == (10, 3, 0)
    assert report.n_documents == 3 + 11
    # With everything (0 + 1) / 2, without s (1 + 1/2) / 2.
    assert (report.cut.utility_before, report.cut.utility) == (0.5, 0.75)
    assert report.utility[1] == 0.75
    assert report.importance[0] > 0 > report.importance[1]


def test_documents_are_sources_of_their_own() -> None:
    report = value_corpus(StandIn(TABLE), QUERIES, QRELS, rules=RULES)
    by_id = {one.source: one for one in report.weights.sources}
    assert report.weights.field is None
    assert [by_id[f"s{i}"].keep for i in range(3)] == [False] * 3
    assert all(one.keep for doc_id, one in by_id.items() if str(doc_id).startswith("g"))
    weights = [one.weight for one in report.weights.sources]
    assert weights == sorted(weights, reverse=True)


def test_the_seed_decides_who_is_held_out() -> None:
    again = [
        value_corpus(StandIn(TABLE), QUERIES, QRELS, rules=Valuation(2, 3, seed=seed)).importance
        for seed in (0, 0, 5)
    ]
    np.testing.assert_array_equal(again[0], again[1])
    assert not np.array_equal(np.sort(again[0]), np.sort(again[2]))


def test_queries_that_find_nothing_are_counted() -> None:
    table = {**TABLE, "text 0": [], "text 1": []}
    report = value_corpus(StandIn(table), QUERIES, QRELS, rules=RULES)
    assert (report.n_queries, report.n_empty) == (8, 2)
    told: list[tuple[int, int]] = []
    value_corpus(
        StandIn(table),
        QUERIES,
        QRELS,
        rules=RULES,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(10, 10)]


def test_values_of_a_field_are_told_apart_by_their_types() -> None:
    metadata: dict[str, dict[str, Any]] = {f"g{i}": {"n": 1} for i in range(11)}
    metadata |= {"s0": {"n": True}, "s1": {"n": "1"}, "s2": {}}
    report = value_corpus(StandIn(TABLE, metadata), QUERIES, QRELS, by="n", rules=RULES)
    found = sorted(repr(one.source) for one in report.weights.sources)
    assert found == ["'1'", "1", "None", "True"]


@pytest.mark.parametrize(
    ("queries", "qrels", "message"),
    [
        (QUERIES, {}, "none of 10 queries is judged"),
        ({}, QRELS, "none of 0 queries is judged"),
        (QUERIES, {"q1": {"g1": 0, "s1": -1}}, "name no relevant document"),
        (QUERIES, {"q1": {"g1": 1}}, "1 of 1 judged queries find a document; expected 2"),
    ],
)
def test_judgements_that_teach_nothing(
    queries: Mapping[str, str], qrels: Mapping[str, Mapping[str, int]], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        value_corpus(StandIn(TABLE), queries, qrels, rules=RULES)


def test_lists_that_are_all_empty() -> None:
    nothing = StandIn({text: [] for text in TABLE})
    with pytest.raises(EvaluationError, match="0 of 10 judged queries find a document"):
        value_corpus(nothing, QUERIES, QRELS, rules=RULES)


def test_fields_that_are_none() -> None:
    with pytest.raises(InputError, match="has the entry 'host' in its metadata; found site"):
        value_corpus(StandIn(TABLE), QUERIES, QRELS, by="host", rules=RULES)
    tagged = StandIn(TABLE, {one: {"tags": ["a"]} for ids in TABLE.values() for one in ids})
    with pytest.raises(InputError, match="has a list in 'tags'"):
        value_corpus(tagged, QUERIES, QRELS, by="tags", rules=RULES)


@pytest.mark.parametrize(
    "rules", [Valuation(k=0), Valuation(k=5, depth=4), Valuation(held_out=0), Valuation(held_out=1)]
)
def test_numbers_that_cannot_be(rules: Valuation) -> None:
    with pytest.raises(InputError, match="expected"):
        value_corpus(StandIn(TABLE), QUERIES, QRELS, rules=rules)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A corpus in which two documents of spam say the words of every query, and often."""
    folder = tmp_path / "data"
    (folder / "qrels").mkdir(parents=True)
    words = ["wing", "bone", "milk", "flow", "sail", "wind"]
    texts = {f"good{i}": f"{word} is thing number {i}" for i, word in enumerate(words)}
    texts |= {f"spam{i}": " ".join(words * (8 + i)) for i in range(2)}
    with (folder / "corpus.jsonl").open("w") as file:
        for doc_id, text in texts.items():
            line = {"_id": doc_id, "text": text, "metadata": {"site": doc_id[:4]}}
            file.write(json.dumps(line) + "\n")
    with (folder / "queries.jsonl").open("w") as file:
        for i, word in enumerate(words):
            file.write(json.dumps({"_id": f"q{i}", "text": word}) + "\n")
    lines = [f"q{i}\tgood{i}\t1" for i in range(len(words))]
    (folder / "qrels" / "train.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("by", ["site", None])
def test_from_the_command_to_a_corpus_without_spam(
    dataset: Path, tmp_path: Path, by: str | None
) -> None:
    terms = IndexChoice(sparse="bm25", multivector=None)
    corpus = [str(dataset / "corpus.jsonl")]
    index_corpus(tmp_path / "all", corpus, choice=terms, watcher=Silent())
    app = typer.Typer()
    add_value_commands(app)
    weights = tmp_path / "weights.jsonl"
    options = ["-k", "1", "--depth", "4", "-o", str(weights), *(["--by", by] if by else [])]
    result = CliRunner().invoke(app, [str(tmp_path / "all"), str(dataset), *options])
    assert result.exit_code == 0, result.output
    assert "6 queries found 8 documents" in result.output
    assert "2 queries held out: utility 0.0000 with all, 1.0000 without" in result.output
    dropped = {one.source for one in Weights.read(weights).sources if not one.keep}
    assert dropped == ({"spam"} if by else {"spam0", "spam1"})
    report = index_corpus(tmp_path / "some", corpus, choice=terms, watcher=Silent(), keep=weights)
    assert (report.pruned, report.n_docs) == (2, 6)
    with Collection.open(tmp_path / "some") as collection:
        found = collection.get(["spam0", "good0"])
    assert [one is None for one in found] == [True, False]
    again = index_corpus(tmp_path / "some", corpus, choice=None, watcher=Silent(), keep=weights)
    assert (again.n_docs, again.stored.added) == (report.n_docs, 0)


def test_weights_that_are_none_stop_indexing_before_it_begins(
    dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="expected a file that"):
        index_corpus(
            tmp_path / "new",
            [str(dataset / "corpus.jsonl")],
            choice=IndexChoice(multivector=None),
            watcher=Silent(),
            keep=tmp_path / "absent.jsonl",
        )
    assert not (tmp_path / "new").exists()
