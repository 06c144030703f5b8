"""What is measured of a service? Each function asks one question and answers with figures."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from load import Generator, Replies, percentiles, request
from servers import Held, Server
from workload import small_documents

CONCURRENCY = (1, 2, 4, 8, 16, 32, 64)
OVERLOADS = (1, 2, 3)
_WARM_S = 1.0
_SEED = 11


@dataclass(frozen=True, slots=True)
class Asking:
    """What every measurement is given: the generator, the queries, and seconds for a part."""

    generator: Generator
    texts: Sequence[str]
    k: int
    seconds: float
    rounds: int

    def requests(self, server: Server) -> list[bytes]:
        """A search for each query."""
        return [request(server.path, {"query": text, "k": self.k}) for text in self.texts]

    def closed(self, server: Server, connections: int) -> Replies:
        """Replies to so many clients, after a warm-up."""
        asked = self.requests(server)
        seconds = self.seconds + _WARM_S
        running = self.generator.closed(
            server.port, asked, connections=connections, seconds=seconds
        )
        return running.replies().after(_WARM_S)

    def open(self, server: Server, rate: float, seed: int = _SEED) -> Replies:
        """Replies to so many requests a second, after a warm-up."""
        asked = self.requests(server)
        seconds = self.seconds + _WARM_S
        running = self.generator.open(server.port, asked, rate=rate, seconds=seconds, seed=seed)
        return running.replies().after(_WARM_S)


def overhead(server: Server, collection: Path, asking: Asking) -> dict[str, Any]:
    """One client over HTTP beside the same queries in this process, in turns.

    The overhead of a request is its time less the median time of its query in this process.
    """
    from lexmax.collection import Collection

    here: list[list[float]] = [[] for _ in asking.texts]
    there: list[Replies] = []
    with Collection.open(collection) as opened:
        _in_process(opened.search, asking, here)
        for times in here:
            times.clear()  # the first round has warmed up
        for _ in range(asking.rounds):
            _in_process(opened.search, asking, here)
            there.append(asking.closed(server, 1))
            _require_answers(there[-1], server)
    alone = np.array([np.median(times) for times in here])
    more = [one.ms - alone[one.number % len(alone)] for one in there]
    return {
        "in_process_ms": percentiles(np.concatenate([np.array(times) for times in here]), 50, 99),
        "http_ms": percentiles(np.concatenate([one.ms for one in there]), 50, 99),
        "overhead_ms": percentiles(np.concatenate(more), 50, 99),
    }


def _in_process(search: Callable[..., Any], asking: Asking, times: list[list[float]]) -> None:
    ends_at = time.perf_counter() + asking.seconds
    while time.perf_counter() < ends_at:
        for i, text in enumerate(asking.texts):
            began = time.perf_counter_ns()
            search(text, asking.k)
            times[i].append((time.perf_counter_ns() - began) / 1e6)


def peak(
    server: Server, asking: Asking, concurrency: Sequence[int] = CONCURRENCY
) -> dict[str, Any]:
    """Answers a second for so many clients, and the most of them."""
    rows = []
    for connections in concurrency:
        replies = asking.closed(server, connections)
        _require_answers(replies, server)
        p50, p99 = percentiles(replies.ms[replies.accepted], 50, 99)
        rows.append(
            {
                "clients": connections,
                "per_second": round(replies.per_second, 1),
                "p50_ms": p50,
                "p99_ms": p99,
                "turned_away": int(replies.turned_away.sum()),
            }
        )
    return {"rows": rows, "peak": max(row["per_second"] for row in rows)}


def overload(server: Server, peak: float, asking: Asking) -> list[dict[str, Any]]:
    """Once, twice and three times as many requests a second as can be answered."""
    rows = []
    for number in range(asking.rounds):
        for times in OVERLOADS:
            with Held(server.pid) as held:
                replies = asking.open(server, times * peak, seed=_SEED + number)
            rows.append({"times": times, **_overload_figures(replies, peak), **held.figures()})
    return rows


def _overload_figures(replies: Replies, peak: float) -> dict[str, Any]:
    accepted, away = replies.ms[replies.accepted], replies.ms[replies.turned_away]
    late = (replies.sent - replies.due) * 1e3
    return {
        "asked_per_second": round(len(replies.ms) / replies.seconds, 1),
        "answered_per_second": round(replies.per_second, 1),
        "goodput": round(replies.per_second / peak, 3),
        "accepted_ms": percentiles(accepted, 50, 99),
        "turned_away_ms": percentiles(away, 50, 99),
        "turned_away": len(away),
        "failed": replies.failed,
        "connections": replies.connections,
        "sent_late_ms": percentiles(late, 50, 99),
    }


def upserts(
    server: Server, writer: Server, rate: float, asking: Asking, *, batch: int, into: str
) -> dict[str, Any]:
    """Documents with term weights acknowledged a second, and what 2,000 a second do to searches.

    `server` answers the searches, `rate` of them a second; `writer` may be the same. The greatest
    rate of documents is that of one client in a closed loop. What was written is deleted again.
    """
    seconds = asking.seconds + _WARM_S
    path = f"/v1/collections/{into}/documents"
    before = asking.open(server, rate)
    paced = _batches(path, 0, batch, n=round(seconds * WANTED_DOCS / batch * 1.3) + 20)
    writing = asking.generator.open(
        writer.port, paced, rate=WANTED_DOCS / batch, seconds=seconds, seed=_SEED
    )
    during = asking.open(server, rate)
    written = writing.replies()
    many = _batches(path, _FASTEST_FROM, batch, n=round(asking.seconds * _MOST_DOCS / batch))
    running = asking.generator.closed(writer.port, many, connections=1, seconds=asking.seconds)
    alone = running.replies()
    for replies in (before, during, written, alone):
        _require_answers(replies, server)
    _delete(writer, path, len(written.ms) * batch, batch, first=0)
    _delete(writer, path, len(alone.ms) * batch, batch, first=_FASTEST_FROM)
    return {
        "batch": batch,
        "into": into,
        "fastest_docs_per_second": round(alone.per_second * batch),
        "fastest_ms": percentiles(alone.ms, 50, 99),
        "paced_docs_per_second": round(written.per_second * batch),
        "paced_ms": percentiles(written.ms, 50, 99),
        "searches_per_second": round(rate, 1),
        "search_before_ms": percentiles(before.ms[before.accepted], 50, 99),
        "search_during_ms": percentiles(during.ms[during.accepted], 50, 99),
        "turned_away_during": int(during.turned_away.sum()),
    }


WANTED_DOCS = 2000
_MOST_DOCS = 20_000
_FASTEST_FROM = 10_000_000


def _batches(path: str, first: int, batch: int, *, n: int) -> list[bytes]:
    return [
        request(path, {"documents": small_documents(batch, first + i * batch)}) for i in range(n)
    ]


def _delete(server: Server, path: str, n: int, batch: int, *, first: int) -> None:
    step = 1000 // batch * batch or batch
    for start in range(first, first + n, step):
        ids = [f"w{number}" for number in range(start, min(start + step, first + n))]
        server.ask(f"{path}/delete", {"doc_ids": ids})


def found_ids(server: Server, texts: Sequence[str], k: int) -> list[list[str]]:
    """The ids that it finds for each query."""
    replies = [server.ask(server.path, {"query": text, "k": k}) for text in texts]
    return [[hit["doc_id"] for hit in reply["hits"]] for reply in replies]


def overlap(ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]) -> float:
    """The mean share of ours that is in theirs."""
    shares = [
        len(set(a) & set(b)) / len(a) for a, b in zip(ours, theirs, strict=True) if len(a) > 0
    ]
    return round(float(np.mean(shares)), 4)


def _require_answers(replies: Replies, server: Server) -> None:
    if replies.failed:
        kinds = json.dumps({str(s): int((replies.status == s).sum()) for s in set(replies.status)})
        raise RuntimeError(f"{server.name}: {replies.failed} requests failed; statuses {kinds}")
