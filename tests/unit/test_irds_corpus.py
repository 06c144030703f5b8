"""Documents of ir_datasets wherever a corpus is taken."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from lexmax.building import Silent
from lexmax.corpus import Reject, read_documents
from lexmax.corpus_sources import name_of
from lexmax.errors import CorpusError
from lexmax.indexing import IndexChoice, index_corpus
from lexmax.types import Document


class Article(NamedTuple):
    doc_id: str
    title: str
    body: str
    url: str
    marked_up_doc: str
    year: int
    raw: bytes

    def default_text(self) -> str:
        return f"{self.title} {self.body}"


class Bare(NamedTuple):
    doc_id: str
    title: str
    heading: str

    def default_text(self) -> str:
        return f"{self.title} {self.heading}"


class StandIn:
    """A dataset as ir_datasets gives it."""

    def __init__(self, records: list[Any], *, fails_after: int | None = None) -> None:
        self._records, self._fails_after = records, fails_after

    def has_docs(self) -> bool:
        return bool(self._records)

    def docs_iter(self) -> Iterator[Any]:
        for i, record in enumerate(self._records):
            if i == self._fails_after:
                raise OSError("connection reset")
            yield record


def article(number: int) -> Article:
    return Article(f"d{number}", f"t{number}", f"ship {number}", "u", "<x>" * 999, 2000, b"raw")


@pytest.fixture
def datasets(monkeypatch: pytest.MonkeyPatch) -> dict[str, StandIn]:
    found: dict[str, StandIn] = {}
    monkeypatch.setitem(sys.modules, "ir_datasets", SimpleNamespace(load=found.__getitem__))
    return found


def read(name: str) -> tuple[list[Document], list[Reject]]:
    rejects: list[Reject] = []
    return list(read_documents([name], on_reject=rejects.append)), rejects


def test_text_title_and_what_else_is_short(datasets: dict[str, StandIn]) -> None:
    datasets["news/a"] = StandIn([article(1), Bare("d2", "Two", "words")])
    assert read("irds:news/a") == (
        [
            Document("d1", "ship 1", "t1", {"url": "u", "year": 2000}),
            # The library's own text holds the title already.
            Document("d2", "Two words", "", {"heading": "words"}),
        ],
        [],
    )


def test_a_document_that_cannot_be_stored_is_set_aside(datasets: dict[str, StandIn]) -> None:
    datasets["news/a"] = StandIn([article(1), Bare("", "no", "id"), article(3)])
    found, (reject,) = read("irds:news/a")
    assert [one.doc_id for one in found] == ["d1", "d3"]
    assert (reject.source, reject.line_number) == ("irds:news/a", 2)


def test_a_name_that_is_not_there_is_refused_before_anything_is_read(
    datasets: dict[str, StandIn], tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text('{"_id": "1", "text": "t"}')
    datasets["queries-only"] = StandIn([])
    for name, message in (
        ("irds:gone", r"irds:gone: ir_datasets cannot open it .*check the name"),
        ("irds:queries-only", r"has no documents under this name; expected a name that has"),
    ):
        with pytest.raises(CorpusError, match=message):
            read_documents([tmp_path / "a.jsonl", name], on_reject=print)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(CorpusError, match=r"needs ir_datasets.* `pip install lexmax\[datasets\]`"):
        read("irds:beir/scifact")


def test_a_dataset_that_breaks_off_gives_what_it_has_then_fails(
    datasets: dict[str, StandIn],
) -> None:
    datasets["news/a"] = StandIn([article(1), article(2)], fails_after=1)
    documents = read_documents(["irds:news/a"], on_reject=print)
    assert next(documents).doc_id == "d1"
    with pytest.raises(CorpusError, match=r"cannot fetch or read it \(connection reset\)"):
        next(documents)


class Stopping(Silent):
    """Stops a job once it has stored something."""

    def stopped(self) -> bool:
        return True


def test_an_interrupted_job_goes_on(datasets: dict[str, StandIn], tmp_path: Path) -> None:
    datasets["news/a"] = StandIn([article(i) for i in range(1200)])
    datasets["news/b"] = StandIn([article(i) for i in range(1300)])
    path, choice = tmp_path / "ix", IndexChoice(multivector=None)
    with pytest.raises(KeyboardInterrupt):
        index_corpus(path, ["irds:news/a"], choice=choice, watcher=Stopping())
    report = index_corpus(path, ["irds:news/a"], choice=choice, watcher=Silent())
    assert (report.already_read, report.n_docs) == (1000, 1200)
    with pytest.raises(KeyboardInterrupt):
        index_corpus(path, ["irds:news/a"], choice=choice, watcher=Stopping())
    # Another name is another corpus: nothing of it is taken for read.
    report = index_corpus(path, ["irds:news/b"], choice=choice, watcher=Silent())
    assert (report.already_read, report.stored.added, report.n_docs) == (0, 100, 1300)


def test_names_stand_for_corpora() -> None:
    names = {name_of([name], {}, None) for name in ("irds:a", "irds:b")}
    assert len(names) == 2
    assert name_of(["irds:a", "-"], {}, None) is None
