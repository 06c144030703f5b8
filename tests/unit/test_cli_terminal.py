"""The command where its output goes elsewhere than to a terminal that shows everything."""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from lexmax.collection import Collection
from lexmax.terminal import visible
from lexmax.types import Document

TEXT = "caf\xe9 \U0001f408 cat \x1b[31mred\x1b[0m \x9b2J end"


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "pets"
    with Collection.create(folder, multivector=None) as made:
        made.add([Document("a\x9b1", TEXT, "\x1b]0;title\x07")])
    return folder


def ran(*arguments: object, shell: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; `shell` is what follows it in a shell."""
    command = [sys.executable, "-m", "lexmax.cli", *map(str, arguments)]
    return subprocess.run(
        ["sh", "-c", f'"$@" {shell}', "sh", *command],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_stays_json_in_any_encoding(pets: Path, encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lexmax.cli", "search", str(pets), "cat", "--json"],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=120,
    )
    (hit,) = orjson.loads(done.stdout.decode(encoding))["hits"]
    assert (hit["text"], done.stderr) == (TEXT, b"")


@pytest.mark.parametrize("command", [("search",), ("explain",)])
def test_no_document_moves_the_cursor(pets: Path, command: tuple[str, ...]) -> None:
    done = ran(*command, pets, "cat", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\ufffd]0;title\\ufffd" in done.stdout
    assert not {"\x1b", "\x9b", "\x07"} & set(done.stdout)


def test_visible_keeps_lines_and_letters() -> None:
    assert visible("a\tb\nc \u0645 \xe9") == "a\tb\nc \u0645 \xe9"
    assert visible("\x00\x1b\x7f\x85") == "\ufffd" * 4


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_full_disk_behind_the_output_is_told(pets: Path, more: tuple[str, ...]) -> None:
    done = ran("search", pets, "cat", *more, shell=">/dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith("error: the output cannot be written (No space left on device)")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("shell", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_error(pets: Path, shell: str) -> None:
    done = ran("search", pets, "cat", "--json", shell=shell)
    assert (done.returncode, done.stderr) == (0, "")


def test_closed_standard_input_is_told(tmp_path: Path) -> None:
    done = ran("index", tmp_path / "ix", "-", "--multivector", "none", shell="<&-")
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard input is closed; expected documents")
