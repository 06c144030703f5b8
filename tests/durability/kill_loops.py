"""Is an acknowledged write ever lost, or one invented? `make kill-loops` asks 200 times.

Each loop writes, deletes, searches, makes and deletes collections from several threads, kills the
service (SIGKILL) at some moment, starts it again and compares everything with what the clients were
told. The seed repeats the choices, though not the moments to the microsecond.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from expected import Expected, doc_id_of, document, unique_word
from mixed_load import ALIAS, ANCHOR, ANCHOR_DOCS, MAIN, Load, Sides, Told, searched
from self_killing import OFTEN, STEPS
from served import SERVE, Asking, Served

from lexmax.collection import Collection
from lexmax.index.catalog import Catalog
from lexmax.index.layout import Layout
from lexmax.index.verification import verify
from lexmax.types import Document

MODES = ("moment", "building", "changing", "step", "step", "starting")
"""When the kill comes: at any moment, while a segment is built or merged, while a collection is
made or deleted, at one step of the code, or while the service starts."""

_SELF_KILLING = (sys.executable, str(Path(__file__).with_name("self_killing.py")))
_LOOKED_AT = 300
_DRAFTS = (".deleted-*", ".*.restoring", ".*.snapshot-*", "*.tmp")
"""What is not finished, and must be gone after a restart."""


@dataclass(slots=True)
class Summary:
    """Of all loops."""

    seed: int
    n_docs: int
    loops: int = 0
    kills: dict[str, int] = field(default_factory=dict[str, int])
    writes: int = 0
    documents: int = 0
    searches: int = 0
    refused: int = 0
    cut_off: int = 0
    cut_off_but_done: int = 0
    ready_s: list[float] = field(default_factory=list[float])
    ready_cpu_s: list[float] = field(default_factory=list[float])
    problems: list[str] = field(default_factory=list[str])

    def to_json(self) -> dict[str, Any]:
        """With the restarts' times in short."""
        times = {"ready_s": self.ready_s, "ready_cpu_s": self.ready_cpu_s}
        short = {
            name: {"p50": percentile(found, 50), "p95": percentile(found, 95), "max": max(found)}
            for name, found in times.items()
            if found
        }
        return {**asdict(self), **short}


def percentile(found: list[float], percent: float) -> float:
    """The smallest of them that so many percent do not pass."""
    ordered = sorted(found)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def fill(data: Path, n_docs: int) -> Expected:
    """A collection of so many small documents, in segments, and one that never changes."""
    expected = Expected()
    with Collection.create(data / MAIN, multivector=None) as collection:
        collection.add(_to_store(key, expected.next_version(key)) for key in range(n_docs))
        collection.flush()
    with Collection.create(data / ANCHOR, multivector=None) as collection:
        collection.add(_to_store(key, 1) for key in range(ANCHOR_DOCS))
        collection.flush()
    expected.versions = dict(expected.newest)
    return expected


def _to_store(key: int, version: int) -> Document:
    one = document(key, version)
    return Document(one.doc_id, one.text, one.title, {"version": version})


class Loops:
    """One collection, killed again and again."""

    def __init__(self, folder: Path, *, n_docs: int, seed: int, load_s: float) -> None:
        """`load_s` is how long the clients work at most, in seconds, before the kill."""
        self.summary = Summary(seed, n_docs)
        self._folder, self._data, self._load_s = folder, folder / "data", load_s
        self._n_docs, self._seed = n_docs, seed
        self._rng = random.Random(seed)
        self._data.mkdir(parents=True)
        self._expected, self._sides = fill(self._data, n_docs), Sides({ANCHOR: (ANCHOR_DOCS,)})
        self._served = self._started()
        self._served.ready()

    def run(self, n: int, told: Callable[[str], None]) -> Summary:
        """So many kills; ends at the first that loses or invents something."""
        try:
            while self.summary.loops < n and not self.summary.problems:
                began = time.monotonic()
                self._once()
                seconds = time.monotonic() - began
                told(f"{self.summary.loops}/{n} ({seconds:.1f} s): {self._said()}")
        finally:
            self._served.kill()
        return self.summary

    def _once(self) -> None:
        mode = self._rng.choice(MODES)
        self.summary.loops += 1
        self._count(mode)
        touched: set[int] = set()
        if mode == "starting":
            self._served.kill()
            self._served = self._started()
            time.sleep(self._rng.random() * 4)
            self._served.kill()
        else:
            touched = self._loaded(mode)
        self._served = self._started()
        self.summary.ready_s.append(self._served.ready())
        self.summary.ready_cpu_s.append(self._served.cpu_s())
        self._check(touched)

    def _count(self, mode: str) -> None:
        self.summary.kills[mode] = self.summary.kills.get(mode, 0) + 1

    def _loaded(self, mode: str) -> set[int]:
        if mode == "step":
            step = self._rng.choice(list(STEPS))
            which = self._rng.randint(1, 40 if step in OFTEN else 3)
            when = self._rng.choice(["before", "after"])
            self._served.stop()
            self._served = self._started(f"{step}:{which}:{when}")
            if not self._is_ready():
                return set()
        load = Load(
            self._served,
            self._expected,
            self._sides,
            n_keys=self._n_docs + self._n_docs // 10,
            seed=self._rng.randrange(1 << 30),
        )
        self._wait(mode, load.told)
        if mode == "step" and self._served.process.poll() is not None:
            self._count("itself")
        self._served.kill()
        told = load.stop()
        self.summary.cut_off += len(self._expected.unsure)
        self.summary.writes += told.writes
        self.summary.documents += told.documents
        self.summary.searches += told.searches
        self.summary.refused += told.refused
        self.summary.problems += told.problems
        return told.touched

    def _is_ready(self) -> bool:
        """False where it has killed itself before."""
        try:
            self._served.ready()
        except AssertionError:
            if self._served.process.poll() is None:
                raise
            return False
        return True

    def _wait(self, mode: str, told: Told) -> None:
        """Until the kill."""
        ends_at = time.monotonic() + self._load_s * (1 if mode == "step" else self._rng.random())
        segments = self._segments()
        while time.monotonic() < ends_at and self._served.process.poll() is None:
            if mode == "building" and self._segments() != segments:
                ends_at = min(ends_at, time.monotonic() + self._rng.random() * 0.5)
                return time.sleep(max(0.0, ends_at - time.monotonic()))
            if mode == "changing" and told.changing and self._rng.random() < 0.1:
                return time.sleep(self._rng.random() * 0.02)
            time.sleep(0.002)
        return None

    def _segments(self) -> set[Path]:
        return {p for room in ("segments", "staging") for p in (self._data / MAIN / room).glob("*")}

    def _started(self, kill_at: str = "") -> Served:
        self._log = self._folder / f"log-{self.summary.loops % 10}.jsonl"
        environment = {"LEXMAX_KILL_AT": kill_at} if kill_at else {}
        command = _SELF_KILLING if kill_at else SERVE
        return Served(self._data, self._log, command=command, environment=environment)

    def _check(self, touched: set[int]) -> None:
        """Everything, as the disk has it and as clients see it."""
        problems = self.summary.problems
        unsure = {key for write in self._expected.unsure for key in write}
        stored = self._stored(problems)
        n_done, found = self._expected.settle(stored)
        self.summary.cut_off_but_done += n_done
        problems += found
        problems += verify(self._data / MAIN).problems
        with self._served.asking() as ask:
            problems += self._as_clients_see_it(ask, unsure, touched - unsure)
        left = [path.name for pattern in _DRAFTS for path in self._data.glob(pattern)]
        if left:
            problems.append(f"left behind: {left}")
        problems += [
            f"its log: {entry}" for entry in self._served.entries() if entry["level"] == "error"
        ]

    def _as_clients_see_it(self, ask: Asking, unsure: set[int], touched: set[int]) -> Iterator[str]:
        some = self._rng.sample(range(self._n_docs), 50)
        for keys in (sorted(unsure), sorted(touched), some):
            for key in self._rng.sample(keys, min(len(keys), _LOOKED_AT)):
                yield from self._seen(ask, key, also_searched=key % 7 == 0)
        described = ask("GET", f"/v1/collections/{MAIN}").value
        if described["n_docs"] != len(self._expected.versions):
            yield f"it says that it has {described['n_docs']} documents"
        aliases = {
            one["alias"]: one["collection"] for one in ask("GET", "/v1/aliases").value["aliases"]
        }
        yield from self._sides.settle(self._counts(ask), aliases.get(ALIAS))

    def _stored(self, problems: list[str]) -> dict[int, int]:
        """Versions by key as the catalog has them, each compared with what was sent."""
        catalog = Catalog.open(Layout(self._data / MAIN).catalog)
        try:
            found = catalog.documents(catalog.living_serials(0))
        finally:
            catalog.close()
        versions = dict[int, int]()
        for one in found:
            key, version = int(one.doc_id.removeprefix("k/")), int(str(one.metadata["version"]))
            if one != _to_store(key, version) or version > self._expected.newest.get(key, 0):
                problems.append(f"key {key} is not as it was sent: {one}")
            versions[key] = version
        return versions

    def _seen(self, ask: Asking, key: int, *, also_searched: bool) -> list[str]:
        """Whether clients see the version that they should."""
        version, doc_id = self._expected.versions.get(key), doc_id_of(key)
        answer = ask("GET", f"/v1/collections/{MAIN}/documents/{doc_id}")
        if version is None:
            as_it_should = answer.code == "document_not_found"
        else:
            as_it_should = answer.status == 200 and answer.value == asdict(document(key, version))
        problems = [] if as_it_should else [f"key {key}: expected {version}, got {answer}"]
        newest = self._expected.newest.get(key, 0)
        for one in {version, newest} - {None, 0} if also_searched else ():
            wanted = [doc_id] if one == version else []
            if (found := searched(ask, unique_word(key, int(one or 0)))) != wanted:
                problems.append(f"key {key} version {one}: a search finds {found}")
        return problems

    def _counts(self, ask: Asking) -> dict[str, int]:
        listed = ask("GET", "/v1/collections").value["collections"]
        names = [one["name"] for one in listed if one["name"] != MAIN]
        return {name: ask("GET", f"/v1/collections/{name}").value["n_docs"] for name in names}

    def _said(self) -> str:
        one = self.summary
        ready = f"ready {one.ready_s[-1]:.2f} s (cpu {one.ready_cpu_s[-1]:.2f})"
        return f"{one.writes} writes, {one.cut_off} cut off, {ready}, {len(one.problems)} problems"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=200, help="loops")
    parser.add_argument("--docs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--load-s", type=float, default=4.0, help="seconds of load before a kill")
    parser.add_argument("--ready-s", type=float, default=5.0, help="a restart takes at most")
    parser.add_argument("--json", type=Path, help="where the summary goes")
    parser.add_argument("--keep", type=Path, help="folder to work in, and to leave as it is")
    return parser.parse_args()


def _main() -> int:
    given = _arguments()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="lexmax-kill-") as made:
        folder = given.keep or Path(made)
        loops = Loops(folder, n_docs=given.docs, seed=given.seed, load_s=given.load_s)
        summary = loops.run(given.n, lambda line: print(line, flush=True))
    if summary.ready_s and max(summary.ready_s) > given.ready_s:
        summary.problems.append(f"a restart took {max(summary.ready_s):.2f} s")
    text = json.dumps(summary.to_json(), indent=1)
    print(text)
    if given.json:
        given.json.write_text(text)
    return 1 if summary.problems else 0


if __name__ == "__main__":
    sys.exit(_main())
