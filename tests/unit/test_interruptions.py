"""What a crash, a full disk or Ctrl-C leaves behind must not stand in the way afterwards."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import DiskFullError, LockedError, StorageError
from lexmax.index import segment as segments
from lexmax.index.layout import Layout
from lexmax.indexing import index_corpus
from lexmax.types import Document

TERMS_ONLY = IndexChoice(multivector=None)


class StopAfter:
    """Stops a build after some parts, as Ctrl-C does."""

    def __init__(self, parts: int) -> None:
        self.left = parts

    def advance(self, stage: str, done: int, total: int) -> None:
        """Counts nothing."""

    def stopped(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.fixture
def collection(tmp_path: Path, cheap_encoders: Encoders) -> Collection:
    return Collection.create(tmp_path / "ix", encoders=cheap_encoders)


def found(collection: Collection, query: str) -> list[str]:
    return [hit.doc_id for hit in collection.search(query, pipeline="bm25").hits]


def test_a_full_disk_at_the_manifest_leaves_no_trace(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, cheap_encoders: Encoders
) -> None:
    collection.add([Document("1", "apple")])
    replace = Path.replace

    def full(path: Path, target: Path) -> Path:
        if target.name == "segment.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DiskFullError):
        collection.flush()
    monkeypatch.undo()

    assert collection.flush() == 1
    assert collection.verify().problems == ()
    collection.close()
    with Collection.open(collection.path, encoders=cheap_encoders) as again:
        assert found(again, "apple") == ["1"]


def test_an_interruption_while_pending_documents_are_encoded(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(segments.MultiVectorIndex, "__init__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        collection.add([Document("1", "apple"), Document("2", "banana")])
    monkeypatch.undo()

    assert found(collection, "apple") == ["1"]
    collection.add([Document("3", "cherry")])
    assert found(collection, "cherry") == ["3"]


def write_corpus(path: Path, names: Sequence[str]) -> None:
    path.write_bytes(b"".join(orjson.dumps({"_id": n, "text": "word " + n}) + b"\n" for n in names))


def test_a_corpus_that_changed_in_its_folder_is_read_from_the_start(tmp_path: Path) -> None:
    corpus = tmp_path / "dataset" / "corpus.jsonl"
    corpus.parent.mkdir()
    write_corpus(corpus, [f"a{i}" for i in range(1200)])
    path, sources = tmp_path / "ix", [str(corpus.parent)]
    with pytest.raises(KeyboardInterrupt):
        index_corpus(path, sources, choice=TERMS_ONLY, watcher=StopAfter(0))
    write_corpus(corpus, [f"b{i}" for i in range(1201)])

    report = index_corpus(path, sources, choice=TERMS_ONLY, watcher=Silent())

    assert (report.already_read, report.stored.added) == (0, 1201)
    with Collection.open(path) as collection:
        assert collection.get(["b0", "b1200", "a0"]) != [None, None, None]
        assert found(collection, "b0") == ["b0"]


def test_old_versions_are_found_while_a_job_brings_new_ones(collection: Collection) -> None:
    collection.add([Document("1", "apple"), Document("2", "banana")])
    collection.flush()
    collection.store([Document("1", "cherry")], ingest=("files", 1))

    assert found(collection, "apple") == ["1"]
    assert found(collection, "cherry") == []
    collection.flush()
    assert found(collection, "apple") == []
    assert found(collection, "cherry") == ["1"]


@pytest.mark.parametrize("lost", ["staging", "segments"])
def test_a_build_whose_files_are_lost_begins_anew(collection: Collection, lost: str) -> None:
    collection.add([Document("1", "apple"), Document("2", "banana")])
    with pytest.raises(KeyboardInterrupt):
        collection.flush(StopAfter(0))
    for file in (collection.path / lost).rglob("*.npy"):
        file.unlink()

    assert collection.flush() == 1
    assert found(collection, "banana") == ["2"]
    assert collection.verify().problems == ()


def test_staging_of_a_published_segment_is_swept(
    collection: Collection, cheap_encoders: Encoders
) -> None:
    collection.add([Document("1", "apple")])
    collection.flush()
    (segment,) = (collection.path / "segments").iterdir()
    left = Layout(collection.path).staging(segment.name)
    left.mkdir(parents=True)
    collection.close()

    with Collection.open(collection.path, encoders=cheap_encoders) as again:
        again.add([Document("2", "banana")])
    assert not left.exists()
    assert segment.exists()


def test_a_closed_collection_takes_no_lock(
    collection: Collection, cheap_encoders: Encoders
) -> None:
    collection.close()
    with pytest.raises(StorageError, match="is closed; open it again") as caught:
        collection.add([Document("1", "apple")])
    assert not isinstance(caught.value, LockedError)

    with Collection.open(collection.path, encoders=cheap_encoders) as again:
        assert again.add([Document("1", "apple")]).added == 1


def test_what_a_killed_start_leaves_does_not_stand_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "ix"
    (path / "segments").mkdir(parents=True)
    (path / "catalog.sqlite.new").write_bytes(b"half")

    with Collection.create(path, multivector=None) as collection:
        assert collection.add([Document("1", "apple")]).added == 1
