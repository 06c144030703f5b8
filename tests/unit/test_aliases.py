"""Aliases in their file, seen by every process over the folder."""

import os
import threading
from pathlib import Path

import pytest

from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import CorruptionError, DiskFullError, InputError, NotACollectionError
from lexmax.service.aliases import FILE_NAME, Aliases
from lexmax.service.collections import OpenCollections
from lexmax.service.problems import Refusal


def test_a_name_means_what_was_said_last(tmp_path: Path) -> None:
    writer, reader = Aliases(tmp_path), Aliases(tmp_path)
    assert reader.collection_of("a") == "a"
    assert writer.set("a", "x") is None
    assert reader.collection_of("a") == "x"
    assert writer.set("a", "y") == "x"
    assert (reader.collection_of("a"), reader.names_of("y"), reader.names_of("x")) == (
        "y",
        ["a"],
        [],
    )
    assert Aliases(tmp_path).all() == {"a": "y"}
    assert writer.remove("a") == "y"
    assert writer.remove("a") is None
    assert reader.all() == {}


def test_of_many_changes_at_once_none_is_lost(tmp_path: Path) -> None:
    def change(i: int) -> None:
        mine = Aliases(tmp_path)
        for j in range(5):
            mine.set(f"a-{i}-{j}", "x")

    threads = [threading.Thread(target=change, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Aliases(tmp_path).all()) == 30


def test_a_change_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aliases = Aliases(tmp_path)
    aliases.set("a", "x")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError):
        aliases.set("a", "y")
    assert aliases.collection_of("a") == Aliases(tmp_path).collection_of("a") == "x"


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"version":2,"aliases":{}}', b'{"aliases":{"../x":"a"}}']
)
def test_a_file_of_another_kind_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(CorruptionError, match="no file of aliases"):
        Aliases(tmp_path).all()


def test_a_damaged_file_is_no_harm_to_collections(tmp_path: Path) -> None:
    opened = OpenCollections(tmp_path, encoders=Encoders())
    opened.create("pets", IndexChoice("bm25", None))
    (tmp_path / FILE_NAME).write_bytes(b"x")
    assert opened.meant("pets") == "pets"
    with pytest.raises(CorruptionError):
        opened.meant("other")
    opened.close()


def test_there_is_an_end_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lexmax.service.aliases._MOST", 2)
    aliases = Aliases(tmp_path)
    aliases.set("a", "x")
    aliases.set("b", "x")
    aliases.set("b", "y")
    with pytest.raises(InputError, match="2 aliases already"):
        aliases.set("c", "x")


def test_a_name_is_a_collection_or_an_alias(tmp_path: Path) -> None:
    opened = OpenCollections(tmp_path, encoders=Encoders())
    opened.create("pets", IndexChoice("bm25", None))
    opened.create("more", IndexChoice("bm25", None))
    opened.set_alias("animals", "pets")
    for attempt in (
        lambda: opened.set_alias("more", "pets"),
        lambda: opened.set_alias("pets", "pets"),
        lambda: opened.create("animals", IndexChoice("bm25", None)),
    ):
        with pytest.raises(Refusal, match="either a collection's or an alias's"):
            attempt()
    for name in ("none", "animals"):
        with pytest.raises(NotACollectionError):
            opened.set_alias("other", name)
    with pytest.raises(Refusal, match="1 aliases mean this collection"):
        opened.delete("pets")
    opened.set_alias("animals", "more")
    opened.delete("pets")
    opened.remove_alias("animals")
    with pytest.raises(Refusal, match="no alias has this name"):
        opened.remove_alias("animals")
    opened.delete("more")
    opened.close()
