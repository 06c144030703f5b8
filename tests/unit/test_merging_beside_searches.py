"""Searches, writes and merges at once: every search sees one state that was, and no other."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lexmax import writing
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.index.oracle_multivector import quantised_maxsim
from lexmax.types import Document

WORDS = np.array(["sail", "ship", "bone", "milk", "wing", "flow", "dense", "air"])
QUERY = "sail bone air"


class Oracle:
    """What a search must find, by the writes so far: ids and scores, best first."""

    def __init__(self, encoders: Encoders) -> None:
        self._encoder = encoders.multivector("minilm")
        self._query = self._encoder.encode_queries([QUERY]).row(0)
        self._scores: dict[str, float] = {}
        # In the order in which they were stored, which decides ties.
        self.living: dict[str, str] = {}
        # (first generation that may have it, first that must, documents)
        self.states: list[tuple[int, int, dict[str, str]]] = [(0, 0, {})]

    def wrote(self, before: int, after: int) -> None:
        self.states.append((before + 1, after, dict(self.living)))

    def possible(self, generation: int, k: int) -> list[list[tuple[str, float]]]:
        states = list(self.states)
        last = max(i for i, (_, surely, _) in enumerate(states) if surely <= generation)
        later = (i for i, (maybe, _, _) in enumerate(states) if i > last and maybe <= generation)
        return [self._ranking(states[i][2], k) for i in (last, *later)]

    def _ranking(self, living: dict[str, str], k: int) -> list[tuple[str, float]]:
        found = [(doc_id, self._score(text)) for doc_id, text in living.items()]
        return sorted(found, key=lambda pair: -pair[1])[:k]

    def _score(self, text: str) -> float:
        if text not in self._scores:
            vectors = self._encoder.encode_documents([text]).vectors
            self._scores[text] = float(quantised_maxsim(self._query, vectors))
        return self._scores[text]


class Writer:
    """Adds, replaces and deletes documents, and remembers what it did."""

    def __init__(self, collection: Collection, oracle: Oracle) -> None:
        self._collection, self._oracle = collection, oracle
        self._rng = np.random.default_rng(5)
        self._added = 0

    def write(self) -> None:
        catalog, living = self._collection._catalog, self._oracle.living
        before = catalog.generation()
        if len(living) > 20 and self._rng.random() < 0.4:
            chosen = self._rng.choice(list(living), 6, replace=False)
            for doc_id in chosen:
                del living[doc_id]
            self._collection.delete(map(str, chosen))
        else:
            new = [self._document() for _ in range(5)]
            for document in new:
                living.pop(document.doc_id, None)
                living[document.doc_id] = document.text
            self._collection.add(new)
        self._oracle.wrote(before, catalog.generation())

    def _document(self) -> Document:
        self._added += 1
        # Every fifth is a new version of an old one.
        doc_id = f"d{self._added // 5 if self._added % 5 == 0 else self._added}"
        return Document(doc_id, " ".join(self._rng.choice(WORDS, 5)))


@pytest.mark.parametrize("reopened", [False, True])
def test_every_search_sees_one_state(
    tmp_path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch, reopened: bool
) -> None:
    """`reopened` searches through another open collection, as another process would."""
    monkeypatch.setattr(writing, "_FLUSH_DOCS", 15)
    collection = Collection.create(tmp_path / "ix", encoders=cheap_encoders)
    oracle = Oracle(cheap_encoders)
    failures: list[BaseException] = []
    seen: list[tuple[int, list[tuple[str, float]]]] = []
    done = threading.Event()

    def search(searched: Collection) -> None:
        try:
            while not done.is_set():
                result = searched.search(QUERY, 7, pipeline="multivector-exact")
                hits = [(hit.doc_id, hit.score) for hit in result.hits]
                seen.append((result.generation, hits))
        except BaseException as error:
            failures.append(error)

    other = Collection.open(tmp_path / "ix", encoders=cheap_encoders) if reopened else collection
    threads = [threading.Thread(target=search, args=(other,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    writer = Writer(collection, oracle)
    n_merged = n_written = 0
    while n_merged < 3 or n_written < 30:
        before = collection._catalog.purged()
        writer.write()
        n_merged += collection._catalog.purged() > before
        n_written += 1
        assert n_written < 3000, "nothing merges"
    done.set()
    for thread in threads:
        thread.join()

    assert failures == []
    for generation, hits in seen:
        assert hits in oracle.possible(generation, 7), generation
    collection.close()
    assert collection.verify().problems == ()
    if reopened:
        other.close()
    with Collection.open(tmp_path / "ix", encoders=cheap_encoders) as again:
        result = again.search(QUERY, 7, pipeline="multivector-exact")
        assert [(hit.doc_id, hit.score) for hit in result.hits] == oracle._ranking(oracle.living, 7)
        assert again.n_docs == len(oracle.living)


def test_writes_and_searches_do_not_wait_for_a_merge(
    tmp_path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    merging, go_on = threading.Event(), threading.Event()
    merge = writing.merge_segments

    def held(*arguments, **named):  # noqa: ANN002, ANN003, ANN202
        merging.set()
        assert go_on.wait(10)
        return merge(*arguments, **named)

    monkeypatch.setattr(writing, "merge_segments", held)
    collection = Collection.create(tmp_path / "ix", multivector=None)
    for i in range(3):
        collection.add([Document(f"d{i}", "ship")])
        collection.flush()
    assert merging.wait(10)
    collection.add([Document("late", "a ship")])
    collection.delete(["d0"])
    collection.flush()
    assert len(collection.search("ship").hits) == 3
    assert collection.n_segments == 4
    go_on.set()
    while collection.n_segments > 1:
        time.sleep(0.01)
    assert len(collection.search("ship").hits) == 3
    collection.close()
    assert collection.verify().problems == ()


def test_closing_gives_a_merge_up(
    tmp_path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    merging = threading.Event()
    merge = writing.merge_segments

    def slow(catalog, layout, watcher, **more):  # noqa: ANN001, ANN003, ANN202
        merging.set()
        while not watcher.stopped():
            time.sleep(0.001)
        return merge(catalog, layout, watcher, **more)

    monkeypatch.setattr(writing, "merge_segments", slow)
    with Collection.create(tmp_path / "ix", multivector=None) as collection:
        for i in range(3):
            collection.add([Document(f"d{i}", "ship")])
            collection.flush()
        assert merging.wait(10)
    assert len(list((tmp_path / "ix" / "segments").iterdir())) == 3
    assert collection.verify().problems == ()
