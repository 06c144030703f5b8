import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.errors import CorruptionError, DocumentError, IndexFormatError, StorageError
from lexmax.index import document_rows, schema
from lexmax.index.catalog import Catalog
from lexmax.index.document_rows import UpsertCount
from lexmax.index.segment_rows import SegmentRow
from lexmax.types import Document


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog.create(tmp_path / "catalog.sqlite", {"encoders": {"sparse": "bm25"}})


def test_the_last_version_of_a_document_wins_and_is_counted(catalog: Catalog) -> None:
    count = catalog.upsert([Document("a", "one"), Document("b", "two"), Document("a", "three")])

    assert count == UpsertCount(added=2, replaced=1)
    assert catalog.get("a") == Document("a", "three")
    assert catalog.living_serials(0).tolist() == [2, 3]
    assert catalog.deleted_serials().tolist() == [1]


def test_a_document_that_is_stored_as_it_is_stays_untouched(catalog: Catalog) -> None:
    document = Document("a/🙂", "text", "title", {"year": 1999, "tags": ["x"]})
    catalog.upsert([document])

    assert catalog.upsert([document]) == UpsertCount(unchanged=1)
    assert catalog.documents([1]) == [document]
    assert catalog.living_serials(0).tolist() == [1]


def test_a_batch_with_a_bad_document_changes_nothing(catalog: Catalog) -> None:
    before = catalog.generation()

    with pytest.raises(DocumentError, match="metadata"):
        catalog.upsert([Document("a", "one"), Document("b", "two", metadata={"n": 2**70})])

    assert catalog.n_living() == 0
    assert catalog.generation() == before


def test_deleting_counts_only_what_existed(catalog: Catalog) -> None:
    catalog.upsert([Document("a", "one"), Document("b", "two")])

    assert catalog.delete(["b", "c", "b"]) == 1
    assert catalog.get("b") is None
    assert catalog.n_living() == 1


def test_an_ingest_hides_its_documents_but_not_those_before_it(catalog: Catalog) -> None:
    catalog.upsert([Document("a", "one")])
    catalog.upsert([Document("b", "two"), Document("c", "three")], ingest=("files", 2))
    catalog.upsert([Document("d", "four")], ingest=("files", 3))

    assert catalog.ingest_position("files") == 3
    assert catalog.searchable_pending().tolist() == [1]

    catalog.end_ingests()
    assert catalog.ingest_position("files") == 0
    assert catalog.searchable_pending().tolist() == [1, 2, 3, 4]


def test_another_ingest_takes_the_documents_of_one_that_was_given_up(catalog: Catalog) -> None:
    catalog.upsert([Document("a", "one")], ingest=("old files", 1))
    catalog.upsert([Document("b", "two")], ingest=("new files", 1))

    assert catalog.ingest_position("old files") == 0
    assert catalog.ingest_position("new files") == 1
    assert catalog.searchable_pending().tolist() == []


def test_a_version_is_found_until_that_of_an_ingest_is_published(catalog: Catalog) -> None:
    catalog.upsert([Document("a", "one"), Document("b", "one")])
    catalog.publish(SegmentRow("1-2", 1, 2, 2, "abc"))
    catalog.upsert([Document("p", "pending")])
    later = [Document("a", "two"), Document("a", "three"), Document("b", "two"), Document("p", "x")]
    catalog.upsert(later, ingest=("files", 4))

    # Serials 4 to 7 are unseen; 4 was replaced by 5 before anybody could see it.
    assert catalog.deleted_serials().tolist() == [4]
    assert catalog.searchable_pending().tolist() == [3]

    catalog.delete(["b"])
    assert catalog.deleted_serials().tolist() == [2, 4, 6]

    catalog.publish(SegmentRow("5-7", 5, 7, 2, "abc"))
    assert catalog.deleted_serials().tolist() == [1, 2, 3, 4, 6]


def test_a_changed_byte_of_a_document_is_found(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    catalog = Catalog.create(path, {})
    catalog.upsert([Document("a", "the quick fox"), Document("b", "a lazy dog")])
    assert catalog.problems() == []
    catalog.close()
    content = path.read_bytes()
    assert content.count(b"quick fox") == 1
    path.write_bytes(content.replace(b"quick fox", b"quick fix"))

    (problem,) = Catalog.open(path).problems()
    assert "1 documents differ from what was stored, the first has serial 1" in problem


@pytest.mark.parametrize(
    ("damage", "read"),
    [
        ("UPDATE documents SET metadata = '{\"a\"'", lambda catalog: catalog.get("a")),
        ("UPDATE documents SET metadata = '{\"a\"'", lambda catalog: catalog.documents([1])),
        ("UPDATE documents SET metadata = ''", lambda catalog: catalog.metadata(np.array([1]))),
        ("UPDATE documents SET doc_id = 'a' || char(1)", lambda catalog: catalog.documents([1])),
        (
            "UPDATE documents SET text = CAST(x'ff' AS TEXT)",
            lambda catalog: catalog.documents([1]),
        ),
        ("UPDATE settings SET value = '{'", lambda catalog: catalog.setting("encoders")),
        (
            "DELETE FROM settings WHERE name = 'generation'",
            lambda catalog: catalog.generation(),
        ),
    ],
)
def test_rows_that_nobody_stored_are_damage(
    tmp_path: Path, damage: str, read: Callable[[Catalog], object]
) -> None:
    path = tmp_path / "catalog.sqlite"
    catalog = Catalog.create(path, {"encoders": {}})
    catalog.upsert([Document("a", "one")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(damage)
        connection.commit()
    with pytest.raises(CorruptionError, match=r"catalog\.sqlite is damaged .*restore a backup"):
        read(catalog)
    catalog.close()


@pytest.mark.parametrize("damage", ["text = 7", "title = x'00'", "metadata = '{'"])
def test_rows_of_another_type_are_among_what_is_wrong(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "catalog.sqlite"
    catalog = Catalog.create(path, {"encoders": {}})
    catalog.upsert([Document("a", "one"), Document("b", "two")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE documents SET {damage} WHERE serial = 2")
        connection.commit()
    assert "1 documents differ from what was stored, the first has serial 2" in str(
        catalog.problems()
    )
    catalog.close()


def test_publishing_ends_the_build_and_covers_the_serials(catalog: Catalog) -> None:
    catalog.upsert([Document("a", "one"), Document("b", "two")])
    row = SegmentRow("1-2", 1, 2, 2, "abc")
    catalog.remember_build("1-2", {"done": 1})
    assert catalog.builds() == {"1-2": {"done": 1}}

    catalog.publish(row)

    assert catalog.builds() == {}
    assert catalog.segments() == [row]
    assert catalog.last_published() == 2
    assert len(catalog.searchable_pending()) == 0


def test_every_write_is_a_new_generation(catalog: Catalog) -> None:
    catalog.upsert([Document("a", "one")])
    after_add = catalog.generation()
    catalog.delete(["a"])

    assert 0 < after_add < catalog.generation()


def test_documents_come_in_the_order_asked_for(catalog: Catalog) -> None:
    catalog.upsert([Document(name, name) for name in "abc"])

    assert catalog.doc_ids(np.array([3, 1])) == ["c", "a"]
    with pytest.raises(CorruptionError, match="holds no document 9"):
        catalog.documents([9])


def test_another_format_version_is_refused_by_both_numbers(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    Catalog.create(path, {}).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 7")
    connection.commit()
    connection.close()

    with pytest.raises(IndexFormatError, match="found format version 7, this build reads 1 to 1"):
        Catalog.open(path)


def test_what_is_no_catalog_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    text = tmp_path / "text.sqlite"
    text.write_bytes(b"this is a text and no database at all " * 40)

    with pytest.raises(CorruptionError, match="another program"):
        Catalog.open(other)
    with pytest.raises(CorruptionError, match="damaged"):
        Catalog.open(text)


def test_reads_do_not_wait_for_a_write_and_see_it_when_it_is_done(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.upsert([Document("a", "one")])
    before = catalog.generation()
    begun, go = threading.Event(), threading.Event()
    own = document_rows.store

    def slow(*arguments: Any, **named: Any) -> UpsertCount:
        count = own(*arguments, **named)
        begun.set()
        assert go.wait(60)
        return count

    monkeypatch.setattr(document_rows, "store", slow)
    writing = threading.Thread(target=catalog.upsert, args=([Document("a", "two")],))
    writing.start()
    assert begun.wait(60)
    with catalog.snapshot():
        assert catalog.generation() == before
        assert catalog.get("a") == Document("a", "one")
        go.set()
        writing.join()
        assert catalog.generation() == before
        assert catalog.get("a") == Document("a", "one")
    assert catalog.generation() == before + 1
    assert catalog.get("a") == Document("a", "two")


def test_an_sqlite_that_is_too_old_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_OLDEST_SQLITE", (99, 1))
    with pytest.raises(StorageError, match=r"brings SQLite 3\.\d+\.\d+; expected 99\.1 or later"):
        Catalog.create(tmp_path / "catalog.sqlite", {})
    assert list(tmp_path.iterdir()) == []
