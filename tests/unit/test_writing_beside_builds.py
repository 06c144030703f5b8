"""Writes go on while segments are built, and need not wait for searches to see them."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lexmax import writing
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import EncoderError
from lexmax.types import Document

PATIENCE_S = 60.0


class Gate:
    """A watcher that holds a build after each part until it is let through."""

    def __init__(self) -> None:
        self.at_part, self.go_on = threading.Event(), threading.Event()

    def advance(self, stage: str, done: int, total: int) -> None:
        if stage == "encode" and done:
            self.at_part.set()
            assert self.go_on.wait(PATIENCE_S)

    def stopped(self) -> bool:
        return False


@pytest.fixture
def collection(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[Collection]:
    with Collection.create(
        tmp_path / "ix", multivector=None, encoders=cheap_encoders, merge_in_background=False
    ) as collection:
        yield collection


def documents(prefix: str, n: int, text: str = "ship") -> list[Document]:
    return [Document(f"{prefix}{i}", f"{text} {prefix}{i}") for i in range(n)]


def found(collection: Collection, query: str) -> list[str]:
    return sorted(hit.doc_id for hit in collection.search(query, 100).hits)


def wait_until(collection: Collection, query: str, doc_ids: list[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while found(collection, query) != doc_ids:
        assert time.monotonic() < deadline, found(collection, query)
        time.sleep(0.005)


def test_documents_are_written_and_found_while_a_segment_is_built(collection: Collection) -> None:
    collection.store(documents("job", 5), ingest=("files", 5))
    gate = Gate()
    build = threading.Thread(target=lambda: collection.flush(gate))
    build.start()
    assert gate.at_part.wait(PATIENCE_S)

    assert collection.add(documents("mine", 3)).added == 3
    assert found(collection, "ship") == ["mine0", "mine1", "mine2"]
    assert collection.delete(["mine2", "job4"]) == 2
    collection.add([Document("job0", "a sail")])
    assert found(collection, "sail") == ["job0"]

    gate.go_on.set()
    build.join()
    assert found(collection, "ship") == ["job1", "job2", "job3", "mine0", "mine1"]
    assert found(collection, "sail") == ["job0"]
    collection.flush()
    assert found(collection, "ship") == ["job1", "job2", "job3", "mine0", "mine1"]
    assert collection.n_docs == 6
    assert collection.verify().problems == ()


def test_a_build_takes_what_was_there_when_it_began(collection: Collection) -> None:
    collection.add(documents("a", 3))
    gate = Gate()
    build = threading.Thread(target=lambda: collection.flush(gate))
    build.start()
    assert gate.at_part.wait(PATIENCE_S)
    collection.add(documents("b", 2))
    gate.go_on.set()
    build.join()
    assert collection.n_segments == 1
    assert collection.describe()["n_pending"] == 2


def test_who_writes_very_much_waits_for_a_build(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_FLUSH_DOCS", 4)
    monkeypatch.setattr(writing, "_MOST_PENDING_DOCS", 8)
    collection.store(documents("job", 3), ingest=("files", 3))
    gate = Gate()
    build = threading.Thread(target=lambda: collection.flush(gate))
    build.start()
    assert gate.at_part.wait(PATIENCE_S)
    collection.add(documents("few", 5))  # above the first limit: it goes on in memory
    done = threading.Event()

    def write() -> None:
        collection.add(documents("many", 5))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert not done.wait(0.2)
    gate.go_on.set()
    for thread in (build, writer):
        thread.join()
    assert collection.n_segments == 2
    assert collection.n_docs == 13


def test_who_does_not_wait_is_found_soon(collection: Collection) -> None:
    assert collection.writer.add(documents("a", 3), wait=False).added == 3
    assert collection.get(["a2"])[0] is not None
    wait_until(collection, "ship", ["a0", "a1", "a2"])
    # Whoever waits, waits for those before too.
    collection.writer.add(documents("b", 1), wait=False)
    collection.add(documents("c", 1))
    assert found(collection, "ship") == ["a0", "a1", "a2", "b0", "c0"]


def test_many_that_nobody_waits_for_become_a_segment(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_WORTH_A_SEGMENT_DOCS", 20)
    assert found(collection, "ship") == []  # the first search of all looks itself
    collection.writer.add(documents("a", 30), wait=False)
    wait_until(collection, "ship", sorted(one.doc_id for one in documents("a", 30)))
    assert collection.n_segments == 1


def test_where_the_background_fails_searches_look_themselves(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.add(documents("a", 1))
    reader = collection._reader
    whole, failed = reader.newest, threading.Event()

    def fails(*, wait: bool) -> object:
        if wait:
            failed.set()
            raise EncoderError("no")
        return whole(wait=wait)

    with monkeypatch.context() as patch:
        patch.setattr(reader, "newest", fails)
        collection.writer.add(documents("b", 1), wait=False)
        assert failed.wait(PATIENCE_S)
        wait_until(collection, "ship", ["a0", "b0"])
    # For a minute nothing runs in the background: whoever does not wait, waits all the same.
    collection.writer.add(documents("c", 1), wait=False)
    assert found(collection, "ship") == ["a0", "b0", "c0"]


def test_an_interrupted_job_is_not_built_by_those_who_write_or_close(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    path = tmp_path / "ix"
    with Collection.create(path, multivector=None, encoders=cheap_encoders) as collection:
        collection.store(documents("job", 100), ingest=("files", 100))
        collection.add(documents("mine", 1))
        assert collection.n_unseen == 100
    with Collection.open(path, encoders=cheap_encoders) as collection:
        assert (collection.n_segments, collection.n_unseen) == (0, 100)
        assert found(collection, "ship") == ["mine0"]
        assert collection.writer.ingest_position("files") == 100
        collection.flush()
        assert collection.n_unseen == 0
        assert len(found(collection, "ship")) == 100
        collection.writer.end_ingest()
        assert collection.writer.ingest_position("files") == 0
