import json
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError
from lexmax.index.sparse import SparseIndex
from lexmax.types import SparseBatch

LARGEST = 2**32 - 1
DOCUMENTS = SparseBatch.from_rows(
    [{1: 1.0, 5: 2.0}, {5: 0.5}, {}, {1: 3.0, LARGEST: 1.0}, {LARGEST: 0.25}]
)
QUERIES = SparseBatch.from_rows([{1: 2.0, 5: 1.0}, {LARGEST: 1.0}])
FILES = [
    *(f"sparse.{name}.npy" for name in ("terms", "steps", "doc_freqs", "window_starts")),
    *(f"sparse.{name}.npy" for name in ("window_ptr", "list_terms", "list_ptr")),
    *(f"sparse.{name}.npy" for name in ("offsets", "impacts")),
    *(f"forward.{name}.npy" for name in ("indptr", "terms", "weights")),
]


def test_reopened_from_disk_it_answers_the_same(tmp_path: Path) -> None:
    built = SparseIndex.build(DOCUMENTS, window_docs=2)
    built.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    opened = SparseIndex.open(tmp_path)
    for name in ("ordinals", "scores"):
        np.testing.assert_array_equal(
            getattr(opened.search(QUERIES, 5), name), getattr(built.search(QUERIES, 5), name)
        )
    assert opened.n_docs == 5
    assert opened.weights(np.arange(5)).weights.tolist() == DOCUMENTS.weights.tolist()


def test_opened_arrays_are_mapped_and_aligned(tmp_path: Path) -> None:
    SparseIndex.build(DOCUMENTS).save(tmp_path)
    opened = SparseIndex.open(tmp_path)
    for field in fields(opened):
        if field.name != "source":
            array = getattr(opened, field.name)
            assert isinstance(array.base, np.memmap)
            assert array.ctypes.data % 64 == 0
            assert not array.flags.writeable


def test_equal_documents_give_equal_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        SparseIndex.build(DOCUMENTS).save(tmp_path / name)
        contents.append([(tmp_path / name / file).read_bytes() for file in FILES])
    assert contents[0] == contents[1]


def test_an_empty_index_reopens(tmp_path: Path) -> None:
    SparseIndex.build(SparseBatch.from_rows([])).save(tmp_path)
    opened = SparseIndex.open(tmp_path)
    assert opened.n_docs == 0
    assert opened.search(QUERIES, 3).ordinals.shape == (2, 0)


@pytest.fixture(params=FILES)
def damaged(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file of a saved index, for the test to damage."""
    SparseIndex.build(DOCUMENTS, window_docs=2).save(tmp_path)
    return tmp_path / request.param


def _assert_refused(path: Path, why: str) -> None:
    with pytest.raises(CorruptionError, match=why) as caught:
        SparseIndex.open(path.parent)
    assert str(path.parent) in str(caught.value)
    assert path.name in str(caught.value)
    assert "restore a backup" in str(caught.value)


def test_a_missing_file_is_named(damaged: Path) -> None:
    damaged.unlink()
    _assert_refused(damaged, "missing")


def test_a_folder_in_a_files_place_is_named(damaged: Path) -> None:
    damaged.unlink()
    damaged.mkdir()
    _assert_refused(damaged, "missing")


@pytest.mark.parametrize("kept", [0, 5, 127, 128, -1])
def test_a_file_cut_short_is_named(damaged: Path, kept: int) -> None:
    damaged.write_bytes(damaged.read_bytes()[:kept])
    _assert_refused(damaged, "found")


def test_another_dtype_is_named(damaged: Path) -> None:
    np.save(damaged, np.load(damaged).astype(np.complex64))
    _assert_refused(damaged, "found .<c8. of 1 axes; expected")


def test_another_shape_is_named(damaged: Path) -> None:
    np.save(damaged, np.load(damaged)[:, None])
    _assert_refused(damaged, "of 2 axes; expected")


def test_a_file_that_is_no_npy_is_named(damaged: Path) -> None:
    damaged.write_text(json.dumps({"not": "an array"}) * 20)
    _assert_refused(damaged, "no .npy header of 128 bytes")


def test_lengths_that_do_not_fit_are_refused(damaged: Path) -> None:
    stored = np.load(damaged)
    np.save(damaged, np.append(stored, stored[-1:]))
    with pytest.raises(CorruptionError, match="expected"):
        SparseIndex.open(damaged.parent)


def test_an_empty_array_in_a_files_place_is_refused(damaged: Path) -> None:
    np.save(damaged, np.load(damaged)[:0])
    with pytest.raises(CorruptionError, match="expected"):
        SparseIndex.open(damaged.parent)


@pytest.mark.parametrize(
    ("file", "place", "value"),
    [
        ("sparse.steps.npy", 0, np.nan),
        ("sparse.steps.npy", 0, 0.0),
        ("sparse.steps.npy", 0, np.inf),
        ("sparse.window_starts.npy", 1, 2**40),
        ("sparse.window_starts.npy", 1, -1),
        ("sparse.window_ptr.npy", 1, 2**40),
        ("sparse.window_ptr.npy", 1, -(2**63)),
        ("sparse.list_ptr.npy", 1, 2**62),
        ("sparse.list_ptr.npy", 1, -1),
        ("forward.indptr.npy", 1, 2**62),
        ("forward.indptr.npy", 1, -1),
        ("forward.weights.npy", 0, np.nan),
        ("forward.weights.npy", 0, -9.0),
    ],
)
def test_values_that_no_build_writes_are_met_safely(
    tmp_path: Path, file: str, place: int, value: float
) -> None:
    SparseIndex.build(DOCUMENTS, window_docs=2).save(tmp_path)
    stored = np.load(tmp_path / file)
    stored[place] = value
    np.save(tmp_path / file, stored)
    opened = SparseIndex.open(tmp_path)
    with pytest.raises(CorruptionError, match=file.removesuffix(".npy")):
        opened.search(QUERIES, 5)


def test_damaged_forward_rows_are_met_safely(tmp_path: Path) -> None:
    SparseIndex.build(DOCUMENTS).save(tmp_path)
    for file, value in (("forward.indptr.npy", 99), ("forward.terms.npy", 99)):
        copy = Path(shutil.copytree(tmp_path, tmp_path.parent / file, dirs_exist_ok=True))
        stored = np.load(copy / file)
        stored[1] = value
        np.save(copy / file, stored)
        with pytest.raises(CorruptionError, match=file.removesuffix(".npy")):
            SparseIndex.open(copy).weights(np.arange(5))
