"""Files of segments: let go when a collection closes, and said when they are too many."""

import errno
import mmap
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from lexmax.collection import Collection
from lexmax.errors import OpenFilesError, StorageError
from lexmax.index.schema import open_file
from lexmax.types import Document


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ix"
    with Collection.create(path, multivector=None) as collection:
        collection.add([Document("a", "milk bone"), Document("b", "milk")])
        collection.flush()
    return path


def open_files(path: Path) -> list[str]:
    found: list[str] = []
    for link in Path("/proc/self/fd").iterdir():
        if link.is_symlink() and (target := os.readlink(link)).startswith(str(path)):
            found.append(target)
    return found


def test_a_closed_collection_keeps_no_file_open(path: Path) -> None:
    with Collection.open(path) as collection:
        collection.search("milk")
        assert open_files(path)
    assert open_files(path) == []
    with pytest.raises(StorageError, match="the collection is closed; open it again"):
        collection.get(["a"])


def test_a_search_that_runs_while_it_closes_ends_with_an_answer_or_an_error(path: Path) -> None:
    collection = Collection.open(path)
    ends: list[object] = []

    def search() -> None:
        while not ends:
            try:
                n_found = len(collection.search("milk").hits)
            except Exception as error:
                ends.append(error)
            else:
                ends.extend([] if n_found == 2 else [f"{n_found} hits"])

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    collection.close()
    for thread in threads:
        thread.join()
    assert all("the collection is closed" in str(end) for end in ends)


def test_too_many_open_files_are_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **named: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(mmap, "mmap", refuse)
    with pytest.raises(OpenFilesError, match="ulimit -n 8192"):
        Collection.open(path)


def test_sqlite_is_asked_why_it_opens_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **named: Any) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    missing = tmp_path / "nowhere" / "catalog.sqlite"
    with pytest.raises(StorageError, match="unable to open database file") as error:
        open_file(missing)
    assert not isinstance(error.value, OpenFilesError)
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OpenFilesError, match="too many files are open"):
        open_file(missing)
