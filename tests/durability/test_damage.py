"""Damaged collections fail their own requests, say so, and are mended beside the service."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from served import Served

from lexmax.collection import Collection
from lexmax.types import Document

LEXMAX = (sys.executable, "-m", "lexmax.cli")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


DAMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "flipped-postings": ("segments/*/sparse.postings.npy", flip),
    "cut-serials": ("segments/*/serials.npy", cut),
    "lost-file": ("segments/*/sparse.rows.npy", Path.unlink),
    "flipped-manifest": ("segments/*/segment.json", flip),
    "cut-catalog": ("catalog.sqlite", cut_short),
}


def make(folder: Path) -> None:
    with Collection.create(folder, multivector=None) as collection:
        collection.add(Document(str(i), f"cat word{i % 7} word{i % 11}") for i in range(200))
        collection.flush()


def asked(served: Served, name: str) -> list[tuple[int, str]]:
    path = f"/v1/collections/{name}"
    stored = {"documents": [{"doc_id": "0", "text": "cat"}]}
    with served.asking() as ask:
        answers = [
            ask("POST", f"{path}/search", {"query": "cat", "k": 200}),
            ask("POST", f"{path}/documents", stored),
            ask("GET", f"{path}/documents/7"),
            ask("GET", path),
        ]
    return [(answer.status, answer.code) for answer in answers]


def lexmax(command: str, folder: Path) -> tuple[int, str]:
    """Its exit code and what it says, on one line."""
    run = subprocess.run(
        [*LEXMAX, command, str(folder)], capture_output=True, text=True, check=False
    )
    return run.returncode, " ".join((run.stdout + run.stderr).split())


def test_damaged_collections_fail_alone_and_are_mended(tmp_path: Path) -> None:
    data = tmp_path / "data"
    make(data / "sound")
    for name, (pattern, damage) in DAMAGES.items():
        make(data / name)
        (path,) = (data / name).glob(pattern)
        damage(path)
    with Served(data, tmp_path / "log") as served:
        served.ready()
        assert_alone(served)
        for name in ("cut-serials", "flipped-manifest"):
            code, said = lexmax("verify", data / name)
            assert code == 1
            assert "lexmax rebuild" in said
            assert lexmax("rebuild", data / name)[0] == 0
            assert asked(served, name) == [(200, "")] * 4, name
        # There the truth itself is damaged: there is a backup, or it is deleted.
        with served.asking() as ask:
            assert ask("DELETE", "/v1/collections/cut-catalog").status == 204
        assert asked(served, "cut-catalog") == [(404, "collection_not_found")] * 4
        assert served.stop() == 0
    assert "Traceback" not in served.log.read_text()


def assert_alone(served: Served) -> None:
    for name in DAMAGES:
        assert asked(served, name) == [(500, "collection_damaged")] * 4, name
    assert asked(served, "sound") == [(200, "")] * 4
    with served.asking() as ask:
        detail = ask("GET", "/v1/collections/cut-serials").value["detail"]
        assert "lexmax verify" in detail
        assert "lexmax rebuild" in detail
        assert ask("GET", "/ready").status == 200
        listed = ask("GET", "/v1/collections").value["collections"]
        assert len(listed) == 1 + len(DAMAGES)
