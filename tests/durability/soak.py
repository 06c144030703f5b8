"""Does the service stay as it is for as long as it runs? `make soak` looks for half an hour.

Searches by several pipelines, writes, collections that come and go, encoding and reranking, over
documents whose number stays the same. Memory, descriptors, threads and latencies are looked at all
the time; after a warm-up none of them may grow.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from served import Answer, Asking, Served

_MAIN, _PLAIN = "/v1/collections/main", "/v1/collections/plain"
_N_MAIN, _N_PLAIN = 1000, 20_000
_PIPELINES = ("bm25", "sparse", "multivector", "pooled", "hybrid", "hybrid-pooled")
_SAMPLE_EVERY_S = 2.0
_SETTINGS = {
    # Full before the warm-up ends: a cache that fills is no leak.
    "LEXMAX_QUERY_CACHE_BYTES": "2000000",
    "LEXMAX_DOCUMENT_CACHE_BYTES": "4000000",
    "LEXMAX_WARM": '["minilm"]',
}


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment; `at_s` is since the load began."""

    at_s: float
    rss_mb: float
    n_files: int
    n_threads: int


@dataclass(slots=True)
class Seen:
    """What clients saw: seconds of searches by the moment, and answers by what was asked."""

    searches: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    answers: dict[str, int] = field(default_factory=dict[str, int])
    problems: list[str] = field(default_factory=list[str])


def document(i: int, rng: random.Random) -> dict[str, Any]:
    words = " ".join(f"word{rng.randrange(3000)}" for _ in range(12))
    return {"doc_id": str(i), "text": f"cat {words}", "metadata": {"year": 2000 + i % 25}}


def query(rng: random.Random) -> str:
    return f"cat word{rng.randrange(3000)} word{rng.randrange(3000)}"


def one_request(rng: random.Random) -> tuple[str, str, str, Any]:
    """What to ask next: its kind, and method, path and body."""
    kinds: dict[str, tuple[int, Callable[[], tuple[str, str, Any]]]] = {
        "search": (40, lambda: _search(rng)),
        "search-batch": (2, lambda: _batch(rng)),
        "explain": (2, lambda: ("POST", f"{_MAIN}/explain", {"query": query(rng), "k": 3})),
        "store": (10, lambda: _store(rng)),
        "delete": (4, lambda: _delete(rng)),
        "read": (6, lambda: ("GET", f"{_PLAIN}/documents/{rng.randrange(_N_PLAIN)}", None)),
        "encode": (2, lambda: _encode(rng)),
        "rerank": (2, lambda: _rerank(rng)),
        "describe": (2, lambda: ("GET", rng.choice([_MAIN, _PLAIN, "/v1/collections"]), None)),
        "status": (1, lambda: ("GET", rng.choice(["/metrics", "/v1/status", "/ready"]), None)),
        "refused": (3, lambda: _refused(rng)),
    }
    kind = rng.choices(list(kinds), [weight for weight, _ in kinds.values()])[0]
    return (kind, *kinds[kind][1]())


def _search(rng: random.Random) -> tuple[str, str, Any]:
    if rng.random() < 0.5:
        return "POST", f"{_PLAIN}/search", {"query": query(rng), "k": rng.choice([1, 10, 100])}
    body: dict[str, Any] = {"query": query(rng), "pipeline": rng.choice(_PIPELINES)}
    if rng.random() < 0.3:
        body["filter"] = {"must": [{"field": "year", "range": {"gte": 2000 + rng.randrange(25)}}]}
    return "POST", f"{_MAIN}/search", body


def _batch(rng: random.Random) -> tuple[str, str, Any]:
    return "POST", f"{_PLAIN}/search/batch", {"searches": [{"query": query(rng)} for _ in range(8)]}


def _store(rng: random.Random) -> tuple[str, str, Any]:
    if rng.random() < 0.05:
        return "POST", f"{_MAIN}/documents", {"documents": [document(rng.randrange(_N_MAIN), rng)]}
    n = rng.choice([1, 10, 100])
    stored = [document(i, rng) for i in rng.sample(range(_N_PLAIN), n)]
    return "POST", f"{_PLAIN}/documents", {"documents": stored}


def _delete(rng: random.Random) -> tuple[str, str, Any]:
    doc_ids = [str(i) for i in rng.sample(range(_N_PLAIN), rng.choice([1, 10]))]
    return "POST", f"{_PLAIN}/documents/delete", {"doc_ids": doc_ids}


def _encode(rng: random.Random) -> tuple[str, str, Any]:
    texts = [query(rng) for _ in range(rng.choice([1, 8]))]
    body: dict[str, Any] = {"texts": texts, "multivector": "minilm"}
    return "POST", "/v1/encode", body | ({"pooled": "minilm-pooled"} if rng.random() < 0.5 else {})


def _rerank(rng: random.Random) -> tuple[str, str, Any]:
    texts = [query(rng) for _ in range(rng.choice([2, 20]))]
    return "POST", "/v1/rerank", {"query": query(rng), "documents": texts}


def _refused(rng: random.Random) -> tuple[str, str, Any]:
    """What is refused must not stay in memory either."""
    return rng.choice(
        [
            ("POST", f"{_MAIN}/search", {"query": "a" * 9000}),
            ("POST", f"{_MAIN}/search", {"query": "cat", "unknown": rng.random()}),
            ("GET", f"/v1/collections/none-{rng.randrange(10**9)}", None),
            ("GET", f"/nowhere/{rng.random()}", None),
            ("POST", f"{_MAIN}/search", {"query": "cat", "filter": f"none{rng.random()}=1"}),
        ]
    )


def is_right(kind: str, answer: Answer) -> bool:
    """Whether that is an answer to it."""
    if answer.status == 503:
        return answer.code == "overloaded" and "retry-after" in answer.headers
    if kind == "refused":
        return 400 <= answer.status < 500
    return answer.status < 300 or (kind == "read" and answer.code == "document_not_found")


class Clients:
    """Threads that ask until they are stopped."""

    def __init__(self, served: Served, *, n: int, seed: int) -> None:
        self.seen, self.began = Seen(), time.monotonic()
        self._served, self._over, self._lock = served, threading.Event(), threading.Lock()
        jobs = [self._ask] * n + [self._come_and_go]
        self._threads = [
            threading.Thread(target=self._run, args=(job, random.Random(f"{seed}/{i}")))
            for i, job in enumerate(jobs)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> Seen:
        self._over.set()
        for thread in self._threads:
            thread.join()
        return self.seen

    def _run(self, job: Callable[[Asking, random.Random], None], rng: random.Random) -> None:
        with self._served.asking() as ask:
            while not self._over.is_set():
                try:
                    job(ask, rng)
                except Exception as error:
                    self.seen.problems.append(repr(error))
                    self._over.wait(1)

    def _ask(self, ask: Asking, rng: random.Random) -> None:
        kind, method, path, body = one_request(rng)
        start = time.monotonic()
        answer = ask(method, path, body)
        if kind == "search" and answer.status == 200:
            self.seen.searches.append((start - self.began, time.monotonic() - start))
        self._note(kind, answer)
        self._over.wait(rng.expovariate(1 / 0.02))

    def _come_and_go(self, ask: Asking, rng: random.Random) -> None:
        """A collection is made, filled, named, searched, copied and deleted."""
        name = f"side-{rng.randrange(3)}"
        path = f"/v1/collections/{name}"
        stored = {"documents": [document(i, rng) for i in range(200)]}
        for method, asked, body in (
            ("PUT", path, {"multivector": None}),
            ("POST", f"{path}/documents", stored),
            ("PUT", "/v1/aliases/newest", {"collection": name}),
            ("POST", "/v1/collections/newest/search", {"query": "cat"}),
            ("POST", f"{path}/flush", None),
            ("POST", f"{path}/snapshot", None),
            ("DELETE", "/v1/aliases/newest", None),
            ("DELETE", path, None),
        ):
            answer = ask(method, asked, body)
            while answer.status == 503:
                self._note("come-and-go", answer)
                self._over.wait(0.2)
                answer = ask(method, asked, body)
            self._note("come-and-go", answer)
        self._over.wait(1)

    def _note(self, kind: str, answer: Answer) -> None:
        with self._lock:
            name = f"{kind} {answer.status}"
            self.seen.answers[name] = self.seen.answers.get(name, 0) + 1
        if not is_right(kind, answer):
            self.seen.problems.append(f"{kind} got {answer.status} {answer.content[:300]!r}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What may grow, and by how much; shares are of the value after the warm-up."""

    rss_mb_per_minute: float = 1.0
    files: int = 20
    threads: int = 4
    p99_share: float = 0.25


def slope(at_s: Sequence[float], values: Sequence[float]) -> float:
    """Of the line through them by least squares, per minute."""
    return float(np.polyfit(np.array(at_s) / 60, values, 1)[0]) if len(at_s) > 1 else 0.0


def judged(
    samples: Sequence[Sample], seen: Seen, *, warm_s: float, limits: Limits
) -> tuple[dict[str, Any], list[str]]:
    """What has grown since the warm-up, and what of it is too much."""
    warm = [one for one in samples if one.at_s >= warm_s]
    third = max(1, len(warm) // 3)
    first, last = warm[:third], warm[-third:]

    def grown(read: Callable[[Sample], float]) -> float:
        # The lowest: segments come and go with merges, what leaks stays.
        return min(map(read, last)) - min(map(read, first))

    middle = warm_s + (samples[-1].at_s - warm_s) / 2
    early = [took for at, took in seen.searches if warm_s <= at < middle]
    late = [took for at, took in seen.searches if at >= middle]
    p99 = [float(np.percentile(found, 99)) * 1e3 if found else 0.0 for found in (early, late)]
    found = {
        "rss_mb": [warm[0].rss_mb, warm[-1].rss_mb],
        "rss_mb_per_minute": slope([one.at_s for one in warm], [one.rss_mb for one in warm]),
        "files_grown": grown(lambda one: one.n_files),
        "threads_grown": grown(lambda one: one.n_threads),
        "p99_ms": p99,
        "searches": len(seen.searches),
        "answers": seen.answers,
    }
    problems = list(dict.fromkeys(seen.problems))
    if found["rss_mb_per_minute"] >= limits.rss_mb_per_minute:
        problems.append(f"memory grows by {found['rss_mb_per_minute']:.2f} MB a minute")
    if found["files_grown"] > limits.files:
        problems.append(f"descriptors have grown by {found['files_grown']:.0f}")
    if found["threads_grown"] > limits.threads:
        problems.append(f"threads have grown by {found['threads_grown']:.0f}")
    if p99[1] > p99[0] * (1 + limits.p99_share):
        problems.append(f"p99 of searches has grown from {p99[0]:.1f} to {p99[1]:.1f} ms")
    return found, problems


def fill(ask: Asking) -> None:
    """Two collections: a small one with every index, a larger one of terms."""
    rng = random.Random(0)
    every = {"multivector": "minilm", "pooled": "minilm-pooled", "fields": {"year": "integer"}}
    for path, spec, n in ((_MAIN, every, _N_MAIN), (_PLAIN, {"multivector": None}, _N_PLAIN)):
        assert ask("PUT", path, spec).status == 201
        for start in range(0, n, 500):
            stored = [document(i, rng) for i in range(start, min(start + 500, n))]
            assert ask("POST", f"{path}/documents", {"documents": stored}).status == 200


def soaked(
    folder: Path, *, minutes: float, n_clients: int, seed: int, told: Callable[[str], None]
) -> tuple[dict[str, Any], list[str]]:
    """Ask for so long; what was seen, and what is wrong with it."""
    with Served(folder / "data", folder / "log.jsonl", environment=_SETTINGS) as served:
        served.ready()
        with served.asking() as ask:
            fill(ask)
        clients = Clients(served, n=n_clients, seed=seed)
        try:
            samples = list(sampled(served, clients, seconds=minutes * 60, told=told))
        finally:
            seen = clients.stop()
        found, problems = judged(samples, seen, warm_s=minutes * 60 / 5, limits=Limits())
        if code := served.stop():
            problems.append(f"it stopped with exit code {code}")
        problems += [str(entry) for entry in served.failures() if entry["level"] == "error"]
    return found, problems


def sampled(
    served: Served, clients: Clients, *, seconds: float, told: Callable[[str], None]
) -> Iterator[Sample]:
    """A sample every few seconds; a line of a table every minute."""
    said = 0
    told("minute  RSS MB  files  threads  searches  p99 ms")
    while (at_s := time.monotonic() - clients.began) < seconds:
        one = Sample(at_s, served.rss_mb(), served.n_files(), served.n_threads())
        yield one
        if at_s // 60 > said:
            said = int(at_s // 60)
            took = [t for at, t in list(clients.seen.searches) if at >= at_s - 60]
            p99 = float(np.percentile(took, 99)) * 1e3 if took else 0.0
            told(
                f"{said:6} {one.rss_mb:7.1f} {one.n_files:6} {one.n_threads:8} "
                f"{len(took):9} {p99:7.1f}"
            )
        time.sleep(_SAMPLE_EVERY_S)


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where the result goes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lexmax-soak-") as made:
        found, problems = soaked(
            Path(made),
            minutes=given.minutes,
            n_clients=given.clients,
            seed=given.seed,
            told=lambda line: print(line, flush=True),
        )
    text = json.dumps({"limits": asdict(Limits()), **found, "problems": problems}, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(_main())
