"""Fields of a batch job: declared with the collection or later; entries that do not fit them."""

from pathlib import Path

import orjson
import pytest

from lexmax.building import Silent
from lexmax.cli_indexing import _fields
from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.errors import CorpusError, InputError
from lexmax.indexing import index_corpus

CHOICE = IndexChoice(multivector=None)


def corpus(path: Path, years: list[object]) -> Path:
    lines = [{"_id": f"d{i}", "text": "a ship", "year": year} for i, year in enumerate(years)]
    path.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    return path


def found(path: Path, text: str) -> list[str]:
    with Collection.open(path) as collection:
        hits = collection.search("ship", filter=text).hits
        return sorted(hit.doc_id for hit in hits)


def test_entries_of_another_type_are_set_aside(tmp_path: Path) -> None:
    path, source = tmp_path / "ix", corpus(tmp_path / "c.jsonl", [2019, "2020", None, 2021])
    fields = {"year": "integer"}
    report = index_corpus(
        path, [str(source)], choice=CHOICE, watcher=Silent(), fields=fields, max_rejects=1
    )
    assert (report.stored.added, report.rejected) == (3, 1)
    (reject,) = map(orjson.loads, (path / "rejects.jsonl").read_bytes().splitlines())
    assert reject["line_number"] == 2
    assert "metadata year is a text; expected a whole number" in reject["reason"]
    assert found(path, "year > 2019") == ["d3"]


def test_too_many_of_them_stop_the_job(tmp_path: Path) -> None:
    source = corpus(tmp_path / "c.jsonl", [1, "2", "3"])
    with pytest.raises(CorpusError, match="metadata year is a text"):
        index_corpus(
            tmp_path / "ix",
            [str(source)],
            choice=CHOICE,
            watcher=Silent(),
            fields={"year": "integer"},
            max_rejects=1,
        )


def test_a_later_job_keeps_to_the_fields_and_may_declare_more(tmp_path: Path) -> None:
    path, source = tmp_path / "ix", corpus(tmp_path / "a.jsonl", [2019, 2020])
    index_corpus(path, [str(source)], choice=CHOICE, watcher=Silent())
    later = corpus(tmp_path / "b.jsonl", [2022, 2021, "x"])
    report = index_corpus(
        path, [str(later)], choice=None, watcher=Silent(), fields={"year": "integer"}
    )
    assert (report.stored.replaced, report.rejected) == (2, 1)
    assert found(path, "year >= 2022") == ["d0"]
    again = index_corpus(path, [str(later)], choice=None, watcher=Silent())
    assert (again.stored.unchanged, again.rejected) == (2, 1)
    with pytest.raises(InputError, match="year is declared as integer, but float was asked for"):
        index_corpus(path, [str(later)], choice=None, watcher=Silent(), fields={"year": "float"})


def test_fields_of_the_command_line() -> None:
    assert _fields(["year:integer", "lang:keyword"]) == {"year": "integer", "lang": "keyword"}
    for wrong in (["year"], ["year:integer", "year:float"]):
        with pytest.raises(InputError, match="expected NAME:TYPE, such as year:integer"):
            _fields(wrong)
