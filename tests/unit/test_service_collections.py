import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import (
    CollectionExistsError,
    InputError,
    LockedError,
    NotACollectionError,
    StorageError,
)
from lexmax.index.layout import Layout
from lexmax.index.lock import WriterLock
from lexmax.service.collections import OpenCollections
from lexmax.types import Document


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenCollections]:
    collections = OpenCollections(tmp_path, encoders=Encoders(), delete_seconds=0.2)
    yield collections
    collections.close()


def create(opened: OpenCollections, name: str) -> None:
    opened.create(name, IndexChoice(multivector=None))


def test_names_are_collections_only(opened: OpenCollections, tmp_path: Path) -> None:
    create(opened, "b")
    create(opened, "a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "Upper").mkdir()
    (tmp_path / "file").touch()
    assert opened.names() == ["a", "b"]


def test_a_collection_in_the_place_of_its_folder_is_named(
    opened: OpenCollections, tmp_path: Path
) -> None:
    create(opened, "a")
    with pytest.raises(InputError, match="found one collection; expected the folder that holds it"):
        OpenCollections(tmp_path / "a", encoders=Encoders())


def test_a_collection_is_opened_once(opened: OpenCollections) -> None:
    create(opened, "a")
    with opened.using("a") as first, opened.using("a") as second:
        assert first is second


def test_it_survives_the_service(tmp_path: Path) -> None:
    opened = OpenCollections(tmp_path, encoders=Encoders())
    create(opened, "a")
    with opened.using("a") as collection:
        collection.add([Document("1", "one")])
    opened.close()
    opened = OpenCollections(tmp_path, encoders=Encoders())
    with opened.using("a") as collection:
        assert [hit.doc_id for hit in collection.search("one").hits] == ["1"]
    opened.close()


@pytest.mark.parametrize("name", ["", "A", "../a", ".deleted-a", "a/b", "a\n", "é", "a" * 65])
def test_names_never_become_other_paths(opened: OpenCollections, name: str) -> None:
    with pytest.raises(InputError, match="breaks the rule"):
        create(opened, name)
    with pytest.raises(InputError, match="breaks the rule"), opened.using(name):
        pass
    with pytest.raises(InputError, match="breaks the rule"):
        opened.delete(name)


def test_what_is_not_there_is_not_there(opened: OpenCollections, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "none"):
        with pytest.raises(NotACollectionError), opened.using(name):
            pass
        with pytest.raises(NotACollectionError):
            opened.delete(name)


def test_deleted_is_gone_and_the_name_is_free(opened: OpenCollections, tmp_path: Path) -> None:
    create(opened, "a")
    with opened.using("a") as collection:
        collection.add([Document("1", "one")])
    opened.delete("a")
    assert list(tmp_path.iterdir()) == []
    create(opened, "a")
    with opened.using("a") as collection:
        assert collection.get(["1"]) == [None]


def test_delete_waits_for_those_who_use_it_and_turns_others_away(tmp_path: Path) -> None:
    opened = OpenCollections(tmp_path, encoders=Encoders(), delete_seconds=60)
    create(opened, "a")
    with ThreadPoolExecutor(1) as pool:
        with opened.using("a") as collection:
            deleting = pool.submit(opened.delete, "a")
            wait_until_locked(opened, "a")
            assert collection.get(["1"]) == [None]
            assert not deleting.done()
        deleting.result(timeout=60)
    assert opened.names() == []
    with pytest.raises(NotACollectionError), opened.using("a"):
        pass


def wait_until_locked(opened: OpenCollections, name: str) -> None:
    while True:
        try:
            with opened.using(name):
                time.sleep(0.001)
        except LockedError:
            return


def test_delete_gives_up_on_those_who_stay(opened: OpenCollections) -> None:
    create(opened, "a")
    with opened.using("a"), pytest.raises(LockedError, match="1 requests still use"):
        opened.delete("a")
    with opened.using("a") as collection:
        assert collection.get(["1"]) == [None]


def test_delete_spares_what_another_process_writes(opened: OpenCollections, tmp_path: Path) -> None:
    create(opened, "a")
    other = WriterLock(Layout(tmp_path / "a").lock)
    other.acquire()
    with pytest.raises(LockedError):
        opened.delete("a")
    other.release()
    with opened.using("a") as collection:
        assert collection.get(["1"]) == [None]


def test_a_damaged_collection_fails_alone(opened: OpenCollections, tmp_path: Path) -> None:
    create(opened, "sound")
    create(opened, "damaged")
    opened.close()
    Layout(tmp_path / "damaged").catalog.write_bytes(b"no database" * 100)
    with pytest.raises(StorageError), opened.using("damaged"):
        pass
    with opened.using("sound") as collection:
        assert collection.get(["1"]) == [None]
    assert opened.names() == ["damaged", "sound"]
    opened.delete("damaged")
    assert opened.names() == ["sound"]


def test_of_many_creators_one_succeeds(opened: OpenCollections) -> None:
    barrier = threading.Barrier(8)

    def attempt(_: int) -> bool:
        barrier.wait()
        try:
            create(opened, "a")
        except CollectionExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_what_a_killed_delete_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".deleted-a-0123"
    left.mkdir()
    (left / "segment.json").touch()
    OpenCollections(tmp_path, encoders=Encoders()).close()
    assert list(tmp_path.iterdir()) == []
