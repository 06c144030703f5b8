"""Nothing is acknowledged before the disk has it: the order of the calls of the service."""

import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from served import SERVE, Asking, Served

PETS = "/v1/collections/pets"
_CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)$")
_SYNCS = frozenset({"fsync", "fdatasync"})
_WATCHED = "fsync,fdatasync,write,writev,sendto,sendmsg"


def synced_before_reply(lines: Sequence[str]) -> set[str]:
    """Names of files and folders that were on the disk before the reply began to be sent."""
    done, begun = set[str](), dict[str, str]()
    for line in lines:
        if (match := _CALL.match(line)) is None:
            continue
        thread, call, rest = match.groups()
        if call in _SYNCS:
            if path := re.search(r"<([^>]+)>", rest):
                begun[thread] = Path(path[1]).name
            if "= 0" in rest:
                done.add(begun[thread])
        elif "HTTP/1.1 2" in rest:
            return done
    raise AssertionError("no reply was sent")


class Watched:
    """The calls that a service makes while it answers one request."""

    def __init__(self, calls: Path, ask: Asking) -> None:
        self._calls, self._ask = calls, ask

    def __call__(self, method: str, path: str, value: Any = None) -> set[str]:
        seen = self._calls.stat().st_size
        answer = self._ask(method, path, value)
        assert answer.status < 300, answer
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = self._calls.read_bytes()[seen:].decode(errors="replace")
            if "HTTP/1.1 2" in found:
                return synced_before_reply(found.splitlines())
            time.sleep(0.05)
        raise AssertionError("strace has not told of the reply")


def test_whatever_is_acknowledged_was_forced_to_the_disk(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace watches the calls of this test; it is not installed")
    calls = tmp_path / "calls"
    # -D: what is watched is our child, and ends when we end it.
    strace = ("strace", "-D", "-f", "-y", "-s", "64", "-e", f"trace={_WATCHED}", "-o", str(calls))
    if subprocess.run([*strace, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets strace watch nothing")
    data = tmp_path / "data"
    with Served(data, tmp_path / "log", command=(*strace, *SERVE)) as served:
        served.ready()
        with served.asking() as ask:
            watched = Watched(calls, ask)
            made = watched("PUT", PETS, {"multivector": None})
            assert {"pets", "data"} <= made
            stored = {"documents": [{"doc_id": "a", "text": "cat"}]}
            assert "catalog.sqlite-wal" in watched("POST", f"{PETS}/documents", stored)
            assert "catalog.sqlite-wal" in watched("DELETE", f"{PETS}/documents/a")
            stored = {"documents": [{"doc_id": str(i), "text": "cat"} for i in range(100)]}
            assert "catalog.sqlite-wal" in watched("POST", f"{PETS}/documents", stored)
            flushed = watched("POST", f"{PETS}/flush")
            assert {"segment.json.tmp", "serials.npy", "segments", "catalog.sqlite-wal"} <= flushed
            assert "data" in watched("PUT", "/v1/aliases/animals", {"collection": "pets"})
            assert "data" in watched("DELETE", "/v1/aliases/animals")
            assert "data" in watched("DELETE", PETS)
        assert served.stop() == 0


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["7 fsync(3</a/b>) = 0", '8 write(5<socket>, "HTTP/1.1 200 OK"'], {"b"}),
        (['8 write(5<socket>, "HTTP/1.1 200 OK"', "7 fsync(3</a/b>) = 0"], set[str]()),
        (
            [
                "7 fdatasync(3</a/b> <unfinished ...>",
                "8 fsync(4</a/c>) = 0",
                "7 <... fdatasync resumed>) = 0",
                '8 writev(5<socket>, [{iov_base="HTTP/1.1 200 OK"',
            ],
            {"b", "c"},
        ),
        (
            [
                "7 fdatasync(3</a/b> <unfinished ...>",
                '8 writev(5<socket>, [{iov_base="HTTP/1.1 200 OK"',
                "7 <... fdatasync resumed>) = 0",
            ],
            set[str](),
        ),
    ],
)
def test_calls_are_read_in_order(lines: list[str], expected: set[str]) -> None:
    assert synced_before_reply(lines) == expected
