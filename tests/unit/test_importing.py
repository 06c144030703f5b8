"""A collection from given vectors: searched, kept, and whole or not there at all."""

import errno
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import scipy.sparse

from lexmax import importing
from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.errors import (
    CollectionExistsError,
    CorpusError,
    DiskFullError,
    DocumentError,
    InputError,
    LockedError,
)
from lexmax.exporting import export_vectors
from lexmax.importing import ImportReport, import_vectors
from lexmax.index.layout import Layout
from lexmax.index.lock import WriterLock
from lexmax.index.merge_policy import MergePolicy
from lexmax.index.verification import verify
from lexmax.types import Document

DOCUMENTS = {
    "d1": {"hello": 3, "world": 1},
    "d2": {"world": 7, "new york": 2},
    "d3": {},
    "é/4": {"hello": 255, "Straße": 1},
    "d5": {"world": 7},
}
# Their hashes are equal.
MEETING = ("term4488", "term33231")


class Stops:
    """Stops as Ctrl-C does, once a stage has been seen."""

    def __init__(self, stage: str) -> None:
        self._stage, self._seen = stage, False

    def advance(self, stage: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        self._seen = self._seen or stage == self._stage

    def stopped(self) -> bool:
        return self._seen


def write_lines(path: Path, documents: dict[str, dict[str, float]]) -> Path:
    lines = (
        orjson.dumps({"id": doc_id, "contents": f"about {doc_id}", "vector": vector}) + b"\n"
        for doc_id, vector in documents.items()
    )
    path.write_bytes(b"".join(lines))
    return path


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "x.jsonl", DOCUMENTS)


def imported(source: Path, path: Path) -> ImportReport:
    return import_vectors(source, path, form="anserini", watcher=Silent())


def found(collection: Collection, query: str) -> list[tuple[str, float]]:
    return [(hit.doc_id, hit.score) for hit in collection.search(query, pipeline="sparse").hits]


def test_given_vectors_are_searched(tmp_path: Path, lines: Path) -> None:
    report = imported(lines, tmp_path / "ix")

    assert (report.n_docs, report.n_terms, report.n_segments) == (5, 4, 1)
    with Collection.open(tmp_path / "ix") as collection:
        assert collection.verify().problems == ()
        assert found(collection, "hello^2 world") == [
            ("é/4", 510.0), ("d1", 7.0), ("d2", 7.0), ("d5", 7.0)
        ]  # fmt: skip
        assert found(collection, "Straße^0.5 nowhere") == [("é/4", 0.5)]
        assert found(collection, "nowhere") == []
        assert collection.search("hello", k=1).hits[0].text == "about é/4"


def test_segments_cut_the_stream_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: Path
) -> None:
    monkeypatch.setattr(importing, "SEGMENT_DOCS", 2)
    monkeypatch.setattr(importing, "_TRANSACTION_DOCS", 1)

    assert imported(lines, tmp_path / "ix").n_segments == 3
    with Collection.open(tmp_path / "ix") as collection:
        assert collection.n_segments == 3
        assert collection.verify().problems == ()
        assert [doc_id for doc_id, _ in found(collection, "world")] == ["d2", "d5", "d1"]


def test_terms_with_one_hash_stay_two(tmp_path: Path) -> None:
    first, second = MEETING
    source = write_lines(tmp_path / "x.jsonl", {"a": {first: 1, second: 5}, "b": {second: 2}})
    imported(source, tmp_path / "ix")

    with Collection.open(tmp_path / "ix") as collection:
        assert found(collection, first) == [("a", 1.0)]
        assert found(collection, f"{second}^2") == [("a", 10.0), ("b", 4.0)]
        export_vectors(collection, tmp_path / "out", form="anserini", watcher=Silent())
    vectors = [
        orjson.loads(line)["vector"] for line in (tmp_path / "out").read_bytes().splitlines()
    ]
    assert vectors == [{first: 1, second: 5}, {second: 2}]


def test_texts_are_refused_where_vectors_are_given(tmp_path: Path, lines: Path) -> None:
    imported(lines, tmp_path / "ix")

    with Collection.open(tmp_path / "ix") as collection:
        with pytest.raises(DocumentError, match="no vectors called sparse"):
            collection.add([Document("new", "hello world")])
        assert collection.n_docs == 5
        assert collection.delete(["é/4"]) == 1
        assert [doc_id for doc_id, _ in found(collection, "hello")] == ["d1"]


def test_an_id_twice_is_refused(tmp_path: Path) -> None:
    line = b'{"id": "%s", "contents": "%s", "vector": {"x": 1}}\n'
    for second in (b"same", b"other"):
        path = tmp_path / "x.jsonl"
        path.write_bytes(line % (b"a", b"") + line % (b"b", b"same") + line % (b"b", second))
        with pytest.raises(CorpusError, match=r"found the id 'b' twice"):
            imported(path, tmp_path / "ix")
    assert sorted(left.name for left in tmp_path.iterdir()) == ["x.jsonl"]


def test_an_id_twice_is_found_across_transactions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_TRANSACTION_DOCS", 2)
    line = b'{"id": "%d", "vector": {"x": 1}}\n'
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"".join(line % i for i in (1, 2, 3, 4, 5, 2)))

    with pytest.raises(CorpusError, match=r"found the id '2' twice"):
        imported(path, tmp_path / "ix")


def test_an_id_that_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "x.jsonl", {"a\tb": {"x": 1}})

    with pytest.raises(CorpusError, match=r"x\.jsonl: doc_id .* control character"):
        imported(source, tmp_path / "ix")


@pytest.mark.parametrize("stage", ["read", "store"])
def test_ctrl_c_leaves_nothing(tmp_path: Path, lines: Path, stage: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        import_vectors(lines, tmp_path / "ix", form="anserini", watcher=Stops(stage))
    assert [left.name for left in tmp_path.iterdir()] == ["x.jsonl"]


def test_what_a_killed_import_left_is_replaced(tmp_path: Path, lines: Path) -> None:
    left = tmp_path / ".ix.importing"
    (left / "segments" / "half").mkdir(parents=True)
    (left / "catalog.sqlite").write_bytes(b"half")
    imported(lines, tmp_path / "ix")

    assert not left.exists()
    with Collection.open(tmp_path / "ix") as collection:
        assert collection.n_docs == 5


def test_two_imports_to_one_place_are_told_apart(tmp_path: Path, lines: Path) -> None:
    layout = Layout(tmp_path / ".ix.importing")
    layout.folder.mkdir()
    other = WriterLock(layout.lock)
    other.acquire()
    try:
        with pytest.raises(LockedError):
            imported(lines, tmp_path / "ix")
        assert layout.folder.exists()
    finally:
        other.release()


def test_a_place_that_is_taken_is_refused(tmp_path: Path, lines: Path) -> None:
    (tmp_path / "ix").mkdir()
    imported(lines, tmp_path / "ix")

    with pytest.raises(CollectionExistsError, match="found files there"):
        imported(lines, tmp_path / "ix")
    with pytest.raises(CollectionExistsError):
        imported(lines, lines)


def test_names_are_for_csr(tmp_path: Path, lines: Path) -> None:
    with pytest.raises(InputError, match="leave --ids and --terms out"):
        import_vectors(lines, tmp_path / "ix", form="anserini", watcher=Silent(), ids=lines)
    with pytest.raises(InputError, match="expected one of ciff, anserini, csr"):
        import_vectors(lines, tmp_path / "ix", form="parquet", watcher=Silent())
    with pytest.raises(CorpusError, match="no such file"):
        imported(tmp_path / "none.jsonl", tmp_path / "ix")
    assert not (tmp_path / "ix").exists()


def test_verify_finds_a_changed_name(tmp_path: Path, lines: Path) -> None:
    imported(lines, tmp_path / "ix")
    connection = sqlite3.connect(Layout(tmp_path / "ix").catalog)
    with connection:
        connection.execute("UPDATE vocabulary SET term = 'halo' WHERE term = 'hello'")
    connection.close()

    (problem,) = verify(tmp_path / "ix").problems
    assert "names of 1 terms" in problem


def test_names_survive_a_merge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: Path
) -> None:
    monkeypatch.setattr(importing, "SEGMENT_DOCS", 2)
    imported(lines, tmp_path / "ix")
    with Collection.open(tmp_path / "ix") as collection:
        collection.delete(["d1"])
        collection.merge(policy=MergePolicy(growth=1))
        assert collection.n_segments == 1
        export_vectors(collection, tmp_path / "out", form="anserini", watcher=Silent())
        assert collection.verify().problems == ()

    found = map(orjson.loads, (tmp_path / "out").read_bytes().splitlines())
    expected = {doc_id: vector for doc_id, vector in DOCUMENTS.items() if doc_id != "d1"}
    assert {line["id"]: line["vector"] for line in found} == expected


@pytest.mark.parametrize(("others", "found"), [(["d1"], "fewer"), ([*DOCUMENTS, "d9"], "more")])
def test_a_file_that_changes_meanwhile_is_refused(
    tmp_path: Path, lines: Path, others: list[str], found: str
) -> None:
    class Changes(Silent):
        def advance(self, stage: str, done: int, total: int) -> None:
            if stage == "read":
                write_lines(lines, {doc_id: {"hello": 1} for doc_id in others})

    with pytest.raises(CorpusError, match=f"found {found} documents than the 5 when it was read"):
        import_vectors(lines, tmp_path / "ix", form="anserini", watcher=Changes())
    assert [left.name for left in tmp_path.iterdir()] == ["x.jsonl"]


def test_a_full_disk_is_said(tmp_path: Path, lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(lines, tmp_path / "ix")
    with Collection.open(tmp_path / "ix") as collection:
        export_vectors(collection, tmp_path / "x.ciff", form="ciff", watcher=Silent())
    opened = Path.open

    def full(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.name == "doc_ids.txt":
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DiskFullError):
        import_vectors(tmp_path / "x.ciff", tmp_path / "back", form="ciff", watcher=Silent())
    assert not (tmp_path / ".back.importing").exists()


def test_a_matrix_is_checked_to_its_end(tmp_path: Path) -> None:
    matrix = scipy.sparse.csr_array(np.eye(3, dtype=np.float32))
    scipy.sparse.save_npz(tmp_path / "x.npz", matrix, compressed=False)
    (tmp_path / "x.ids.txt").write_text("a\nb\nc\nd\n")
    with pytest.raises(CorpusError, match="found 4 lines; expected 3"):
        import_vectors(tmp_path / "x.npz", tmp_path / "ix", form="csr", watcher=Silent())
    (tmp_path / "x.ids.txt").unlink()
    content = (tmp_path / "x.npz").read_bytes()
    at = content.rindex(np.ones(3, np.float32).tobytes())
    (tmp_path / "x.npz").write_bytes(content[:at] + b"\x01" + content[at + 1 :])
    with pytest.raises(CorpusError, match="damaged file"):
        import_vectors(tmp_path / "x.npz", tmp_path / "ix", form="csr", watcher=Silent())
    assert not (tmp_path / "ix").exists()
