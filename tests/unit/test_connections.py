"""A catalog is read by several threads at a time, and whoever writes it knows its generation."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lexmax.errors import OpenFilesError, StorageError
from lexmax.index import connections as module
from lexmax.index.catalog import Catalog
from lexmax.index.connections import Connections
from lexmax.types import Document

SOON = 10


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.sqlite"
    Catalog.create(path, {}).close()
    return path


def started(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT COUNT(*) FROM documents").fetchone()[0])


def test_a_read_does_not_wait_for_another(path: Path) -> None:
    connections, seen = Connections(path), []

    def read() -> None:
        with connections.reading() as connection:
            seen.append(count(connection))

    with connections.reading():
        thread = started(read)
        thread.join(SOON)
    assert seen == [0]
    connections.close()


def test_reads_of_one_thread_in_a_snapshot_see_one_generation(path: Path) -> None:
    connections = Connections(path)
    with connections.snapshot(), connections.reading() as outer:
        before = count(outer)
        with connections.writing() as connection:
            connection.execute(
                "INSERT INTO documents (doc_id, title, text, metadata, xxh3)"
                " VALUES ('a', '', '', '{}', 0)"
            )
        with connections.reading() as inner:
            assert inner is outer
            assert count(inner) == before
    with connections.reading() as connection:
        assert count(connection) == before + 1
    connections.close()


def test_who_finds_all_in_use_waits_for_one(path: Path) -> None:
    connections, n = Connections(path), module._MOST_READING
    ready, done, seen = threading.Barrier(n + 1), threading.Event(), []

    def hold() -> None:
        with connections.reading():
            ready.wait(SOON)
            done.wait(SOON)

    def read() -> None:
        with connections.reading() as connection:
            seen.append(count(connection))

    holders = [started(hold) for _ in range(n)]
    ready.wait(SOON)
    late = started(read)
    late.join(0.05)
    assert not seen
    done.set()
    for thread in (*holders, late):
        thread.join(SOON)
    assert seen == [0]
    connections.close()


def test_where_no_more_can_be_opened_a_read_waits_for_the_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections, seen, refused = Connections(path), [], threading.Event()

    def refuse(path: Path) -> sqlite3.Connection:
        refused.set()
        raise OpenFilesError(f"{path}: too many files are open")

    def read() -> None:
        with connections.reading() as connection:
            seen.append(count(connection))

    monkeypatch.setattr(module, "open_file", refuse)
    with connections.reading():
        late = started(read)
        assert refused.wait(SOON)
        assert not seen
    late.join(SOON)
    assert seen == [0]
    connections.close()


def test_a_read_that_is_under_way_ends_before_the_file_is_closed(path: Path) -> None:
    connections = Connections(path)
    with connections.reading() as connection:
        started(connections.close).join(SOON)
        assert count(connection) == 0
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        count(connection)
    with pytest.raises(StorageError, match="open it again"), connections.reading():
        pass


def test_the_owner_knows_the_generation_without_the_file(path: Path) -> None:
    mine, other = Catalog.open(path), Catalog.open(path)
    other.remember("a", 1)
    assert mine.newest_generation() == mine.generation() == 1
    mine.own()
    mine.upsert([Document("a", "one")])
    assert mine.newest_generation() == mine.generation() == 2
    mine.disown()
    other.remember("a", 2)
    assert mine.newest_generation() == 3
    for catalog in (mine, other):
        catalog.close()


def test_while_a_write_is_under_way_the_generation_is_the_one_before(path: Path) -> None:
    connections = Connections(path)
    connections.own()
    with connections.writing():
        assert connections.owned == 0
    assert connections.owned == 1
    connections.close()


def test_a_write_that_fails_is_no_generation(path: Path) -> None:
    connections = Connections(path)
    connections.own()
    with pytest.raises(StorageError), connections.writing() as connection:
        connection.execute("INSERT INTO nowhere VALUES (1)")
    assert connections.owned == 0
    with connections.writing():
        pass
    assert connections.owned == 1
    connections.close()


def test_a_commit_that_fails_leaves_the_generation_to_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = Connections(path)
    connections.own()
    with pytest.raises(StorageError), connections.writing() as connection:
        connection.execute("COMMIT")  # as a disk that is full may end it
    assert connections.owned is None
    with connections.writing():
        pass
    with connections.reading() as connection:
        assert connections.owned == module._generation(connection)
    connections.close()
