"""A merge that is killed at any step leaves the old segments or the new one, and can run again."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.errors import DiskFullError, StorageError
from lexmax.index import append, npy, segment
from lexmax.index.catalog import Catalog
from lexmax.merging import COMPACT
from lexmax.types import Document

WORDS = ["sail", "ship", "bone", "milk", "wing", "flow"]


class KilledError(BaseException):
    """The process is gone: nothing of it runs any more."""


def make(path: Path, encoders: Encoders, multivector: str | None) -> None:
    with Collection.create(
        path,
        sparse="bm25?avg_doc_len=3",
        multivector=multivector,
        encoders=encoders,
        merge_in_background=False,
    ) as collection:
        for start in (0, 8, 16):
            collection.add(
                Document(f"d{i}", " ".join(WORDS[(i * j) % 6] for j in range(1, 5)))
                for i in range(start, start + 8)
            )
            collection.flush()
        collection.delete(["d2", "d9", "d17"])


STEPS: list[tuple[Any, str]] = [
    (os, "fsync"),
    (os, "truncate"),
    (Path, "replace"),
    (shutil, "rmtree"),
    (npy, "write_npy"),
    (segment, "write_manifest"),
    (append.NpyAppender, "append"),
    (Catalog, "replace_segments"),
]


@contextmanager
def killed_at(step: int) -> Iterator[Callable[[], int]]:
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
        yield lambda: calls


def content(path: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted((path / "segments").rglob("*"))
        if file.is_file()
    }


def found(collection: Collection) -> list[str]:
    return sorted(hit.doc_id for hit in collection.search("ship wing", 30, pipeline="sparse").hits)


@pytest.mark.parametrize(("multivector", "every"), [(None, 1), ("minilm", 9)])
def test_a_merge_that_is_killed_at_any_step_can_run_again(
    tmp_path: Path, cheap_encoders: Encoders, multivector: str | None, every: int
) -> None:
    made, whole = tmp_path / "made", tmp_path / "whole"
    make(made, cheap_encoders, multivector)
    shutil.copytree(made, whole)
    with Collection.open(whole, encoders=cheap_encoders) as collection:
        hits = found(collection)
        assert collection.merge().n_merges == 1
    expected = content(whole)

    step, n_killed, is_whole = 1, 0, False
    while not is_whole:
        path = tmp_path / f"killed-{step}"
        shutil.copytree(made, path)
        collection = Collection.open(path, encoders=cheap_encoders, merge_in_background=False)
        with killed_at(step):
            try:
                collection.merge()
                is_whole = True
            except KilledError:
                n_killed += 1
        collection.abandon()

        with Collection.open(path, encoders=cheap_encoders) as again:
            assert found(again) == hits
            assert again.verify().problems == ()
            again.merge()
            assert again.verify().problems == ()
        assert content(path) == expected, step
        assert not list((path / "staging").iterdir())
        shutil.rmtree(path)
        step += every
    assert n_killed * every >= 30


class StopAfter(Silent):
    def __init__(self, calls: int) -> None:
        self.left = calls

    def stopped(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("calls", [0, 1, 2, 4])
def test_a_merge_that_is_stopped_leaves_nothing(
    tmp_path: Path, cheap_encoders: Encoders, calls: int
) -> None:
    make(tmp_path / "ix", cheap_encoders, "minilm")
    with Collection.open(tmp_path / "ix", encoders=cheap_encoders) as collection:
        before = content(tmp_path / "ix")
        with pytest.raises(KeyboardInterrupt):
            collection.merge(StopAfter(calls))
        assert content(tmp_path / "ix") == before
        assert not list((tmp_path / "ix" / "staging").glob("*"))
        assert collection.merge().n_merges == 1


def test_a_full_disk_leaves_the_old_segments(
    tmp_path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "ix", cheap_encoders, None)
    before = content(tmp_path / "ix")

    def full(folder: Path, manifest: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Collection.open(tmp_path / "ix", encoders=cheap_encoders) as collection:
        monkeypatch.setattr(segment, "write_manifest", full)
        with pytest.raises(DiskFullError):
            collection.merge()
        monkeypatch.undo()
        assert content(tmp_path / "ix") == before
        assert collection.merge().n_merges == 1


def test_segments_that_somebody_else_merged_are_not_replaced(
    tmp_path: Path, cheap_encoders: Encoders
) -> None:
    make(tmp_path / "ix", cheap_encoders, None)
    with Collection.open(tmp_path / "ix", encoders=cheap_encoders) as collection:
        rows = collection._catalog.segments()
        collection.merge(policy=COMPACT)
        generation = collection._catalog.generation()
        with pytest.raises(StorageError, match="is not published any more"):
            collection._catalog.replace_segments(rows, None, kept=np.zeros(0, np.int64))
        assert collection._catalog.generation() == generation
        assert collection.n_docs == 21
