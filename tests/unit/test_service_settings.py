from pathlib import Path

import pytest
from pydantic import ValidationError

from lexmax.errors import InputError
from lexmax.service.settings import Settings


def test_the_environment_fills_what_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEXMAX_DATA", "/collections")
    monkeypatch.setenv("LEXMAX_PORT", "9000")
    monkeypatch.setenv("LEXMAX_WARM", '["minilm", "minilm?max_tokens=64"]')
    settings = Settings(port=9001)
    assert (settings.data, settings.port) == (Path("/collections"), 9001)
    assert settings.warm == ("minilm", "minilm?max_tokens=64")
    assert settings.host == "127.0.0.1"


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # pyright: ignore


def test_without_a_folder_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEXMAX_DATA", raising=False)
    with pytest.raises(InputError, match=r"data: Field required.*LEXMAX_"):
        Settings()


@pytest.mark.parametrize(
    "given",
    [
        {"port": 65536},
        {"prot": 8000},
        {"log_level": "loud"},
        {"max_k": 0},
        {"warm": 5},
        {"nice": -1},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_cannot_be_used_is_named(tmp_path: Path, given: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(given))):
        Settings(data=tmp_path, **given)


def test_only_who_reads_may_be_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"max_behind_ms.*read_only"):
        Settings(data=tmp_path, max_behind_ms=100)
    assert Settings(data=tmp_path, max_behind_ms=100, read_only=True).max_behind_ms == 100
