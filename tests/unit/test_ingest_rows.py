"""Documents of an ingest are unseen until they are in a segment; those of others are not."""

from pathlib import Path

import pytest

from lexmax.index.catalog import Catalog
from lexmax.index.segment_rows import SegmentRow
from lexmax.types import Document


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog.create(tmp_path / "catalog.sqlite", {})


def documents(*doc_ids: str, text: str = "one") -> list[Document]:
    return [Document(doc_id, text) for doc_id in doc_ids]


def seen(catalog: Catalog) -> list[str]:
    return catalog.doc_ids(catalog.searchable_pending())


def test_what_others_store_meanwhile_is_seen(catalog: Catalog) -> None:
    catalog.upsert(documents("a", "b"), ingest=("files", 2))
    catalog.upsert(documents("mine"))
    assert seen(catalog) == ["mine"]
    assert catalog.n_unseen() == 2
    assert catalog.last_serial() == 3


def test_what_others_have_stored_stays_seen_when_more_comes(catalog: Catalog) -> None:
    catalog.upsert(documents("a"), ingest=("files", 1))
    catalog.upsert(documents("mine"))
    catalog.upsert(documents("b"), ingest=("files", 2))
    # Those before it are seen now as well: one range is unseen, and others' are never in it.
    assert seen(catalog) == ["a", "mine"]
    assert catalog.ingest_position("files") == 2


def test_nothing_new_hides_nothing(catalog: Catalog) -> None:
    catalog.upsert(documents("a"), ingest=("files", 1))
    catalog.upsert(documents("mine"))
    catalog.upsert(documents("a"), ingest=("files", 2))
    assert seen(catalog) == ["mine"]
    assert (catalog.n_unseen(), catalog.ingest_position("files")) == (1, 2)


def test_a_published_batch_is_seen_and_the_next_is_not(catalog: Catalog) -> None:
    catalog.upsert(documents("a", "b"), ingest=("files", 2))
    catalog.publish(SegmentRow("1-2", 1, 2, 2, "abc"))
    catalog.upsert(documents("mine"))
    catalog.upsert(documents("c"), ingest=("files", 3))
    assert seen(catalog) == ["mine"]
    # A version of an earlier batch is found until that of this one is published.
    catalog.upsert(documents("a", text="two"), ingest=("files", 4))
    assert catalog.deleted_serials().tolist() == []
    catalog.publish(SegmentRow("3-5", 3, 5, 3, "abc"))
    assert catalog.deleted_serials().tolist() == [1]


def test_who_stores_a_version_sees_it_and_no_older_one(catalog: Catalog) -> None:
    catalog.upsert(documents("a"))
    catalog.publish(SegmentRow("1-1", 1, 1, 1, "abc"))
    catalog.upsert(documents("a", text="of the ingest"), ingest=("files", 1))
    assert catalog.deleted_serials().tolist() == []

    count = catalog.upsert(documents("a", text="mine"))
    assert (count.added, count.replaced, count.unchanged) == (0, 1, 0)
    assert seen(catalog) == ["a"]
    assert catalog.deleted_serials().tolist() == [1, 2]
    stored = catalog.get("a")
    assert stored is not None
    assert stored.text == "mine"


def test_who_stores_what_nobody_sees_yet_sees_it(catalog: Catalog) -> None:
    catalog.upsert(documents("a"), ingest=("files", 1))
    assert catalog.upsert(documents("a")).replaced == 1
    assert seen(catalog) == ["a"]
    assert catalog.upsert(documents("a")).unchanged == 1


def test_the_end_shows_everything(catalog: Catalog) -> None:
    catalog.upsert(documents("a"), ingest=("files", 1))
    catalog.end_ingests()
    assert seen(catalog) == ["a"]
    assert catalog.ingest_position("files") == 0
    catalog.upsert(documents("b"), ingest=("files", 1))
    assert seen(catalog) == ["a"]


def test_an_ingest_without_a_last_serial_hides_all_that_follows(catalog: Catalog) -> None:
    """As an earlier build has left it."""
    catalog.upsert(documents("a"), ingest=("files", 1))
    with catalog._writing() as connection:
        connection.execute("DELETE FROM settings WHERE name = 'last_unseen'")
    catalog.upsert(documents("b", "c"))
    assert seen(catalog) == []
    assert catalog.n_unseen() == 3
