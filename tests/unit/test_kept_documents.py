"""Rows that were looked up lately: what is read, what is kept, and what it may take."""

from pathlib import Path

import pytest

from lexmax.errors import CorruptionError
from lexmax.index.catalog import Catalog
from lexmax.index.kept_documents import DocumentCache, KeptDocuments
from lexmax.types import Document


class Counted:
    """A catalog that counts the documents that it is asked for."""

    def __init__(self, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[int] = []
        own = catalog.documents

        def documents(serials: list[int]) -> list[Document]:
            self.asked.extend(serials)
            return own(serials)

        monkeypatch.setattr(catalog, "documents", documents)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    made = Catalog.create(tmp_path / "catalog.sqlite", {})
    metadata = {"year": 1999, "tags": ["x", None], "share": 0.1}
    made.upsert([Document(f"d{i}", f"text {i} \0🐈", f"title {i}", metadata) for i in range(1, 5)])
    return made


def test_documents_are_those_of_the_catalog_and_are_read_once(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = catalog.documents([3, 1, 3])
    counted = Counted(catalog, monkeypatch)
    kept = KeptDocuments(catalog)

    assert kept.read([3, 1, 3]) == expected
    assert kept.read([1, 3]) == [expected[1], expected[0]]
    assert kept.read([]) == []
    assert sorted(set(counted.asked)) == [1, 3]
    assert len(counted.asked) <= 3


def test_a_new_version_is_another_document(catalog: Catalog) -> None:
    kept = KeptDocuments(catalog)
    kept.read([1])
    catalog.upsert([Document("d1", "new")])

    # What a snapshot from before still has.
    assert kept.read([1])[0].text == "text 1 \0🐈"
    assert kept.read([5])[0].text == "new"


def test_what_is_given_can_be_changed_without_harm(catalog: Catalog) -> None:
    kept = KeptDocuments(catalog)
    first = kept.read([1])[0].metadata
    assert isinstance(first, dict)
    first["year"] = 0
    tags = first["tags"]
    assert isinstance(tags, list)
    tags.append("y")

    assert kept.read([1]) == catalog.documents([1])


def test_so_many_bytes_are_kept_and_the_oldest_go(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = DocumentCache()
    KeptDocuments(catalog, cache).read([1])
    size = cache.n_bytes
    assert size > 300
    counted = Counted(catalog, monkeypatch)
    cache = DocumentCache(2 * size + size // 2)
    kept = KeptDocuments(catalog, cache)
    for serials in ([1], [2], [1], [3]):  # the second has not been asked for longest
        kept.read(serials)
    assert cache.n_bytes <= 2 * size + size // 2
    counted.asked.clear()
    kept.read([1, 3])
    assert counted.asked == []
    kept.read([2])
    assert counted.asked == [2]


def test_what_is_larger_than_all_is_not_kept(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.upsert([Document("long", "x" * 5000)])
    counted = Counted(catalog, monkeypatch)
    kept = KeptDocuments(catalog, DocumentCache(3000))
    kept.read([1])
    kept.read([5, 1])
    kept.read([5, 1])
    assert counted.asked == [1, 5, 5]


def test_none_are_kept_where_there_is_no_room(catalog: Catalog) -> None:
    cache = DocumentCache(0)
    assert KeptDocuments(catalog, cache).read([2]) == catalog.documents([2])
    assert cache.n_bytes == 0


def test_an_unknown_serial_is_damage(catalog: Catalog) -> None:
    kept = KeptDocuments(catalog)
    kept.read([1])
    with pytest.raises(CorruptionError, match="holds no document 9"):
        kept.read([1, 9])


def test_catalogs_share_the_room_and_never_the_rows(catalog: Catalog, tmp_path: Path) -> None:
    other = Catalog.create(tmp_path / "other.sqlite", {})
    other.upsert([Document("x", "of the other")])
    cache = DocumentCache()
    one, two = KeptDocuments(catalog, cache), KeptDocuments(other, cache)
    assert one.read([1]) == catalog.documents([1])
    alone = cache.n_bytes
    assert two.read([1]) == [Document("x", "of the other")]
    assert one.read([1]) == catalog.documents([1])

    two.close()
    assert cache.n_bytes == alone
    one.close()
    assert cache.n_bytes == 0
