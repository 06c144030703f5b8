"""How does a service answer, seen from another process? Runs load.cpp and reads what it wrote."""

import json
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_HERE = Path(__file__).parent
_OK, _TURNED_AWAY = 200, (429, 503)
_MOST_CONNECTIONS = 512


@dataclass(frozen=True, slots=True)
class Replies:
    """All requests of one run; seconds from its start.

    Attributes:
        number: Of each, in the order in which they were due.
        due: When each was to be sent; in a closed loop, when the reply before it had come.
        sent: When a connection took it.
        done: When its reply was whole.
        status: HTTP's, 0 where the connection failed.
        seconds: For how long requests were sent.
        connections: How many were made.
    """

    number: NDArray[np.int64]
    due: NDArray[np.float64]
    sent: NDArray[np.float64]
    done: NDArray[np.float64]
    status: NDArray[np.int64]
    seconds: float
    connections: int

    @property
    def ms(self) -> NDArray[np.float64]:
        """Milliseconds from when each was due: waiting for its turn to be sent counts."""
        return (self.done - self.due) * 1e3

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """Those that were answered."""
        return self.status == _OK

    @property
    def turned_away(self) -> NDArray[np.bool_]:
        """Those that were told to come later."""
        return np.isin(self.status, _TURNED_AWAY)

    @property
    def failed(self) -> int:
        """Neither."""
        return int((~self.accepted & ~self.turned_away).sum())

    @property
    def per_second(self) -> float:
        """Answered while requests were sent."""
        return float((self.accepted & (self.done <= self.seconds)).sum()) / self.seconds

    def after(self, seconds: float) -> "Replies":
        """Without those that were due in the first seconds: a warm-up."""
        kept = self.due >= seconds
        return Replies(
            self.number[kept],
            self.due[kept] - seconds,
            self.sent[kept] - seconds,
            self.done[kept] - seconds,
            self.status[kept],
            self.seconds - seconds,
            self.connections,
        )


def percentiles(ms: NDArray[np.float64], *wanted: float) -> list[float | None]:
    """Of these milliseconds; None where there are none."""
    if not len(ms):
        return [None] * len(wanted)
    return [round(float(value), 3) for value in np.percentile(ms, wanted)]


def request(path: str, body: object, *, host: str = "127.0.0.1") -> bytes:
    """One POST of JSON over a connection that is kept."""
    sent = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(sent)}\r\n\r\n"
    )
    return head.encode() + sent


@dataclass(frozen=True, slots=True)
class Running:
    """A run that has begun."""

    process: "subprocess.Popen[str]"
    seconds: float
    out: Path

    def replies(self) -> Replies:
        """What came of it, once it has ended."""
        said, failure = self.process.communicate()
        if self.process.returncode:
            raise RuntimeError(failure.strip() or "the load generator failed")
        due, sent, done, status = np.fromfile(self.out).reshape(-1, 4).T
        order = np.argsort(due, kind="stable")
        return Replies(
            np.arange(len(due)),
            due[order],
            sent[order],
            done[order],
            status[order].astype(np.int64),
            self.seconds,
            int(json.loads(said)["connections"]),
        )


@dataclass(frozen=True, slots=True)
class Generator:
    """The compiled program, and a folder for what passes between it and us."""

    program: Path
    folder: Path

    def closed(
        self, port: int, requests: Sequence[bytes], *, connections: int, seconds: float
    ) -> Running:
        """So many clients, each asking again as soon as it is answered."""
        return self._start(port, requests, seconds, ["closed", connections, seconds])

    def open(
        self, port: int, requests: Sequence[bytes], *, rate: float, seconds: float, seed: int
    ) -> Running:
        """So many requests a second on average, whether or not others are answered."""
        return self._start(
            port, requests, seconds, ["open", rate, seconds, seed, _MOST_CONNECTIONS]
        )

    def _start(
        self, port: int, requests: Sequence[bytes], seconds: float, how: Sequence[object]
    ) -> Running:
        place = Path(tempfile.mkdtemp(dir=self.folder))
        packed = b"".join(struct.pack("<I", len(one)) + one for one in requests)
        (place / "requests").write_bytes(packed)
        files = [place / "requests", place / "out"]
        command = [self.program, "127.0.0.1", port, *files, *how]
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return Running(process, seconds, place / "out")


@contextmanager
def generator() -> Iterator[Generator]:
    """Compile load.cpp, which takes seconds."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "load"
        source = _HERE / "load.cpp"
        subprocess.run(["g++", "-std=c++20", "-O2", "-o", program, source], check=True)
        yield Generator(program, Path(folder))
