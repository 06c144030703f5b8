"""The load generator of benchmarks/service counts what it should, and the report adds up."""

import importlib
import shutil
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "service"
REPLY = b"HTTP/1.1 %d Said\r\nContent-Length: 4\r\nX: y\r\n\r\n1234"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the benchmark by name."""
    for folder in (_BENCHMARK.parent, _BENCHMARK):
        monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module


class Answering(socketserver.StreamRequestHandler):
    """Answers requests of one connection; the server says how."""

    def handle(self) -> None:
        stub = self.server
        assert isinstance(stub, Stub)
        while self.rfile.readline():
            length = 0
            while (line := self.rfile.readline().lower()) != b"\r\n":
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            self.rfile.read(length)
            status = stub.status()
            if not status:
                return
            self.wfile.write(REPLY % status)


class Stub(socketserver.ThreadingTCPServer):
    """A service that stalls once, turns some away, or hangs up."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.port = int(self.server_address[1])
        self.n = 0
        self.stall_s = 0.0
        self.stalled_until = 0.0
        self.away_every = self.hang_up_every = 1 << 30
        self.lock = threading.Lock()

    def status(self) -> int:
        with self.lock:
            self.n += 1
            n = self.n
            if self.stall_s and not self.stalled_until:
                self.stalled_until = time.monotonic() + self.stall_s
        time.sleep(max(self.stalled_until - time.monotonic(), 0))
        if n % self.hang_up_every == 0:
            return 0
        return 503 if n % self.away_every == 0 else 200


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    patch = pytest.MonkeyPatch()
    for folder in (_BENCHMARK.parent, _BENCHMARK):
        patch.syspath_prepend(str(folder))
    load = importlib.import_module("load")
    with load.generator() as made:
        yield made
    patch.undo()


def asked(module: Any) -> list[bytes]:
    return [module("load").request("/search", {"query": text}) for text in ("a", "b c")]


def test_a_closed_loop_keeps_its_connections(module: Any, program: Any, stub: Stub) -> None:
    stub.away_every = 5
    replies = program.closed(stub.port, asked(module), connections=3, seconds=0.3).replies()
    assert replies.connections == 3
    assert len(replies.ms) == stub.n >= 3
    assert replies.failed == 0
    assert replies.turned_away.sum() == stub.n // 5
    assert replies.accepted.sum() == stub.n - stub.n // 5
    assert (replies.ms > 0).all()


def test_an_open_loop_counts_from_when_a_request_was_due(
    module: Any, program: Any, stub: Stub
) -> None:
    """A stall is paid by all that come meanwhile, not only by those that it meets."""
    stub.stall_s = 0.4
    running = program.open(stub.port, asked(module), rate=200, seconds=0.6, seed=3)
    replies = running.replies()
    again = program.open(stub.port, asked(module), rate=200, seconds=0.6, seed=3).replies()
    assert np.allclose(replies.due, again.due)
    assert 60 <= len(replies.ms) <= 180
    assert (np.diff(replies.due) >= 0).all()
    early = replies.due < 0.15
    assert early.sum() >= 10
    assert (replies.ms[early] > 200).all()
    assert replies.ms.max() >= 390


def test_a_connection_that_breaks_is_a_failure(module: Any, program: Any, stub: Stub) -> None:
    stub.hang_up_every = 1
    replies = program.closed(stub.port, asked(module), connections=1, seconds=0.1).replies()
    assert replies.failed == len(replies.ms) > 0


def test_a_warm_up_is_left_out(module: Any) -> None:
    load = module("load")
    due = np.array([0.5, 1.0, 1.5])
    whole = load.Replies(
        np.arange(3), due, due, due + np.array([0.1, 0.2, 0.9]), np.array([200, 503, 200]), 2.0, 1
    )
    left = whole.after(1.0)
    assert left.number.tolist() == [1, 2]
    assert left.seconds == 1.0
    assert left.per_second == 0.0  # the last one came after the end
    assert whole.per_second == 0.5
    assert load.percentiles(left.ms[left.turned_away], 50) == [200.0]
    assert load.percentiles(left.ms[:0], 50, 99) == [None, None]


def row(times: int, goodput: float, p99: float) -> dict[str, Any]:
    return {
        "times": times,
        "goodput": goodput,
        "accepted_ms": [1.0, p99],
        "turned_away_ms": [0.5, 9.0],
        "rss_mb_first": 100.0,
        "rss_mb_last": 101.0,
    }


def test_what_must_be_reached_is_told(module: Any) -> None:
    printed = module("printed")
    figures: dict[str, Any] = {
        "overhead": {"overhead_ms": [1.0, 6.0]},
        "peak": {"peak": 299.6},
        "overload": [row(1, 0.9, 20.0), row(2, 0.9, 30.0), row(3, 0.85, 50.0)],
        "upserts": {
            "fastest_docs_per_second": 2500,
            "search_before_ms": [1.0, 10.0],
            "search_during_ms": [1.0, 16.0],
        },
    }
    figures["upserts_apart"] = figures["upserts"] | {"search_during_ms": [1.0, 14.0]}
    said = printed.targets(figures)
    assert [line.split()[0] for line in said] == [
        *("reached", "MISSED", "MISSED"),
        *("reached", "MISSED", "reached", "reached"),
        *("reached", "MISSED"),
        *("reached", "reached"),
    ]
    assert "x 2.50" in said[4]
    assert "in one process: x 1.60" in said[-3]
    assert printed.targets({}) == []


def test_documents_that_are_written_are_those_of_their_numbers(module: Any) -> None:
    workload = module("workload")
    first = workload.small_documents(3, 7)
    assert [one["doc_id"] for one in first] == ["w7", "w8", "w9"]
    assert first == workload.small_documents(3, 7)
    assert all(0 < len(one["vectors"]["sparse"]) <= 30 for one in first)
    assert workload.small_documents(1, 8)[0]["vectors"] != first[1]["vectors"]
