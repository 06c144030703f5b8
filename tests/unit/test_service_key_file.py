import io
import stat
from pathlib import Path
from threading import Thread

import pytest

from lexmax.errors import InputError, StorageError
from lexmax.service.key_file import KeyFile, change_keys, read_keys
from lexmax.service.keys import new_key
from lexmax.service.logs import make_log


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def add(path: Path, name: str) -> str:
    key, secret = new_key(name, {"*": "read"})
    change_keys(path, lambda keys: (*keys, key))
    return secret


def test_what_was_added_is_read_again(path: Path) -> None:
    add(path, "one")
    add(path, "two")
    assert [key.name for key in read_keys(path).keys] == ["one", "two"]


def test_a_new_file_is_its_owners(path: Path) -> None:
    add(path, "one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    add(path, "two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [left.name for left in path.parent.iterdir()] == ["keys.json"]


def test_changes_at_one_time_are_all_kept(path: Path) -> None:
    threads = [Thread(target=add, args=(path, str(i))) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_keys(path).keys) == 8


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"keys": 1}', b'{"version": 2}', b"\xff"])
def test_another_file_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no file of keys"):
        read_keys(path)
    with pytest.raises(InputError, match="is no file of keys"):
        change_keys(path, lambda keys: keys)
    assert path.read_bytes() == content


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(InputError, match=r"keys\.json: cannot be read.*lexmax keys create"):
        read_keys(path)
    with pytest.raises(StorageError):
        add(path / "none" / "keys.json", "one")


def test_a_change_holds_within_a_second(path: Path) -> None:
    first = add(path, "one")
    clock, written = Clock(), io.StringIO()
    keys = KeyFile(path, log=make_log("info", written), clock=clock)
    second = add(path, "two")
    assert keys.find(second) is None
    clock.now = 1.0
    found = keys.find(second)
    assert found is not None
    assert found.name == "two"
    change_keys(path, lambda known: known[1:])
    clock.now = 2.0
    assert keys.find(first) is None
    assert "keys_read" in written.getvalue()


def test_a_file_that_is_lost_or_broken_changes_nothing(path: Path) -> None:
    secret = add(path, "one")
    clock, written = Clock(), io.StringIO()
    keys = KeyFile(path, log=make_log("info", written), clock=clock)
    for step, spoil in enumerate((lambda: path.write_text("{"), path.unlink), start=1):
        spoil()
        clock.now = float(step)
        assert keys.find(secret) is not None
        assert written.getvalue().count("keys_not_read") == step
    other = add(path, "other")
    clock.now = 3.0
    assert keys.find(other) is not None
    assert keys.find(secret) is None
