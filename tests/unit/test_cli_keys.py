from pathlib import Path

import pytest
from typer.testing import CliRunner

from lexmax.cli import app
from lexmax.errors import InputError
from lexmax.service.key_file import read_keys


def run(*arguments: str) -> tuple[str, str]:
    done = CliRunner().invoke(app, ["keys", *arguments])
    if done.exception is not None:
        raise done.exception
    return done.stdout, done.stderr


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_is_shown_once_listed_and_revoked(path: Path) -> None:
    shown, said = run("create", "crawler [bold]", "--keys", str(path), "--allow", "write:pages")
    secret = shown.strip()
    (key,) = read_keys(path).keys
    assert read_keys(path).find(secret) == key
    assert secret not in path.read_text()
    assert secret not in said
    assert dict(key.grants) == {"pages": "write"}
    listed, _ = run("list", "--keys", str(path))
    assert key.key_id in listed
    assert "crawler [bold]" in listed
    assert "write pages" in listed
    assert secret not in listed
    run("revoke", key.key_id, "--keys", str(path))
    assert read_keys(path).keys == ()


def test_a_key_reads_everything_unless_told_otherwise(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEXMAX_KEYS", str(path))
    run("create", "one", "--per-second", "5")
    (key,) = read_keys(path).keys
    assert dict(key.grants) == {"*": "read"}
    assert key.per_second == 5


def test_what_is_not_there_cannot_be_revoked(path: Path) -> None:
    run("create", "one", "--keys", str(path))
    with pytest.raises(InputError, match="has no key 'k-none'"):
        run("revoke", "k-none", "--keys", str(path))
    assert len(read_keys(path).keys) == 1
