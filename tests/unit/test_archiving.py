"""Snapshots of a collection that is written to, deleted from and merged at the same time."""

import random
import threading
from pathlib import Path

from lexmax.archiving import Archive
from lexmax.collection import Collection
from lexmax.index.verification import verify
from lexmax.merging import COMPACT
from lexmax.restoring import Restoring
from lexmax.types import Document

N_SNAPSHOTS = 8


class Changing:
    """Writes to a collection in a thread of its own, and remembers each state that it had."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.texts: dict[str, str] = {}
        self.states: set[frozenset[tuple[str, str]]] = {frozenset()}
        self.stop = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        chance = random.Random(1)
        try:
            for step in range(100_000):
                if self.stop.is_set():
                    return
                self.change(step, chance)
        except BaseException as error:
            self.failure = error

    def change(self, step: int, chance: random.Random) -> None:
        if step % 3 == 2:
            gone = chance.sample(sorted(self.texts), min(2, len(self.texts)))
            self.remember({name: text for name, text in self.texts.items() if name not in gone})
            self.collection.delete(gone)
        else:
            new = {str(chance.randrange(200)): f"cat {step} {chance.random()}" for _ in range(5)}
            self.remember({**self.texts, **new})
            self.collection.add([Document(name, text) for name, text in new.items()])
        if step % 4 == 3:
            self.collection.flush()
        if step % 9 == 8:
            self.collection.merge(policy=COMPACT)

    def remember(self, texts: dict[str, str]) -> None:
        # Before it is written, because a snapshot may see it before we are told.
        self.texts = texts
        self.states.add(frozenset(texts.items()))


def restored(archive: Archive, path: Path) -> frozenset[tuple[str, str]]:
    with Restoring(path) as restoring:
        for chunk in archive.chunks():
            restoring.feed(chunk)
        restoring.check()
        restoring.publish()
    assert verify(path).problems == ()
    with Collection.open(path, merge_in_background=False) as twin:
        hits = twin.search("cat", 1000, pipeline="bm25").hits if twin.n_docs else ()
        assert len(hits) == twin.n_docs
        return frozenset((hit.doc_id, hit.text) for hit in hits)


def test_a_snapshot_is_a_state_that_there_was(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "pets", multivector=None) as collection:
        changing = Changing(collection)
        thread = threading.Thread(target=changing.run)
        thread.start()
        found: list[tuple[int, frozenset[tuple[str, str]]]] = []
        try:
            for i in range(N_SNAPSHOTS):
                with Archive(tmp_path / "pets", scratch=tmp_path) as archive:
                    found.append((archive.generation, restored(archive, tmp_path / f"twin-{i}")))
        finally:
            changing.stop.set()
            thread.join()
        assert changing.failure is None
    assert [generation for generation, _ in found] == sorted(gen for gen, _ in found)
    assert len({generation for generation, _ in found}) > 1
    for _, state in found:
        assert state in changing.states
    assert not list(tmp_path.glob(".*"))


def test_two_archives_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    with Collection.create(tmp_path / "pets", multivector=None) as collection:
        collection.add([Document("1", "cat one")])
        collection.flush()
        with Archive(tmp_path / "pets") as first, Archive(tmp_path / "pets") as second:
            collection.add([Document("2", "cat two")])
            assert (
                len(restored(first, tmp_path / "a")) == len(restored(second, tmp_path / "b")) == 1
            )
        archive = Archive(tmp_path / "pets")
        assert list((tmp_path / "pets").glob(".*"))
        del archive
        assert not list((tmp_path / "pets").glob(".*"))
