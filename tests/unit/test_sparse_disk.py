import json
import mmap
import shutil
from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import CorruptionError
from lexmax.index import _native
from lexmax.index.sparse import SparseIndex
from lexmax.index.sparse_build import SPARSE_FILES
from lexmax.types import SparseBatch

LARGEST = 2**32 - 1
DOCUMENTS = SparseBatch.from_rows(
    [{1: 1.0, 5: 2.0}, {5: 0.5}, {}, {1: 3.0, LARGEST: 1.0}, {LARGEST: 0.25}]
)
QUERIES = SparseBatch.from_rows([{1: 2.0, 5: 1.0}, {LARGEST: 1.0}])
GOLDEN = Path(__file__).parent.parent / "golden" / "collection-v1" / "segments"


def _many() -> SparseBatch:
    """Rare and frequent terms, in windows of 128 documents and two spans."""
    rng = np.random.default_rng(8)
    held = rng.random((5000, 12)) < np.linspace(0.002, 0.9, 12)
    indptr = np.concatenate([[0], np.cumsum(held.sum(axis=1))]).astype(np.int64)
    term_ids = np.nonzero(held)[1].astype(np.uint32)
    return SparseBatch(indptr, term_ids, rng.lognormal(0, 1, len(term_ids)).astype(np.float32))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _written(folder: Path, documents: SparseBatch, **options: int) -> dict[str, bytes]:
    folder.mkdir()
    SparseIndex.write(folder, documents, **options)
    return _bytes(folder)


def test_reopened_from_disk_it_answers_the_same(tmp_path: Path) -> None:
    built = SparseIndex.build(DOCUMENTS, window_docs=2)
    SparseIndex.write(tmp_path, DOCUMENTS, window_docs=2)
    assert sorted(_bytes(tmp_path)) == sorted(f"{name}.npy" for name in SPARSE_FILES)
    opened = SparseIndex.open(tmp_path)
    for name in ("ordinals", "scores"):
        np.testing.assert_array_equal(
            getattr(opened.search(QUERIES, 5), name), getattr(built.search(QUERIES, 5), name)
        )
    assert opened.n_docs == 5
    assert opened.weights(np.arange(5)).weights.tolist() == DOCUMENTS.weights.tolist()


def test_written_files_hold_the_built_arrays(tmp_path: Path) -> None:
    documents = _many()
    SparseIndex.write(tmp_path, documents, window_docs=128)
    built = SparseIndex.build(documents, window_docs=128)
    assert sorted(built.arrays) == sorted(SPARSE_FILES)
    for name, array in built.arrays.items():
        stored = np.load(tmp_path / f"{name}.npy")
        assert stored.dtype == array.dtype
        np.testing.assert_array_equal(stored, array, name)


def test_opened_arrays_are_mapped_and_aligned(tmp_path: Path) -> None:
    SparseIndex.write(tmp_path, _many(), window_docs=128)
    for name, array in SparseIndex.open(tmp_path).arrays.items():
        owner: object = array
        while isinstance(owner, np.ndarray | memoryview):
            owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
        assert isinstance(owner, mmap.mmap), name
        assert array.ctypes.data % 64 == 0
        assert not array.flags.writeable


def test_neither_a_second_time_nor_threads_change_a_byte(tmp_path: Path) -> None:
    documents = _many()
    first = _written(tmp_path / "first", documents, window_docs=128)
    assert _written(tmp_path / "again", documents, window_docs=128) == first
    for threads in (2, 3, 64):
        folder = tmp_path / f"{threads} threads"
        assert _written(folder, documents, window_docs=128, threads=threads) == first


def test_documents_that_are_mapped_give_the_same_bytes(tmp_path: Path) -> None:
    documents = _many()
    for name in ("indptr", "term_ids", "weights"):
        np.save(tmp_path / name, getattr(documents, name))
    indptr, term_ids, weights = (
        np.load(tmp_path / f"{name}.npy", mmap_mode="r")
        for name in ("indptr", "term_ids", "weights")
    )
    mapped = _written(tmp_path / "mapped", SparseBatch(indptr, term_ids, weights))
    assert mapped == _written(tmp_path / "in memory", documents)


def test_an_empty_index_reopens(tmp_path: Path) -> None:
    SparseIndex.write(tmp_path, SparseBatch.from_rows([]))
    opened = SparseIndex.open(tmp_path)
    assert opened.n_docs == 0
    assert opened.search(QUERIES, 3).ordinals.shape == (2, 0)


def test_documents_without_terms_reopen(tmp_path: Path) -> None:
    SparseIndex.write(tmp_path, SparseBatch.from_rows([{}, {}]))
    opened = SparseIndex.open(tmp_path)
    assert opened.n_docs == 2
    assert opened.search(QUERIES, 1).ordinals.tolist() == [[-1], [-1]]


def test_version_1_is_read() -> None:
    """What the golden segment's two files of exact weights say by themselves."""
    (folder,) = GOLDEN.iterdir()
    opened = SparseIndex.open(folder)
    terms = np.load(folder / "sparse.terms.npy")
    indptr = np.load(folder / "forward.indptr.npy")
    documents = SparseBatch(
        indptr,
        terms[np.load(folder / "forward.terms.npy")],
        np.load(folder / "forward.weights.npy"),
    )
    rows = opened.weights(np.arange(opened.n_docs))
    np.testing.assert_array_equal(rows.indptr, documents.indptr)
    np.testing.assert_array_equal(rows.term_ids, documents.term_ids)
    np.testing.assert_array_equal(rows.weights, documents.weights)
    rare = SparseBatch.from_rows([{int(documents.row(0)[0][0]): 1.0}])
    assert 0 in opened.search(rare, opened.n_docs).row(0)[0]


@pytest.mark.parametrize(
    ("name", "value"), [("forward.terms", 2**20), ("forward.indptr", -1), ("forward.weights", -1.0)]
)
def test_a_damaged_version_1_is_refused(tmp_path: Path, name: str, value: float) -> None:
    (golden,) = GOLDEN.iterdir()
    folder = Path(shutil.copytree(golden, tmp_path / "copy"))
    stored = np.load(folder / f"{name}.npy")
    stored[1] = value
    np.save(folder / f"{name}.npy", stored)
    with pytest.raises(CorruptionError, match="restore a backup") as caught:
        SparseIndex.open(folder)
    assert str(folder) in str(caught.value)


@pytest.fixture(params=SPARSE_FILES)
def damaged(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file of a written index, for the test to damage."""
    SparseIndex.write(tmp_path, _many(), window_docs=128)
    return tmp_path / f"{request.param}.npy"


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


@pytest.mark.parametrize("change", ["none", "one less", "one more"])
def test_lengths_that_do_not_fit_are_refused(damaged: Path, change: str) -> None:
    stored = np.load(damaged)
    damaged.unlink()
    changed = {
        "none": stored[:0],
        "one less": stored[:-1],
        "one more": np.append(stored, stored[-1:] + 1),
    }
    np.save(damaged, changed[change])
    with pytest.raises(CorruptionError, match="restore a backup") as caught:
        # Only a search meets that there are no dense rows at all.
        SparseIndex.open(damaged.parent).search(_many().slice(0, 50), 9)
    assert str(damaged.parent) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("sparse.cut", 0, 0),
        ("sparse.cut", 0, 2**16),
        ("sparse.cut", 0, 100),
        ("sparse.cut", 0, -128),
        ("sparse.cut", 1, 0),
        ("sparse.cut", 1, -1),
        ("sparse.cut", 1, 8),
        ("sparse.steps", 0, np.nan),
        ("sparse.steps", 3, 0.0),
        ("sparse.steps", 11, np.inf),
        ("sparse.steps", 11, -1.0),
        ("sparse.term_lists", 0, 1),
        ("sparse.term_lists", 3, 2**32 - 1),
        ("sparse.term_lists", -1, 2**32 - 1),
        ("sparse.list_ptr", 3, 2**32 - 1),
        ("sparse.span_ptr", 0, -1),
        ("sparse.span_ptr", 1, 2**63 - 1),
        ("sparse.span_ptr", 1, -(2**63)),
        ("sparse.span_ptr", -1, 2**62),
        ("forward.indptr", 0, -1),
        ("forward.indptr", 1, 2**62),
        ("forward.indptr", 1, -1),
        ("forward.indptr", -1, 2**62),
        # The bits of NaN and of -1.7e38 as the last document's last weight.
        ("forward.rows", -1, 0x7FC0_0000),
        ("forward.rows", -1, 0xFF00_0000),
    ],
)
def test_values_that_no_build_writes_are_met_safely(
    tmp_path: Path, name: str, place: int, value: float
) -> None:
    SparseIndex.write(tmp_path, _many(), window_docs=128)
    path = tmp_path / f"{name}.npy"
    stored = np.load(path)
    stored[place] = value
    path.unlink()
    np.save(path, stored)
    every_term = SparseBatch.from_rows([{term: 1.0 for term in range(12)}])
    for path_of_cpu in _native.available_paths():
        with pytest.raises(CorruptionError, match="restore a backup") as caught:
            SparseIndex.open(tmp_path).search(every_term, 5000, path=path_of_cpu)
        assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("forward.indptr", 2**40), ("forward.rows", 2**32 - 1)]
)
def test_damaged_forward_rows_are_met_safely(tmp_path: Path, name: str, value: int) -> None:
    SparseIndex.write(tmp_path, _many(), window_docs=128)
    path = tmp_path / f"{name}.npy"
    stored = np.load(path)
    stored[:2] = value
    path.unlink()
    np.save(path, stored)
    with pytest.raises(CorruptionError, match="restore a backup"):
        SparseIndex.open(tmp_path).weights(np.arange(5000))
