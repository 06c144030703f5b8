"""Clients that write, delete and search until the server is gone, and know what they were told."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from expected import Expected, doc_id_of, document, unique_word
from served import CUT_OFF, Answer, Asking, Served

MAIN, ANCHOR = "main", "anchor"
"""Collections that stay; the second is small, and never changes."""
ANCHOR_DOCS = 60
ALIAS = "meant"
# Refused before anything was done.
_REFUSED = frozenset({"overloaded", "collection_locked"})
_BATCHES = (1, 1, 5, 5, 20, 20, 200, 1000)
_SIDE_DOCS = 40
_TAR = "application/x-tar"


@dataclass(slots=True)
class Sides:
    """Collections that are made and deleted beside the main one: how many documents each may have,
    None where it may not be there. And which collections the alias may mean."""

    possible: dict[str, Sequence[int | None]] = field(default_factory=dict)
    meant: Sequence[str | None] = (None,)

    def settle(self, found: dict[str, int], meant: str | None = None) -> list[str]:
        """Compare with the documents of each collection that is there, and with the alias."""
        problems = [
            f"collection {name}: expected one of {counts} documents, found {found.get(name)}"
            for name, counts in self.possible.items()
            if found.get(name) not in counts
        ]
        problems += [f"collection {name} was invented" for name in found.keys() - self.possible]
        if meant not in self.meant:
            problems.append(f"the alias means {meant}, expected one of {self.meant}")
        self.possible = {name: (found.get(name),) for name in self.possible}
        self.meant = (meant,)
        return problems


@dataclass(slots=True)
class Told:
    """What the clients were told, all together."""

    writes: int = 0
    documents: int = 0
    searches: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list[str])
    touched: set[int] = field(default_factory=set[int])
    changing: bool = False
    """Whether a collection is being made or deleted now."""


class Load:
    """Threads that ask one server; they end when it does, or at `stop`."""

    def __init__(
        self,
        served: Served,
        expected: Expected,
        sides: Sides,
        *,
        n_keys: int,
        n_writers: int = 3,
        seed: int = 0,
    ) -> None:
        self.told = Told()
        self._served, self._expected, self._sides = served, expected, sides
        self._n_keys, self._n_writers = n_keys, n_writers
        self._over = threading.Event()
        jobs: list[Callable[[Asking, random.Random], None]] = [
            *(lambda ask, rng, i=i: self._write(i, ask, rng) for i in range(n_writers)),
            self._search,
            self._change_collections,
        ]
        self._threads = [
            threading.Thread(target=self._guarded, args=(job, random.Random(f"{seed}/{i}")))
            for i, job in enumerate(jobs)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> Told:
        """Wait until every thread has ended, and say what they were told."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        return self.told

    def _guarded(self, job: Callable[[Asking, random.Random], None], rng: random.Random) -> None:
        try:
            with self._served.asking() as ask:
                job(ask, rng)
        except CUT_OFF as error:
            self._require_gone(error)
        except Exception as error:
            self.told.problems.append(f"a client failed: {error!r}")

    def _require_gone(self, error: Exception) -> None:
        """A server that lives loses no connection."""
        deadline = time.monotonic() + 10
        while self._served.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if self._served.process.poll() is None:
            self.told.problems.append(f"a connection was lost while the server ran: {error!r}")

    def _write(self, i: int, ask: Asking, rng: random.Random) -> None:
        while not self._over.is_set():
            write = self._new_write(i, rng)
            before = {key: self._expected.versions.get(key) for key in write}
            try:
                answer = self._sent(ask, write)
            except CUT_OFF:
                self._expected.cut_off(write)
                raise
            if answer.status == 503 and answer.code in _REFUSED:
                self.told.refused += 1
                time.sleep(0.05)
            elif answer.status != 200:
                self.told.problems.append(f"a write got {answer.status} {answer.content[:300]!r}")
                self._expected.cut_off(write)
                return
            else:
                self._expected.acknowledge(write)
                self._check_counts(answer, write, before)
                self._find_own(ask, write, before, rng)

    def _new_write(self, i: int, rng: random.Random) -> dict[int, int | None]:
        """Of keys that are this writer's own; one of five deletes."""
        n = rng.choice(_BATCHES)
        own = range(i, self._n_keys, self._n_writers)
        # A few keys are written again and again, the others now and then.
        among = own[: max(n, 2000)] if rng.random() < 0.8 else own
        keys = rng.sample(among, min(n, len(among)))
        self.told.touched.update(keys)
        if rng.random() < 0.2:
            return dict.fromkeys(keys)
        return {key: self._expected.next_version(key) for key in keys}

    def _sent(self, ask: Asking, write: dict[int, int | None]) -> Answer:
        path = f"/v1/collections/{MAIN}/documents"
        stored = [asdict(document(key, v)) for key, v in write.items() if v is not None]
        if stored:
            return ask("POST", path, {"documents": stored})
        return ask("POST", f"{path}/delete", {"doc_ids": [doc_id_of(key) for key in write]})

    def _check_counts(
        self, answer: Answer, write: dict[int, int | None], before: dict[int, int | None]
    ) -> None:
        n_there = sum(version is not None for version in before.values())
        stored = {"added": len(write) - n_there, "replaced": n_there, "unchanged": 0}
        expected = stored if None not in write.values() else {"deleted": n_there}
        if answer.value != expected:
            self.told.problems.append(f"expected {expected}, was told {answer.value}")
        self.told.writes += 1
        self.told.documents += len(write)

    def _find_own(
        self,
        ask: Asking,
        write: dict[int, int | None],
        before: dict[int, int | None],
        rng: random.Random,
    ) -> None:
        """Who has written finds it, and not what was there before."""
        key = rng.choice(list(write))
        for version, is_there in ((write[key], True), (before[key], False)):
            if version is None:
                continue
            found = searched(ask, unique_word(key, version))
            if found is not None and found != ([doc_id_of(key)] if is_there else []):
                self.told.problems.append(f"key {key} version {version}: found {found}")
            self.told.searches += 1

    def _search(self, ask: Asking, rng: random.Random) -> None:
        while not self._over.is_set():
            found = searched(ask, f"w{rng.randrange(997)} w{rng.randrange(997)}")
            if found == []:
                self.told.problems.append("a search of common words found nothing")
            self.told.searches += 1
            time.sleep(0.005)

    def _change_collections(self, ask: Asking, rng: random.Random) -> None:
        while not self._over.is_set():
            time.sleep(rng.random() * 0.1)
            self.told.changing = True
            if rng.random() < 0.3:
                self._switch(ask, rng)
            else:
                self._change_one(ask, f"side-{rng.randrange(3)}", restore=rng.random() < 0.4)
            self.told.changing = False

    def _switch(self, ask: Asking, rng: random.Random) -> None:
        """Let the alias mean another collection, or none."""
        (before,) = self._sides.meant
        after = rng.choice([name for name in (MAIN, ANCHOR, None) if name != before])
        self._sides.meant = (before, after)
        path = f"/v1/aliases/{ALIAS}"
        answer = ask("PUT", path, {"collection": after}) if after else ask("DELETE", path)
        if answer.status in (200, 204):
            self._sides.meant = (after,)
        elif answer.code in _REFUSED:
            self._sides.meant = (before,)
        else:
            self.told.problems.append(f"the alias: {answer.status} {answer.content[:300]!r}")

    def _change_one(self, ask: Asking, name: str, *, restore: bool) -> None:
        """Make the collection, fill it or delete it: whichever comes next."""
        path, possible = f"/v1/collections/{name}", self._sides.possible
        (n_docs,) = possible.get(name, (None,))
        if n_docs is None and restore:
            self._restore(ask, name)
        elif n_docs is None:
            self._changed(name, (None, 0), lambda: ask("PUT", path, {"multivector": None}))
        elif n_docs == 0:
            stored = [asdict(document(key, 1)) for key in range(_SIDE_DOCS)]
            add = {"documents": stored}
            counts = (0, _SIDE_DOCS)
            self._changed(name, counts, lambda: ask("POST", f"{path}/documents", add))
        else:
            self._changed(name, (n_docs, None), lambda: ask("DELETE", path))

    def _restore(self, ask: Asking, name: str) -> None:
        """Make the collection of a snapshot of another."""
        snapshot = ask("POST", f"/v1/collections/{ANCHOR}/snapshot")
        if snapshot.code in _REFUSED:
            return
        path, headers = f"/v1/collections/{name}/snapshot", {"content-type": _TAR}
        self._changed(
            name,
            (None, ANCHOR_DOCS),
            lambda: ask("PUT", path, content=snapshot.content, headers=headers),
        )

    def _changed(
        self, name: str, counts: tuple[int | None, int | None], change: Callable[[], Answer]
    ) -> None:
        self._sides.possible[name] = counts
        answer = change()
        if answer.status in (200, 201, 204):
            self._sides.possible[name] = counts[1:]
        elif answer.code in _REFUSED:
            self._sides.possible[name] = counts[:1]
        else:
            self.told.problems.append(f"{name}: {answer.status} {answer.content[:300]!r}")


def searched(ask: Asking, query: str) -> list[str] | None:
    """The ids that a search finds; None where it was refused for want of room."""
    answer = ask("POST", f"/v1/collections/{MAIN}/search", {"query": query, "k": 10})
    if answer.code in _REFUSED:
        return None
    if answer.status != 200:
        raise AssertionError(f"a search got {answer.status} {answer.content[:300]!r}")
    return [hit["doc_id"] for hit in answer.value["hits"]]
