"""A real `lexmax serve` on loopback: started, asked, stopped, killed, and looked at."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

SERVE = (sys.executable, "-m", "lexmax.cli", "serve")
PATIENCE_S = 120.0
_TICKS = os.sysconf("SC_CLK_TCK")
_JSON = {"content-type": "application/json"}

# What a client sees of a server that was killed, whenever it is killed.
CUT_OFF = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one request."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        """Of a problem; empty where there is none."""
        problem = self.headers.get("content-type", "").startswith("application/problem+json")
        return str(self.value["code"]) if problem else ""


class Asking:
    """One connection, kept open, of one thread; nothing is sent twice."""

    def __init__(self, port: int, *, timeout_s: float = PATIENCE_S) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)

    def __call__(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        """The answer; raises one of `CUT_OFF` where there is none, after which it may have been
        done, or not."""
        body = json.dumps(value).encode() if value is not None else content
        sent = {**(_JSON if body is not None else {}), **(headers or {})}
        try:
            self._connection.request(method, path, body=body, headers=sent)
            reply = self._connection.getresponse()
            found = reply.read()
        except CUT_OFF:
            self._connection.close()
            raise
        named = {name.lower(): said for name, said in reply.getheaders()}
        return Answer(reply.status, named, found)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> "Asking":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()


class Served:
    """One process; what it logs goes to a file, so that no full pipe ever holds it up."""

    def __init__(
        self,
        data: Path,
        log: Path,
        *,
        port: int = 0,
        command: Sequence[str] = SERVE,
        environment: Mapping[str, str] | None = None,
        **named: Any,
    ) -> None:
        """`named` goes to Popen."""
        self.log = log
        self.started_at = time.monotonic()
        self._port = port
        settings = {"LEXMAX_WARM": "[]", "OMP_NUM_THREADS": "1", **(environment or {})}
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*command, "--data", str(data), "--port", str(port)],
                env={**os.environ, **settings},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                **named,
            )

    def __enter__(self) -> "Served":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def port(self) -> int:
        """Where it listens; waits until it does."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._port and time.monotonic() < deadline and self.process.poll() is None:
            self._port = next((e["port"] for e in self.entries() if e["event"] == "listening"), 0)
            time.sleep(0.01)
        if not self._port:
            raise AssertionError(f"it does not listen; its log: {self.log.read_text()[-2000:]}")
        return self._port

    def asking(self, *, timeout_s: float = PATIENCE_S) -> Asking:
        """A new connection, to be closed."""
        return Asking(self.port, timeout_s=timeout_s)

    def ready(self, *, within_s: float = PATIENCE_S) -> float:
        """Wait until it is ready; seconds since it was started."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with self.asking() as ask:
                    if ask("GET", "/ready").status == 200:
                        return time.monotonic() - self.started_at
            except CUT_OFF:
                pass
            time.sleep(0.01)
        raise AssertionError(f"it did not become ready; {self.failures()}")

    def kill(self) -> None:
        """SIGKILL; nothing of it runs when this returns."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def entries(self) -> list[dict[str, Any]]:
        """Whole lines of its log so far."""
        lines = self.log.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith(b"{")]

    def failures(self) -> list[dict[str, Any]]:
        """What its log warns of."""
        return [entry for entry in self.entries() if entry["level"] != "info"]

    def cpu_s(self) -> float:
        """Seconds that its threads have run, whoever else used the cores."""
        fields = self._proc("stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss_mb(self) -> float:
        """Memory that is its own: not what it shares with the page cache."""
        said = dict(line.split(":", 1) for line in self._proc("status").splitlines())
        return int(said["RssAnon"].split()[0]) / 1024

    def n_files(self) -> int:
        """Open descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def n_threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def _proc(self, name: str) -> str:
        return Path(f"/proc/{self.process.pid}/{name}").read_text()
