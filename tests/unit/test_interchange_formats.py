"""Anserini's JSON lines and scipy's matrices: what is accepted, and what is refused, and how."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from lexmax.errors import CorpusError
from lexmax.interchange.anserini import read_json_vectors
from lexmax.interchange.csr import read_csr
from lexmax.interchange.vectors import Chunk, Incoming


def chunks(incoming: Incoming) -> list[Chunk]:
    return list(incoming.chunks(np.arange(len(incoming.terms), dtype=np.uint32)))


def rows(incoming: Incoming) -> list[dict[str, float]]:
    found: list[dict[str, float]] = []
    names = list(incoming.terms)
    for chunk in chunks(incoming):
        for i in range(len(chunk.doc_ids)):
            terms, weights = chunk.weights.row(i)
            named = [names[term] for term in terms.tolist()]
            found.append(dict(zip(named, weights.tolist(), strict=True)))
    return found


def test_json_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(
        '{"id": "a", "contents": "text", "vector": {"b": 2, "a": 1.5, "zero": 0}}\n\n'
        '{"id": 7, "vector": {}}\n'
    )
    found = read_json_vectors(path)

    assert found.n_docs == 2
    assert rows(found) == [{"a": 1.5, "b": 2}, {}]
    (chunk,) = chunks(found)
    assert (chunk.doc_ids, chunk.texts) == (["a", "7"], ["text", ""])


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"id": "2", "vector": {"x": 1}}\n')
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"id": "1", "vector": {"y": 2}}\n'))
    (tmp_path / "notes.txt").write_text("not JSON")

    assert rows(read_json_vectors(tmp_path)) == [{"y": 2}, {"x": 1}]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", "found no document"),
        ("[1]", "JSON without members"),
        ("{", "found no JSON"),
        ('{"vector": {}}', "the id None"),
        ('{"id": true, "vector": {}}', "the id True"),
        ('{"id": "a"}', "found no vector"),
        ('{"id": "a", "vector": ["x"]}', "found no vector"),
        ('{"id": "a", "contents": 3, "vector": {}}', "no text"),
        ('{"id": "a", "vector": {"x": -1}}', "a weight of -1"),
        ('{"id": "a", "vector": {"x": 1e39}}', "a weight of inf"),
        ('{"id": "a", "vector": {"x": "1"}}', "the weight '1' of 'x'"),
        ('{"id": "a", "vector": {"x": true}}', "the weight True of 'x'"),
        ('{"id": "a", "vector": {"x": NaN}}', "found no JSON"),
        ('{"id": "a", "vector": {"": 1}}', "an empty term"),
    ],
)
def test_json_lines_that_are_refused(tmp_path: Path, line: str, found: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(('{"id": "first", "vector": {"x": 1}}\n' if line else "") + line)

    with pytest.raises(CorpusError) as raised:
        chunks(read_json_vectors(path))
    assert found in str(raised.value)
    assert f"{path}, line 2" in str(raised.value) or not line


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="found no file"):
        read_json_vectors(tmp_path)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
@pytest.mark.parametrize("make", [scipy.sparse.csr_array, scipy.sparse.csr_matrix])
def test_matrices_of_scipy_are_read(
    tmp_path: Path, make: Callable[..., Any], dtype: type[np.generic], compressed: bool
) -> None:
    dense = np.array([[0, 3, 0, 1], [0, 0, 0, 0], [2, 0, 0, 9]], dtype=dtype)
    scipy.sparse.save_npz(tmp_path / "x.npz", make(dense), compressed=compressed)

    assert rows(read_csr(tmp_path / "x.npz")) == [{"1": 3, "3": 1}, {}, {"0": 2, "3": 9}]


def matrix(path: Path, **changes: Any) -> Path:
    """A `.npz` as scipy writes it, of one weight of 5, with some arrays replaced."""
    arrays: dict[str, Any] = {
        "format": np.array(b"csr"),
        "shape": np.array([2, 3]),
        "indptr": np.array([0, 1, 1], np.int32),
        "indices": np.array([2], np.int32),
        "data": np.array([5.0]),
    }
    np.savez(path, **{name: a for name, a in (arrays | changes).items() if a is not None})
    return path


def test_unsorted_columns_and_stored_zeros_are_read(tmp_path: Path) -> None:
    path = matrix(
        tmp_path / "x.npz",
        indptr=np.array([0, 3, 3]),
        indices=np.array([2, 0, 1]),
        data=np.array([3.0, 1.0, 0.0]),
    )
    assert rows(read_csr(path)) == [{"0": 1, "2": 3}, {}]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"format": np.array(b"csc")}, "a matrix of kind b'csc'; expected csr"),
        ({"format": None}, "no format"),
        ({"data": None}, "no data"),
        ({"shape": np.array([3, 3])}, "shape [3, 3], 3 row ends"),
        ({"shape": np.array([0, 3]), "indptr": np.array([0])}, "a row or more"),
        ({"indptr": np.array([0, 2, 1])}, "row ends that fall"),
        ({"indptr": np.array([1, 1, 1])}, "row ends that fall"),
        ({"indptr": np.array([0, 1, 2])}, "1 indices; expected 2"),
        ({"data": np.array([5.0, 6.0])}, "2 weights; expected 1"),
        ({"indices": np.array([3])}, "columns 3 to 3; expected 0 to 2"),
        ({"indices": np.array([-1])}, "columns -1 to -1"),
        ({"indices": np.array([1.0])}, "indices of type float64"),
        ({"data": np.array([None])}, "data of type object"),
        ({"data": np.array([1j])}, "data of type complex128"),
        ({"data": np.array([np.nan])}, "row 0: found a weight of nan"),
        ({"data": np.array([-1.0])}, "row 0: found a weight of -1"),
        (
            {"indptr": np.array([0, 2, 2]), "indices": np.array([1, 1]), "data": np.ones(2)},
            "row 0: found a term twice",
        ),
    ],
)
def test_matrices_that_are_refused(tmp_path: Path, changes: dict[str, Any], found: str) -> None:
    path = matrix(tmp_path / "x.npz", **changes)

    with pytest.raises(CorpusError) as raised:
        chunks(read_csr(path))
    assert found in str(raised.value)
    assert str(path) in str(raised.value)


def test_names_lie_beside_a_matrix_or_are_given(tmp_path: Path) -> None:
    path = matrix(tmp_path / "x.npz")
    (tmp_path / "x.ids.txt").write_text("first\nsecond\n")
    (tmp_path / "other.txt").write_text("a\r\nb\r\nc")
    found = read_csr(path, terms=tmp_path / "other.txt")

    assert rows(found) == [{"c": 5}, {}]
    assert chunks(found)[0].doc_ids == ["first", "second"]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("ids", "first\n", "found 1 lines; expected 2"),
        ("ids", "1\n2\n3\n", "found 3 lines; expected 2"),
        ("terms", "a\nb\nc\nd\n", "found 4 lines; expected 3"),
        ("terms", "a\nb\n\n", "an empty line"),
    ],
)
def test_names_that_do_not_fit_are_refused(
    tmp_path: Path, name: str, text: str, found: str
) -> None:
    path = matrix(tmp_path / "x.npz")
    (tmp_path / f"x.{name}.txt").write_text(text)

    with pytest.raises(CorpusError, match=found):
        chunks(read_csr(path))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"PK not a zip")

    with pytest.raises(CorpusError, match="damaged file"):
        read_csr(tmp_path / "x.npz")
    with pytest.raises(CorpusError, match="cannot be read"):
        read_csr(tmp_path / "none.npz")


def test_a_byte_order_mark_is_no_part_of_an_id(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    scipy.sparse.save_npz(path, scipy.sparse.csr_array(np.eye(2, dtype=np.float32)))
    (tmp_path / "x.ids.txt").write_bytes(b"\xef\xbb\xbffirst\r\nsecond\r\n")
    (chunk,) = chunks(read_csr(path))
    assert chunk.doc_ids == ["first", "second"]
