from pathlib import Path
from typing import Any

import pytest

from lexmax.encoders import Encoders
from lexmax.encoders.checkpoints.hub import locate
from lexmax.errors import EncoderError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that were asked of the hub, which is out of reach."""
    names: list[str] = []

    def download(name: str, **values: Any) -> str:
        names.append(name)
        raise ConnectionError("Name or service not known\nand more")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    return names


def test_folders_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    (tmp_path / "naver" / "splade-v3").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert locate("naver/splade-v3") == tmp_path / "naver" / "splade-v3"
    assert locate(str(tmp_path)) == tmp_path
    assert asked == []


@pytest.mark.parametrize("name", ["naver/splade-v3", "bert-base-uncased"])
def test_names_of_the_hub_say_how_to_pass_a_path(name: str, asked: list[str]) -> None:
    with pytest.raises(EncoderError) as caught:
        locate(name)
    assert str(caught.value) == (
        f"'{name}' is no folder here, and no model of that name came from the hub "
        "(Name or service not known); where the hub is reachable, run "
        f"`hf download {name} --local-dir FOLDER`, bring FOLDER here and give its path instead of "
        "the name"
    )
    assert asked == [name]


@pytest.mark.parametrize("path", ["./naver/splade-v3", "/no/such/folder", "a/b/c", "~/none", "-x"])
def test_paths_are_not_asked_of_the_hub(path: str, asked: list[str]) -> None:
    with pytest.raises(EncoderError, match="does not exist; expected the folder of a model"):
        locate(path)
    assert asked == []


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(EncoderError, match="is a file; expected the folder of a model"):
        locate(str(tmp_path / "model.safetensors"))


def test_what_the_hub_gives_is_loaded_and_its_folder_is_in_the_spec(
    plain_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(name: str, **values: Any) -> str:
        assert name == "someone/bert"
        assert not any("bin" in pattern for pattern in values["allow_patterns"])
        return str(plain_bert)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert Encoders().dense("dense:someone/bert").spec == f"dense:{plain_bert}"


def test_load_of_an_unknown_name(asked: list[str]) -> None:
    with pytest.raises(EncoderError, match="'nothing-like-this' is no folder here"):
        Encoders().load("nothing-like-this")
