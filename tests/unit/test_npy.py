from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import CorruptionError, ShapeError, StorageError
from lexmax.index.append import NpyAppender
from lexmax.index.npy import HEADER_BYTES, map_npy, npy_header, write_npy

ARRAYS = [
    np.arange(12, dtype=np.int64),
    np.arange(12, dtype=np.float32).reshape(4, 3),
    np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
    np.arange(6, dtype=np.float16).reshape(1, 6),
    np.zeros((0, 384), dtype=np.int8),
    np.zeros(0, dtype=np.float32),
]


def _f32(values: Any) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_files_are_those_of_numpy(tmp_path: Path, array: NDArray[Any]) -> None:
    np.save(tmp_path / "numpy.npy", array)
    write_npy(tmp_path / "ours.npy", array)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()
    mapped = map_npy(tmp_path / "ours.npy", (array.dtype.type,), array.ndim)
    np.testing.assert_array_equal(mapped, array)
    assert mapped.dtype == array.dtype


def test_the_header_has_one_length_however_many_rows() -> None:
    for rows in (0, 1, 10**6, 10**18 - 1):
        assert len(npy_header(np.float16, (rows, 10**6))) == HEADER_BYTES


def test_mapped_arrays_cannot_be_written(tmp_path: Path) -> None:
    write_npy(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(ValueError, match="read-only"):
        map_npy(tmp_path / "a.npy", (np.float64,), 1)[0] = 2


def _save(path: Path) -> bytes:
    write_npy(path, np.arange(12, dtype=np.float32).reshape(4, 3))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda data: data[:-1], "175 bytes; expected 176"),
        (lambda data: data + b"\0", "177 bytes; expected 176"),
        (lambda data: data[:100], "no .npy header"),
        (lambda data: b"", "no .npy header"),
        (lambda data: data.replace(b"<f4", b"|O8"), "'|O8'"),
        (lambda data: data.replace(b"False", b"True "), "no .npy header"),
        (lambda data: data.replace(b"(4, 3)", b"(9, 3)"), "176 bytes; expected 236"),
        (lambda data: data.replace(b"(4, 3)", b"(12,) "), "no .npy header"),
        (lambda data: data.replace(b"(4, 3)", b"(4, -)"), "no .npy header"),
        (lambda data: data.replace(b"(4, 3)", b"(04,3)"), "no .npy header"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Any, found: str) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(damage(_save(path)))
    with pytest.raises(CorruptionError) as caught:
        map_npy(path, (np.float32,), 2)
    assert found in str(caught.value)
    assert str(path) in str(caught.value)


def test_another_dtype_or_shape_is_refused(tmp_path: Path) -> None:
    _save(tmp_path / "a.npy")
    with pytest.raises(CorruptionError, match=r"'<f4' of 2 axes; expected <i8 or <f2 of 2"):
        map_npy(tmp_path / "a.npy", (np.int64, np.float16), 2)
    with pytest.raises(CorruptionError, match=r"of 2 axes; expected <f4 of 1"):
        map_npy(tmp_path / "a.npy", (np.float32,), 1)
    with pytest.raises(CorruptionError, match="missing"):
        map_npy(tmp_path / "b.npy", (np.float32,), 1)


def test_appended_rows_make_the_file_that_numpy_saves(tmp_path: Path) -> None:
    rows = np.arange(30, dtype=np.int16).reshape(10, 3)
    file = NpyAppender(tmp_path / "a.npy", np.int16, (3,))
    for start, stop in ((0, 4), (4, 4), (4, 10)):
        file.append(rows[start:stop])
    assert file.rows == 10
    file.close()
    np.save(tmp_path / "b.npy", rows)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_rows_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    file = NpyAppender(path, np.float32, ())
    file.append(_f32([1, 2]))
    rows = file.checkpoint()
    file.append(_f32([3]))
    with path.open("ab") as torn:
        torn.write(b"\x01\x02")
    again = NpyAppender.resume(path, np.float32, (), rows)
    again.append(_f32([4]))
    again.close()
    np.testing.assert_array_equal(np.load(path), _f32([1, 2, 4]))


def test_a_closed_file_can_be_resumed(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    file = NpyAppender(path, np.float32, (2,))
    file.append(np.ones((3, 2), dtype=np.float32))
    file.close()
    NpyAppender.resume(path, np.float32, (2,), 1).close()
    np.testing.assert_array_equal(np.load(path), np.ones((1, 2)))


def test_fewer_rows_than_at_the_checkpoint_are_refused(tmp_path: Path) -> None:
    NpyAppender(tmp_path / "a.npy", np.int64, ()).append(np.arange(3))
    with pytest.raises(CorruptionError, match="found 152 bytes; expected at least 160"):
        NpyAppender.resume(tmp_path / "a.npy", np.int64, (), 4)
    with pytest.raises(CorruptionError, match="found 0 bytes"):
        NpyAppender.resume(tmp_path / "b.npy", np.int64, (), 0)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 3)), np.zeros((2, 4), np.float32), np.zeros(3, np.float32)]
)
def test_rows_of_another_kind_are_refused(tmp_path: Path, array: NDArray[Any]) -> None:
    file = NpyAppender(tmp_path / "a.npy", np.float32, (3,))
    with pytest.raises(ShapeError, match=r"expected float32 \(3,\)"):
        file.append(array)


def test_a_file_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        NpyAppender(tmp_path / "nowhere" / "a.npy", np.float32, ())
