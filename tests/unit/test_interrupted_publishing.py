"""A flush, a new collection or a deletion that is killed at any step leaves the old or the new."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lexmax.archiving import write_snapshot
from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.index import append, npy, schema, segment
from lexmax.index.catalog import Catalog
from lexmax.index.verification import verify
from lexmax.restoring import RestoreLimits
from lexmax.service.collections import OpenCollections
from lexmax.types import Document

STEPS: list[tuple[Any, str]] = [
    (os, "fsync"),
    (os, "truncate"),
    (Path, "mkdir"),
    (Path, "rename"),
    (Path, "replace"),
    (Path, "unlink"),
    (shutil, "rmtree"),
    (npy, "write_npy"),
    (segment, "write_manifest"),
    (append.NpyAppender, "append"),
    (schema, "create_file"),
    (Catalog, "upsert"),
    (Catalog, "end_ingests"),
    (Catalog, "remember_build"),
    (Catalog, "publish"),
]


class KilledError(BaseException):
    """The process is gone: nothing of it runs any more."""


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """Raises before call number `step` of what changes the disk, and at every later one."""
    calls = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= step:
                raise KilledError
            return call(*arguments, **named)

        return run

    with pytest.MonkeyPatch.context() as patch:
        for place, name in STEPS:
            patch.setattr(place, name, counted(getattr(place, name)))
        yield


def found(collection: Collection) -> list[str]:
    hits = collection.search("sail ship", 100, pipeline="sparse").hits
    return sorted(hit.doc_id for hit in hits)


def documents(start: int) -> list[Document]:
    return [Document(f"d{i}", f"sail ship w{i}") for i in range(start, start + 10)]


@pytest.mark.parametrize(("multivector", "every"), [(None, 3), ("minilm", 11)])
def test_a_flush_that_is_killed_at_any_step_can_run_again(
    tmp_path: Path, cheap_encoders: Encoders, multivector: str | None, every: int
) -> None:
    made = tmp_path / "made"
    with Collection.create(made, multivector=multivector, encoders=cheap_encoders) as collection:
        collection.add(documents(0))
        collection.flush()
        collection.add(documents(10))
        collection.delete(["d3", "d13"])
        hits = found(collection)

    step, n_killed, is_whole = 1, 0, False
    while not is_whole:
        path = tmp_path / f"killed-{step}"
        shutil.copytree(made, path)
        collection = Collection.open(path, encoders=cheap_encoders, merge_in_background=False)
        with killed_at(step):
            try:
                assert collection.flush() == 1
                is_whole = True
            except KilledError:
                n_killed += 1
        collection.abandon()

        assert verify(path).problems == ()
        with Collection.open(path, encoders=cheap_encoders) as again:
            assert found(again) == hits
            assert again.flush() in (0, 1)
            assert found(again) == hits
            assert again.n_segments == 2
            assert again.verify().problems == ()
        assert not list((path / "staging").glob("*"))
        shutil.rmtree(path)
        step += every
    assert n_killed * every >= 20


def test_a_batch_that_is_killed_at_any_step_is_there_or_not(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    step, is_whole, counts = 1, False, set[int]()
    while not is_whole:
        path = tmp_path / f"killed-{step}"
        with Collection.create(path, multivector=None, encoders=cheap_encoders) as collection:
            collection.add(documents(0))
        collection = Collection.open(path, encoders=cheap_encoders)
        with killed_at(step):
            try:
                collection.add(documents(10))
                is_whole = True
            except KilledError:
                pass
        collection.abandon()
        with Collection.open(path, encoders=cheap_encoders) as again:
            counts.add(len(found(again)))
            assert again.n_docs == len(found(again))
        step += 1
    assert counts == {10, 20}


def test_a_collection_that_is_killed_while_it_is_made_is_there_or_can_be_made(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    step, n_killed, is_whole = 1, 0, False
    while not is_whole:
        data = tmp_path / f"killed-{step}"
        data.mkdir()
        opened = OpenCollections(data, encoders=cheap_encoders)
        with killed_at(step):
            try:
                opened.create("pets", IndexChoice("bm25", None))
                is_whole = True
            except KilledError:
                n_killed += 1
        again = OpenCollections(data, encoders=cheap_encoders)
        if "pets" not in again.names():
            again.create("pets", IndexChoice("bm25", None))
        with again.using("pets") as collection:
            assert collection.add(documents(0)).added == 10
            assert collection.verify().problems == ()
        again.close()
        opened.close()
        step += 1
    assert n_killed >= 4


def test_a_deletion_that_is_killed_at_any_step_leaves_all_or_nothing(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    step, n_killed, is_whole = 1, 0, False
    while not is_whole:
        data = tmp_path / f"killed-{step}"
        opened = OpenCollections(data, encoders=cheap_encoders)
        opened.create("pets", IndexChoice("bm25", None))
        with opened.using("pets") as collection:
            collection.add(documents(0))
            collection.flush()
        with killed_at(step):
            try:
                opened.delete("pets")
                is_whole = True
            except KilledError:
                n_killed += 1
        opened.close()
        again = OpenCollections(data, encoders=cheap_encoders)
        assert is_whole <= (again.names() == [])
        for name in again.names():
            with again.using(name) as collection:
                assert len(found(collection)) == 10
                assert collection.verify().problems == ()
        again.close()
        assert not list(data.glob(".deleted-*"))
        step += 1
    assert n_killed >= 2


def test_what_a_killed_start_leaves_keeps_no_name(tmp_path: Path, cheap_encoders: Encoders) -> None:
    opened = OpenCollections(tmp_path / "data", encoders=cheap_encoders)
    opened.create("pets", IndexChoice("bm25", None))
    with opened.using("pets") as collection:
        collection.add(documents(0))
        write_snapshot(collection.path, tmp_path / "pets.tar")
    for name in ("restored", "alias"):
        left = tmp_path / "data" / name
        (left / "segments").mkdir(parents=True)
        (left / "catalog.sqlite.new").write_bytes(b"half")

    restoring = opened.restoring("restored", RestoreLimits())
    restoring.feed((tmp_path / "pets.tar").read_bytes())
    restoring.check(cheap_encoders)
    opened.publish("restored", restoring)
    restoring.close()
    with opened.using("restored") as collection:
        assert len(found(collection)) == 10
    assert opened.set_alias("alias", "pets") is None
    opened.close()


def test_a_switch_that_is_killed_at_any_step_is_done_or_not(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    opened = OpenCollections(tmp_path, encoders=cheap_encoders)
    for name in ("pets", "cars"):
        opened.create(name, IndexChoice("bm25", None))
    step, is_whole, meanings = 1, False, set[str]()
    while not is_whole:
        opened.set_alias("meant", "pets")
        with killed_at(step):
            try:
                opened.set_alias("meant", "cars")
                is_whole = True
            except KilledError:
                pass
        opened.close()
        opened = OpenCollections(tmp_path, encoders=cheap_encoders)
        meanings.add(opened.meant("meant"))
        assert not list(tmp_path.glob("*.tmp"))
        step += 1
    assert meanings == {"pets", "cars"}
    opened.close()
