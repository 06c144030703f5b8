"""Is an accepted request ever dropped when processes are restarted? `make rolling-restarts`.

Two processes serve one folder, one of which writes. Clients send searches to whichever says that it
is ready, and writes to the one, over connections that they keep. One after the other the processes
are told to stop (SIGTERM) and started again. Only a refused connection is tried again: whatever was
accepted must be answered.
"""

import argparse
import json
import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from served import CUT_OFF, Answer, Asking, Served

DRAIN_S = 1.0
_LOOK_EVERY_S = 0.05
_PETS = "/v1/collections/pets"
_READ_ONLY = (False, True)


@dataclass(slots=True)
class Summary:
    """Of all restarts."""

    restarts: int = 0
    answered: int = 0
    refused_connections: int = 0
    overloaded: int = 0
    writes: int = 0
    stop_s: list[float] = field(default_factory=list[float])
    problems: list[str] = field(default_factory=list[str])

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "stop_s": {"max": max(self.stop_s, default=0.0)}}


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Processes:
    """Those that serve the folder, and which of them want requests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = [free_port() for _ in _READ_ONLY]
        self.served = [self._started(i) for i in range(len(_READ_ONLY))]
        for one in self.served:
            one.ready()
        self.wanted = [True] * len(self.served)
        self.starts = [0] * len(self.served)
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look)
        self._watch.start()

    def close(self) -> None:
        self._over.set()
        self._watch.join()
        for one in self.served:
            one.kill()

    def restart(self, i: int) -> tuple[int, float]:
        """Stop one, and start it again; its exit code, and the seconds that stopping took."""
        began = time.monotonic()
        code = self.served[i].stop()
        seconds = time.monotonic() - began
        self.served[i] = self._started(i)
        self.starts[i] += 1
        self.served[i].ready()
        while not self.wanted[i]:
            time.sleep(_LOOK_EVERY_S)
        return code, seconds

    def port(self, i: int) -> int:
        return self._ports[i]

    def _started(self, i: int) -> Served:
        settings = {
            "LEXMAX_DRAIN_SECONDS": str(DRAIN_S),
            "LEXMAX_READ_ONLY": str(_READ_ONLY[i]).lower(),
        }
        log = self._folder / f"log-{i}.jsonl"
        return Served(self._folder / "data", log, port=self._ports[i], environment=settings)

    def _look(self) -> None:
        """As a load balancer does."""
        while not self._over.wait(_LOOK_EVERY_S):
            for i, port in enumerate(self._ports):
                try:
                    with Asking(port, timeout_s=5) as ask:
                        self.wanted[i] = ask("GET", "/ready").status == 200
                except CUT_OFF:
                    self.wanted[i] = False


class Sender:
    """Of one thread: connections that are kept as long as their process wants requests."""

    def __init__(self, processes: Processes, summary: Summary, rng: random.Random) -> None:
        self._processes, self._summary, self._rng = processes, summary, rng
        self._kept: dict[int, tuple[int, Asking]] = {}

    def close(self) -> None:
        for _, connection in self._kept.values():
            connection.close()
        self._kept.clear()

    def __call__(self, among: Sequence[int], method: str, path: str, **named: Any) -> Answer | None:
        """The answer of one of these processes; None where none has room now."""
        while True:
            wanted = [i for i in among if self._processes.wanted[i]]
            if not wanted:
                time.sleep(_LOOK_EVERY_S)
                continue
            try:
                answer = self._connection(self._rng.choice(wanted))(method, path, **named)
            except ConnectionRefusedError:
                self._summary.refused_connections += 1
                time.sleep(_LOOK_EVERY_S)
                continue
            if answer.code == "overloaded":
                self._summary.overloaded += 1
                time.sleep(0.02)
                return None
            self._summary.answered += 1
            return answer

    def _connection(self, i: int) -> Asking:
        for one, (_, connection) in list(self._kept.items()):
            if not self._processes.wanted[one]:
                connection.close()
                del self._kept[one]
        start = self._processes.starts[i]
        if self._kept.get(i, (start,))[0] != start:
            self._kept.pop(i)[1].close()
        if i not in self._kept:
            self._kept[i] = (start, Asking(self._processes.port(i)))
        return self._kept[i][1]


class Clients:
    """Threads that ask, and note whatever is not answered as it should be."""

    def __init__(self, processes: Processes, *, n_searching: int, seed: int) -> None:
        self.summary = Summary()
        self._processes = processes
        self._over = threading.Event()
        self.n_added = 0
        jobs = [self._write, self._write_slowly, *[self._search] * n_searching]
        self._threads = [
            threading.Thread(target=self._run, args=(job, random.Random(f"{seed}/{i}")))
            for i, job in enumerate(jobs)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> Summary:
        """Wait for the last answers."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        return self.summary

    def _run(self, job: Callable[[Sender, random.Random], None], rng: random.Random) -> None:
        send = Sender(self._processes, self.summary, rng)
        while not self._over.is_set():
            try:
                job(send, rng)
            except Exception as error:  # an answer that did not come, or another one
                self.summary.problems.append(f"{job.__name__}: {error!r}")
                send.close()
        send.close()

    def _search(self, send: Sender, rng: random.Random) -> None:
        query = {"query": f"cat w{rng.randrange(50)}", "k": 10}
        answer = send((0, 1), "POST", f"{_PETS}/search", value=query)
        if answer is not None and (answer.status != 200 or len(answer.value["hits"]) != 10):
            raise AssertionError(f"a search got {answer.status} {answer.content[:200]!r}")
        time.sleep(0.01)

    def _write(self, send: Sender, rng: random.Random) -> None:
        wanted = [document(self.n_added + i) for i in range(rng.choice([1, 10, 100]))]
        answer = send((0,), "POST", f"{_PETS}/documents", value={"documents": wanted})
        if answer is not None:
            self._stored(answer, len(wanted))
            self.n_added += len(wanted)
            self.summary.writes += 1
        time.sleep(0.02)

    def _write_slowly(self, send: Sender, rng: random.Random) -> None:
        """A body that takes a part of the drain to arrive."""

        def parts() -> Iterator[bytes]:
            content = json.dumps({"documents": [document(-1)]}).encode()
            yield content[:20]
            time.sleep(rng.random() * DRAIN_S / 2)
            yield content[20:]

        answer = send((0,), "POST", f"{_PETS}/documents", content=parts())
        if answer is not None and answer.status != 200:
            raise AssertionError(f"a slow write got {answer.status} {answer.content[:200]!r}")

    def _stored(self, answer: Answer, n: int) -> None:
        if answer.status != 200 or answer.value["added"] != n:
            raise AssertionError(f"a write got {answer.status} {answer.content[:200]!r}")


def document(i: int) -> dict[str, str]:
    return {"doc_id": str(i), "text": f"cat number {i} w{i % 50} w{i % 49}"}


def restarted(n: int, folder: Path, *, seed: int, told: Callable[[str], None]) -> Summary:
    """Restart one process after the other, so many times in all."""
    processes = Processes(folder)
    try:
        with Asking(processes.port(0)) as ask:
            assert ask("PUT", _PETS, {"multivector": None}).status == 201
            first = {"documents": [document(-1 - i) for i in range(500)]}
            assert ask("POST", f"{_PETS}/documents", first).status == 200
        clients = Clients(processes, n_searching=4, seed=seed)
        summary = clients.summary
        while summary.restarts < n and not summary.problems:
            code, seconds = processes.restart(summary.restarts % 2)
            summary.restarts += 1
            summary.stop_s.append(seconds)
            if code:
                summary.problems.append(f"it stopped with exit code {code}")
            told(f"{summary.restarts}/{n}: {summary.answered} answered, stopped in {seconds:.1f} s")
        clients.stop()
        with Asking(processes.port(0)) as ask:
            n_docs = ask("GET", _PETS).value["n_docs"]
        expected = 500 + clients.n_added
        if n_docs != expected and not summary.problems:
            summary.problems.append(f"expected {expected} documents, found {n_docs}")
    finally:
        processes.close()
    return summary


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=100, help="restarts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where the summary goes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lexmax-restarts-") as made:
        summary = restarted(
            given.n, Path(made), seed=given.seed, told=lambda line: print(line, flush=True)
        )
    text = json.dumps(summary.to_json(), indent=1)
    print(text)
    if given.json:
        given.json.write_text(text)
    return 1 if summary.problems else 0


if __name__ == "__main__":
    sys.exit(_main())
