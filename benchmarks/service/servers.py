"""Which services are measured, and what do they hold? Started, watched and stopped here."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from workload import Workload

_HERE = Path(__file__).parent
_SHARED = _HERE.parent
_PATIENCE_S = 300.0
_LOOK_EVERY_S = 0.25
ENVIRONMENTS = {"qdrant": "peers", "lucene": "lucene"}


@dataclass(frozen=True, slots=True)
class Server:
    """One that listens on 127.0.0.1; `path` is its route that searches."""

    name: str
    port: int
    pid: int
    path: str

    def ask(self, path: str, body: object | None = None, method: str = "POST") -> Any:
        """What it answers to one request."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"content-type": "application/json"},
            method=method,
        )
        with _OPENER.open(request, timeout=60) as reply:
            return json.loads(reply.read())


# Whatever proxy the environment names: this is loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def lexmax_service(
    workload: Workload, settings: Mapping[str, object], log: Path
) -> Iterator[Server]:
    """`lexmax serve` over the collection, with these LEXMAX_* settings."""
    port = _free_port()
    command = [sys.executable, "-m", "lexmax.cli", "serve", "--data", str(workload.served)]
    given = {f"LEXMAX_{name.upper()}": str(value) for name, value in settings.items()}
    environment = os.environ | {"LEXMAX_WARM": "[]"} | given
    with _started([*command, "--port", str(port)], environment, _SHARED, log) as process:
        server = Server("lexmax service", port, process.pid, workload.search_path)
        _wait_until_ready(server, process, log)
        yield server


@contextmanager
def minimal_app(system: str, workload: Workload, *, threads: int, log: Path) -> Iterator[Server]:
    """A system behind the least HTTP service: minimal_app.py."""
    environment = ENVIRONMENTS.get(system)
    python = sys.executable
    if environment is not None:
        python = str(_SHARED / ".environments" / environment / "bin" / "python")
    if not Path(python).exists():
        raise RuntimeError(f"{system}: no environment; run the two environments.sh")
    over = workload.vectors / "indexes" / system
    place = workload.collection if environment is None else over
    port = _free_port()
    command = [python, "minimal_app.py", system, str(port), str(threads), str(place)]
    with _started(command, os.environ | _ONE_THREAD, _HERE, log) as process:
        server = Server(f"{system}, least service", port, process.pid, "/search")
        _wait_until_ready(server, process, log)
        yield server


_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "RAYON")}


@contextmanager
def _started(
    command: list[str], environment: Mapping[str, str], folder: Path, log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("ab") as said:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _wait_until_ready(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends_at = time.monotonic() + _PATIENCE_S
    while time.monotonic() < ends_at and process.poll() is None:
        try:
            server.ask("/ready", method="GET")
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    last = log.read_text(errors="replace").strip().splitlines()[-3:]
    raise RuntimeError(f"{server.name} did not become ready: {' / '.join(last)}")


@dataclass(slots=True)
class Held:
    """What a process holds while the block runs: resident bytes and descriptors, over time."""

    pid: int
    rss: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Held":
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        assert self._thread is not None
        self._thread.join()

    def figures(self) -> dict[str, float]:
        """The first, the last and the largest of each; megabytes."""
        rss = [bytes_ / 1e6 for bytes_ in self.rss]
        return {
            "rss_mb_first": round(rss[0], 1),
            "rss_mb_last": round(rss[-1], 1),
            "rss_mb_most": round(max(rss), 1),
            "descriptors_first": self.descriptors[0],
            "descriptors_last": self.descriptors[-1],
            "descriptors_most": max(self.descriptors),
        }

    def _watch(self) -> None:
        page = os.sysconf("SC_PAGESIZE")
        while True:
            statm = Path(f"/proc/{self.pid}/statm").read_text().split()
            self.rss.append(int(statm[1]) * page)
            self.descriptors.append(len(os.listdir(f"/proc/{self.pid}/fd")))
            if self._over.wait(_LOOK_EVERY_S):
                return
