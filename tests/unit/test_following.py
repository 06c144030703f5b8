"""Who only reads may be a moment behind who writes, and no search pays for the look."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lexmax.collection import Collection
from lexmax.errors import CorruptionError
from lexmax.following import Follower
from lexmax.reading import Reader
from lexmax.types import Document

LONG = 3600.0


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Collection, Collection]]:
    with Collection.create(tmp_path / "ix", multivector=None) as writer:
        writer.add([Document("1", "a cat")])
        reader = Collection.open(tmp_path / "ix")
        yield writer, reader
        reader.abandon()


def found(collection: Collection) -> list[str]:
    return sorted(hit.doc_id for hit in collection.search("cat").hits)


def until(said: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 20
    while not said():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_a_follower_sees_what_was_written_without_looking_itself(
    both: tuple[Collection, Collection],
) -> None:
    writer, reader = both
    reader.follow(LONG)
    assert found(reader) == ["1"]
    writer.add([Document("2", "another cat")])
    until(lambda: found(reader) == ["1", "2"])
    writer.delete(["1"])
    until(lambda: found(reader) == ["2"])


def test_it_is_a_thread_that_looks(
    both: tuple[Collection, Collection], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = both
    reader.follow(LONG)
    assert found(reader) == ["1"]
    seen: list[str] = []
    looked = Reader._from_catalog

    def noted(self: Reader, *arguments: Any) -> Any:
        seen.append(threading.current_thread().name)
        return looked(self, *arguments)

    monkeypatch.setattr(Reader, "_from_catalog", noted)
    writer_reads = threading.current_thread().name
    writer.add([Document("2", "another cat")])
    n = seen.count(writer_reads)
    until(lambda: found(reader) == ["1", "2"])
    assert seen.count(writer_reads) == n
    assert "lexmax-follow" in seen


def test_a_search_that_would_be_too_far_behind_looks_itself(
    both: tuple[Collection, Collection], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = both
    monkeypatch.setattr(Follower, "ask", lambda self: None)
    reader.follow(0.05)
    assert found(reader) == ["1"]
    writer.add([Document("2", "another cat")])
    time.sleep(0.06)
    assert found(reader) == ["1", "2"]


def test_a_look_that_fails_is_said_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    looks: list[bool] = []

    def look() -> None:
        looks.append(True)
        raise CorruptionError("a segment is missing")

    follower = Follower(look)
    follower.ask()
    until(lambda: "a segment is missing" in caplog.text)
    follower.ask()
    follower.stop()
    assert looks


def test_it_looks_only_when_asked_and_not_after_the_end() -> None:
    looks: list[int] = []
    follower = Follower(lambda: looks.append(1))
    assert not looks
    follower.ask()
    until(lambda: len(looks) == 1)
    time.sleep(0.05)
    assert len(looks) == 1
    follower.ask()
    until(lambda: len(looks) == 2)
    follower.stop()
    follower.ask()
    assert len(looks) == 2


def test_closing_ends_the_thread(both: tuple[Collection, Collection]) -> None:
    _, reader = both
    reader.follow(LONG)
    found(reader)  # opens
    found(reader)  # asks
    assert any(one.name == "lexmax-follow" for one in threading.enumerate())
    reader.abandon()
    assert not any(one.name == "lexmax-follow" for one in threading.enumerate())
