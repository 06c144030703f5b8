"""Which collections are listed, with what they lack and what their files say of licences."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from lexmax.errors import EvaluationError
from lexmax.eval.collections import survey as module
from lexmax.eval.collections.collected import Split
from lexmax.eval.collections.licences import licence_of
from lexmax.eval.collections.survey import missing, survey
from lexmax.eval.collections.survey_report import print_survey, size, survey_json


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


WHOLE = {
    "corpus.jsonl": '{"_id": "a", "text": "x"}\n{"_id": "b", "text": "y"}\n',
    "queries.jsonl": '{"_id": "1", "text": "x"}\n',
    "qrels/test.tsv": "1\ta\t1\n1\tb\t0\n",
    "qrels/train.tsv": "1\ta\t1\n",
}


def test_what_is_found_and_what_it_lacks(tmp_path: Path) -> None:
    write(tmp_path / "scifact", WHOLE)
    write(
        tmp_path / "deep" / "cut", {"queries.jsonl": WHOLE["queries.jsonl"], "qrels/dev.tsv": "x"}
    )
    write(tmp_path / "topics", {"topics.a.tsv": "1\tone\n", "qrels.a.txt": "1 0 d 1\n"})
    write(tmp_path / "ms", {"collection.tsv": "0\tone\n", "queries.dev.tsv": "1\tone\n"})
    write(tmp_path / "nothing", {"x.txt": ""})
    found = {one.name: one for one in survey(tmp_path)}
    assert list(found) == ["deep/cut", "ms", "scifact", "topics"]
    whole = found["scifact"]
    assert (whole.layout, whole.n_docs, whole.lacks) == ("BEIR", 2, ())
    assert whole.splits == (Split("test", 1, 2), Split("train", 1, 1))
    assert whole.n_bytes == sum(map(len, WHOLE.values()))
    assert found["deep/cut"].lacks[0] == "a corpus"
    assert found["deep/cut"].lacks[1].startswith("good qrels for dev (")
    assert (found["topics"].layout, found["topics"].lacks) == ("TREC", ("a corpus",))
    assert (found["ms"].layout, found["ms"].n_docs) == ("MS MARCO", 1)
    assert found["ms"].lacks == ("qrels",)


def test_missing_are_those_that_no_folder_is_named_after(tmp_path: Path) -> None:
    write(tmp_path / "scifact", WHOLE)
    write(tmp_path / "cqadupstack" / "unix", WHOLE)
    names = {known.name for known in missing(survey(tmp_path))}
    assert {"scifact", "cqadupstack"} & names == set()
    assert {"nq", "msmarco", "limit"} <= names


def test_the_folder_may_be_a_collection_itself(tmp_path: Path) -> None:
    (one,) = survey(write(tmp_path / "scifact", WHOLE))
    assert one.name == "scifact"


def test_large_corpora_are_counted_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_COUNTED_BYTES", 10)
    write(tmp_path / "a", WHOLE)
    assert [one.n_docs for one in survey(tmp_path)] == [None]
    assert [one.n_docs for one in survey(tmp_path, count_all=True)] == [2]


def test_a_damaged_corpus_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a", {**WHOLE, "corpus.jsonl": ""})
    (tmp_path / "a" / "corpus.jsonl").write_bytes(b"\x1f\x8b no gzip")
    (one,) = survey(tmp_path)
    assert one.n_docs is None
    assert one.lacks[0].startswith("a good corpus (")


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no such folder"):
        survey(tmp_path / "absent")


LICENCES = {
    "README.md": ("---\nlicense: cc-by-4.0\n---\n# Text\n", "cc-by-4.0"),
    "README.txt": ("About\n\nLicence: MIT for all\n", "MIT for all"),
    "metadata.json": ('{"license": "Apache-2.0"}', "Apache-2.0"),
    "LICENSE": ("\n# Creative Commons Zero\nmore\n", "Creative Commons Zero"),
    "dataset_info.json": ("[1, 2]", ""),
    "readme.md": ("No word of it. A licensed driver.\n", ""),
}


@pytest.mark.parametrize("name", LICENCES)
def test_licences_stand_beside_the_files(tmp_path: Path, name: str) -> None:
    text, expected = LICENCES[name]
    assert licence_of(write(tmp_path / "x", {name: text})) == expected


def test_licences_in_a_list_and_in_a_table_above(tmp_path: Path) -> None:
    listed = write(tmp_path / "listed", {"README.md": "---\nlicenses:\n- cc0\n---\n"})
    assert licence_of(listed) == "cc0"
    table = "| folder | licence |\n|---|---|\n| one | MIT |\n| `two` | as above |\n| x | BSD |\n"
    write(tmp_path / "table", {"README.md": table, "two/a": "", "three/a": ""})
    assert licence_of(tmp_path / "table" / "two") == "MIT"
    assert licence_of(tmp_path / "table" / "three") == ""


def test_the_list_on_the_screen_and_as_json(tmp_path: Path) -> None:
    write(tmp_path / "[b]scifact", {**WHOLE, "metadata.json": '{"licence": "[red]MIT"}'})
    found = survey(tmp_path)
    console = Console(width=140, _environ={})
    with console.capture() as capture:
        print_survey(found, missing(found), console)
        print_survey([], [], console)
    text = capture.get()
    assert "[b]scifact" in text
    assert "[red]MIT" in text
    assert "test 1, train 1" in text
    assert "nq (2,681,468 documents, 3,452 queries)" in text
    assert "no collection found here" in text
    values = json.loads(json.dumps(survey_json(found, missing(found))))
    assert values["found"][0]["splits"] == {
        "test": {"queries": 1, "judged": 2},
        "train": {"queries": 1, "judged": 1},
    }


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(999, "999 B"), (1500, "1.5 kB"), (2_748_209, "2.7 MB"), (10**16, "10000.0 TB")],
)
def test_sizes(n_bytes: int, text: str) -> None:
    assert size(n_bytes) == text


class StandIn:
    """A dataset as ir_datasets gives it, of which nothing may be fetched."""

    def __init__(self, counts: dict[str, int], parts: set[str]) -> None:
        self._counts, self._parts = counts, parts

    def has_docs(self) -> bool:
        return "docs" in self._parts

    def has_queries(self) -> bool:
        return "queries" in self._parts

    def has_qrels(self) -> bool:
        return "qrels" in self._parts

    def metadata(self) -> dict[str, dict[str, int]]:
        return {part: {"count": count} for part, count in self._counts.items()}


def test_names_of_ir_datasets_are_described(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = StandIn({"docs": 5183, "queries": 300, "qrels": 339}, {"docs", "queries", "qrels"})
    known = {"beir/scifact/test": whole, "argsme": StandIn({}, {"docs"})}
    monkeypatch.setitem(sys.modules, "ir_datasets", SimpleNamespace(load=known.__getitem__))
    (found,) = survey("irds:beir/scifact/test")
    assert (found.name, found.layout, found.n_docs, found.n_bytes) == (
        "beir/scifact/test",
        "ir_datasets",
        5183,
        None,
    )
    assert found.splits == (Split("test", 300, 339),)
    assert found.lacks == ()
    assert "scifact" not in {known.name for known in missing([found])}
    (bare,) = survey(Path("irds:argsme"))
    assert (bare.n_docs, bare.splits, bare.lacks) == (None, (), ("queries", "qrels"))
    printed = Console(width=200, record=True)
    print_survey([found, bare], [], printed)
    assert "5,183" in printed.export_text()
    with pytest.raises(EvaluationError, match="ir_datasets cannot open it"):
        survey("irds:gone")
