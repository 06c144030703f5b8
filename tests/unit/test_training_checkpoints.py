import errno
from pathlib import Path
from typing import Any

import pytest
import torch

from lexmax.encoders.training import durable
from lexmax.encoders.training.checkpoints import Checkpoint, Checkpoints
from lexmax.encoders.training.durable import write_file, write_folder
from lexmax.errors import CorruptionError, DiskFullError, StorageError


def checkpoint(step: int, **values: Any) -> Checkpoint:
    return Checkpoint(step, {"a": torch.arange(step), "b": torch.rand(3, 2)}, values)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    found = Checkpoints(tmp_path / "c", keep=2)
    numbers = {"lr": 0.1 + 0.2, "tiny": 5e-324, "none": None, "words": ["ä"]}
    saved = checkpoint(7, **numbers)
    assert found.save(saved) == tmp_path / "c" / "step-00000007"
    loaded = found.load(7)
    assert (loaded.step, loaded.values) == (7, numbers)
    assert all(torch.equal(loaded.tensors[name], saved.tensors[name]) for name in ("a", "b"))


def test_tensors_of_one_storage_are_written_once(tmp_path: Path) -> None:
    found = Checkpoints(tmp_path, keep=1)
    weights = torch.rand(100, 100)
    tensors = {"one": weights, "same": weights, "view": weights[:5], "turned": weights.T}
    path = found.save(Checkpoint(1, {**tensors, "empty": torch.zeros(0)}))
    loaded = found.load(1).tensors
    assert set(loaded) == {*tensors, "empty"}
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    assert (path / "state.safetensors").stat().st_size < 2.2 * weights.nbytes


def test_the_last_few_are_kept_and_the_one_that_is_named(tmp_path: Path) -> None:
    found = Checkpoints(tmp_path, keep=2)
    for step in range(1, 7):
        found.save(checkpoint(step), also=2)
    assert found.steps() == [2, 5, 6]
    found.drop_after(4)
    assert found.steps() == [2]
    found.drop_all()
    assert found.steps() == []


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["gone", "cut", "flipped", "empty"])
def test_damage_is_noticed(tmp_path: Path, name: str, damage: str) -> None:
    found = Checkpoints(tmp_path, keep=3)
    found.save(checkpoint(1))
    file = found.save(checkpoint(2)) / name
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        content[len(content) // 2] ^= 64
        file.write_bytes({"cut": content[:-9], "flipped": content, "empty": b""}[damage])
    with pytest.raises(CorruptionError, match="step-00000002"):
        found.load(2)
    assert [one.step for one in found.sound()] == [1]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_leaves_what_was_there(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Checkpoints(tmp_path, keep=1)
    found.save(checkpoint(1))

    def full(descriptor: int) -> None:
        raise OSError(number, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(DiskFullError, match="free some space and run the same command again"):
        found.save(checkpoint(2))
    with pytest.raises(DiskFullError):
        write_file(tmp_path / "step-00000001" / "state.json", b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert found.load(1).step == 1


def test_other_refusals_name_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file/x: cannot be written \(Not a directory\)"):
        write_folder(tmp_path / "file" / "x", lambda folder: None)


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_folder(folder, lambda draft: (draft / "old").touch())

    def fail(draft: Path) -> None:
        (draft / "new").touch()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_folder(folder, fail)
    assert [path.name for path in folder.iterdir()] == ["old"]
    write_folder(folder, lambda draft: (draft / "new").touch())
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
