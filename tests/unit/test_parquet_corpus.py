"""A corpus in Parquet gives the documents that the same rows as JSON lines give."""

import datetime
import importlib
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.corpus import Reject, read_documents, total_bytes
from lexmax.corpus_sources import name_of
from lexmax.errors import CorpusError
from lexmax.indexing import IndexChoice, index_corpus
from lexmax.types import Document

arrow: Any = pytest.importorskip("pyarrow")
parquet: Any = importlib.import_module("pyarrow.parquet")


def written(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.table(columns), path, **options)
    return path


def read(*sources: Path) -> tuple[list[Document], list[Reject]]:
    rejects: list[Reject] = []
    return list(read_documents(sources, on_reject=rejects.append)), rejects


def test_columns_are_what_members_of_a_line_are(tmp_path: Path) -> None:
    path = written(
        tmp_path / "c.parquet",
        {
            "doc_id": [1, 2],
            "contents": ["one", None],
            "title": [None, "Two"],
            "year": [2020, None],
            "tags": [["a", "b"], []],
            "__index_level_0__": [7, 8],
        },
    )
    assert read(path) == (
        [
            Document("1", "one", "", {"year": 2020, "tags": ["a", "b"]}),
            Document("2", "", "Two", {"tags": []}),
        ],
        [],
    )


def test_values_that_json_does_not_have(tmp_path: Path) -> None:
    utc = datetime.UTC
    path = written(
        tmp_path / "c.parquet",
        {
            "_id": [b"a", b"b"],
            "text": [b"one", b"two"],
            "day": [datetime.date(2020, 5, 1), None],
            "at": [datetime.datetime(2020, 5, 1, 12, tzinfo=utc), None],
            "price": [Decimal("1.50"), Decimal("2.00")],
            "share": [float("nan"), 0.5],
            "author": [{"name": "x", "age": None}, None],
            "counts": arrow.array([[("k", 1)], []], arrow.map_(arrow.string(), arrow.int64())),
        },
    )
    (first, second), rejects = read(path)
    assert rejects == []
    assert (first.doc_id, first.text) == ("a", "one")
    assert first.metadata == {
        "day": "2020-05-01",
        "at": "2020-05-01T12:00:00+00:00",
        "price": 1.5,
        "author": {"name": "x"},
        "counts": {"k": 1},
    }
    assert second.metadata == {"price": 2, "share": 0.5, "counts": []}


def test_given_vectors_are_a_column(tmp_path: Path) -> None:
    vectors = [{"pooled": [0.5, 0.25]}, None]
    path = written(
        tmp_path / "c.parquet", {"_id": ["a", "b"], "text": ["", "t"], "vectors": vectors}
    )
    (first, second), rejects = read(path)
    assert rejects == []
    assert first.vectors is not None
    np.testing.assert_array_equal(first.vectors.pooled, np.array([0.5, 0.25], np.float32))
    assert second.vectors is None


def test_rows_that_give_no_document_are_set_aside_by_number(tmp_path: Path) -> None:
    texts = arrow.array([b"one", b"\xff\xfe", b"three", b"four"], arrow.binary())
    # Bytes that are no text under a type that says text: what some writers leave.
    columns = {
        "_id": arrow.array(["a", "b", "", "d"]),
        "text": arrow.StringArray.from_buffers(4, texts.buffers()[1], texts.buffers()[2]),
        "waited": arrow.array([None, None, None, datetime.timedelta(1)]),
    }
    found, rejects = read(written(tmp_path / "c.parquet", columns))
    assert found == [Document("a", "one")]
    assert [(one.line_number, one.reason.partition(";")[0]) for one in rejects] == [
        (2, "a text of the row is not UTF-8"),
        (3, rejects[1].reason.partition(";")[0]),
        (4, "waited is timedelta"),
    ]
    assert "doc_id" in rejects[1].reason
    assert rejects[1].line.startswith("_id: , text: three")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"query": ["x"], "text": ["t"]}, r"found the columns query, text; expected one for an id"),
        ({"_id": ["x"], "passage": ["t"]}, r"expected one for a text that is called text or cont"),
    ],
)
def test_a_table_of_something_else_is_refused(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        read(written(tmp_path / "c.parquet", columns))


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    path = written(tmp_path / "c.parquet", {"_id": list(map(str, range(9))), "text": ["x"] * 9})
    whole = path.read_bytes()
    for content in (b"", b"PAR1 no", whole[:-20], whole[:8] + b"\xff" * 60 + whole[68:]):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=r"c\.parquet: cannot be read as Parquet"):
            read(path)


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "c.parquet", {"_id": ["a"], "text": ["x"]})
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(CorpusError, match=r"needs pyarrow.* `pip install lexmax\[parquet\]`"):
        read(path)


def test_progress_reaches_the_total_over_all_parts(tmp_path: Path) -> None:
    for part in range(2):
        ids = [f"{part}-{i}" for i in range(1500)]
        written(tmp_path / "corpus" / f"{part}.parquet", {"_id": ids, "text": ids})
    seen: list[int] = []
    found = list(read_documents([tmp_path], on_reject=print, progress=seen.append))
    assert [found[0].doc_id, found[1500].doc_id, len(found)] == ["0-0", "1-0", 3000]
    assert seen == sorted(seen)
    assert len(seen) > 4
    assert seen[-1] == total_bytes([tmp_path])


def test_an_empty_table_gives_nothing(tmp_path: Path) -> None:
    empty = arrow.array([], arrow.string())
    path = written(tmp_path / "c.parquet", {"_id": empty, "text": empty})
    assert read(path) == ([], [])


class Stopping(Silent):
    """Stops a job once it has stored something."""

    def stopped(self) -> bool:
        return True


def test_an_interrupted_job_goes_on_in_the_middle_of_the_rows(tmp_path: Path) -> None:
    rows = [{"_id": f"d{i}", "text": f"ship number{i}", "year": 1900 + i} for i in range(1500)]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    source = str(written(tmp_path / "corpus.parquet", columns))
    lines = tmp_path / "corpus.jsonl"
    lines.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    choice, fields = IndexChoice(multivector=None), {"year": "integer"}
    path = tmp_path / "ix"
    with pytest.raises(KeyboardInterrupt):
        index_corpus(path, [source], choice=choice, watcher=Stopping(), fields=fields)
    report = index_corpus(path, [source], choice=choice, watcher=Silent(), fields=fields)
    assert (report.already_read, report.stored.added, report.n_docs) == (1000, 500, 1500)
    other = tmp_path / "of-lines"
    index_corpus(other, [str(lines)], choice=choice, watcher=Silent(), fields=fields)
    with Collection.open(path) as one, Collection.open(other) as two:
        for query, condition in (("number1444", None), ("ship", "year > 3395")):
            hits = one.search(query, filter=condition).hits
            assert hits == two.search(query, filter=condition).hits
            assert hits


def test_a_changed_file_is_another_corpus(tmp_path: Path) -> None:
    path = written(tmp_path / "c.parquet", {"_id": ["a"], "text": ["x"]})
    before = name_of([str(path)], {}, None)
    written(path, {"_id": ["a"], "text": ["other"]})
    assert name_of([str(path)], {}, None) != before
