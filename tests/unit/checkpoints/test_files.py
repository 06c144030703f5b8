import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lexmax.encoders.checkpoints.files import (
    check_tensors,
    check_weights,
    conversion,
    fingerprint,
    hash_of,
    read_any_json,
    read_json,
    weight_files,
)
from lexmax.errors import EncoderError

WEIGHTS = {"a.weight": torch.arange(12.0).reshape(3, 4), "b": torch.tensor([1.5, -2.0])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file(WEIGHTS, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    return tmp_path


def test_a_sound_folder_is_taken(folder: Path) -> None:
    assert check_weights(folder) == [folder / "model.safetensors"]
    assert read_json(folder / "config.json") == {"model_type": "bert"}


def test_weights_in_several_files_are_named_by_their_index(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-2.safetensors")
    save_file({"c": torch.ones(1)}, folder / "model-1.safetensors")
    index = {"weight_map": {"a.weight": "model-2.safetensors", "c": "model-1.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert [path.name for path in check_weights(folder)] == [
        "model-1.safetensors",
        "model-2.safetensors",
    ]
    (folder / "model-1.safetensors").unlink()
    with pytest.raises(EncoderError, match=r"lacks model-1\.safetensors, one of the 2 files"):
        weight_files(folder)


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "sub/model.safetensors"])
def test_an_index_names_no_file_outside_the_folder(folder: Path, name: str) -> None:
    (folder / "sub").mkdir()
    (folder / "model.safetensors").rename(folder / "sub" / "model.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(EncoderError, match="lacks"):
        weight_files(folder)


@pytest.mark.parametrize("written", ["{}", '{"weight_map": []}', '{"weight_map": {}}'])
def test_an_index_that_names_nothing_is_refused(tmp_path: Path, written: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(written)
    with pytest.raises(EncoderError, match="names no files; expected weight_map"):
        weight_files(tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"holds no weights; expected model\.safetensors"):
        weight_files(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-2.bin", "model.pt"])
def test_pickles_are_refused_with_the_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(EncoderError, match="only as pickle") as refused:
        weight_files(tmp_path)
    assert conversion(tmp_path / name) in str(refused.value)


def test_the_remedy_for_pickles_works(tmp_path: Path) -> None:
    pickled = tmp_path / "pytorch_model.bin"
    torch.save({**WEIGHTS, "tied": WEIGHTS["b"], "part": WEIGHTS["a.weight"][:, 1:]}, pickled)
    command = shlex.split(conversion(pickled))
    assert command[0] == "python"
    subprocess.run([sys.executable, *command[1:]], check=True)
    check_weights(tmp_path)
    found = load_file(tmp_path / "model.safetensors")
    assert sorted(found) == ["a.weight", "b", "part", "tied"]
    assert torch.equal(found["part"], WEIGHTS["a.weight"][:, 1:])


@pytest.mark.parametrize("n_bytes", [0, 7, 8, 60, 150, -1])
def test_cut_off_weights_are_refused(folder: Path, n_bytes: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(EncoderError, match=r"model\.safetensors is damaged or cut off .* again"):
        check_weights(folder)


def test_a_weights_file_that_is_a_pickle_by_another_name_is_refused(folder: Path) -> None:
    torch.save(WEIGHTS, folder / "model.safetensors")
    with pytest.raises(EncoderError, match="is damaged or cut off"):
        check_weights(folder)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_weights_that_are_not_finite_are_refused(
    tmp_path: Path, dtype: torch.dtype, number: float
) -> None:
    weights = torch.zeros(1000, dtype=dtype)
    weights[777] = number
    path = tmp_path / "model.safetensors"
    save_file({"first": torch.ones(3), "second": weights}, path)
    with pytest.raises(EncoderError, match=r"second holds NaN or infinity; expected finite"):
        check_tensors(path)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_the_largest_numbers_and_whole_ones_are_finite(tmp_path: Path, dtype: torch.dtype) -> None:
    limits = torch.finfo(dtype)
    weights = torch.tensor([limits.max, limits.min, limits.tiny, -0.0, 0.0], dtype=dtype)
    # One byte before them, so that they do not stand at a multiple of their size.
    others = {"a": torch.tensor([255], dtype=torch.uint8), "n": torch.full((2,), -1)}
    save_file({**others, "weights": weights}, tmp_path / "model.safetensors")
    check_tensors(tmp_path / "model.safetensors")


def test_the_end_of_a_large_tensor_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lexmax.encoders.checkpoints.files._PART", 64)
    weights = torch.zeros(1001)
    weights[1000] = torch.nan
    save_file({"weights": weights}, tmp_path / "model.safetensors")
    with pytest.raises(EncoderError, match="weights holds NaN"):
        check_tensors(tmp_path / "model.safetensors")


@pytest.mark.parametrize("written", [b"", b"{", b'{"a": 1', b"\xff\xfe", b"[" * 100_000])
def test_damaged_json_is_refused(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(written)
    with pytest.raises(EncoderError, match=r"config\.json is damaged .* expected json"):
        read_json(path)


def test_json_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("[1, 2]")
    assert read_any_json(path) == [1, 2]
    with pytest.raises(EncoderError, match="holds a list; expected a json object"):
        read_json(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"lacks config\.json; copy or download"):
        read_json(tmp_path / "config.json")
    with pytest.raises(EncoderError, match="cannot be read"):
        read_json(tmp_path)


def test_the_fingerprint_follows_every_byte_that_counts(folder: Path) -> None:
    seen = {fingerprint(folder)}
    for name in ("tokenizer.json", "vocab.txt", "modules.json", "idf.npy", "config.json"):
        (folder / name).write_bytes(b"{}")
        seen.add(fingerprint(folder))
        (folder / name).write_bytes(b"{ ")
        seen.add(fingerprint(folder))
    raw = bytearray((folder / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (folder / "model.safetensors").write_bytes(raw)
    seen.add(fingerprint(folder))
    assert len(seen) == 12


def test_the_fingerprint_is_that_of_the_files_wherever_they_lie(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    for path in folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    (other / "README.md").write_text("Not read.")
    (other / "trainer_state.json").write_text("{}")
    assert fingerprint(other) == fingerprint(folder)
    assert fingerprint(folder, other) != fingerprint(folder)
    assert len(fingerprint(folder)) == 32


def test_bytes_do_not_move_between_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"ab")
    second.write_bytes(b"c")
    before = hash_of([first, second])
    first.write_bytes(b"a")
    second.write_bytes(b"bc")
    assert hash_of([first, second]) != before
