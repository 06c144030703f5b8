"""CIFF, byte by byte: what is written, and each thing that a file may have wrong."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.errors import CorpusError, InputError
from lexmax.interchange.ciff import read_ciff, write_ciff
from lexmax.interchange.messages import encoded_field, encoded_varint
from lexmax.interchange.vectors import Quantiser
from lexmax.types import SparseBatch


@dataclass
class Rows:
    """What is to be written, from one row of {term: weight} a document."""

    rows: Sequence[dict[str, float]]

    @property
    def terms(self) -> list[str]:
        return sorted({term for row in self.rows for term in row})

    @property
    def doc_freqs(self) -> NDArray[np.int64]:
        return np.array([sum(term in row for row in self.rows) for term in self.terms], np.int64)

    @property
    def n_docs(self) -> int:
        return len(self.rows)

    def documents(self) -> Iterator[tuple[str, str]]:
        return ((f"d{i}", "") for i in range(len(self.rows)))

    def weights(self) -> Iterator[SparseBatch]:
        place = {term: i for i, term in enumerate(self.terms)}
        for row in self.rows:
            yield SparseBatch.from_rows([{place[term]: w for term, w in row.items()}])


def written(rows: Sequence[dict[str, float]], folder: Path, scale: float = 1.0) -> bytes:
    file = BytesIO()
    write_ciff(Rows(rows), file, quantiser=Quantiser(scale), workspace=folder)
    return file.getvalue()


def read(content: bytes, folder: Path) -> list[dict[str, float]]:
    path, workspace = folder / "x.ciff", folder / "work"
    path.write_bytes(content)
    workspace.mkdir(exist_ok=True)
    found = read_ciff(path, workspace=workspace)
    ids = np.arange(len(found.terms), dtype=np.uint32)[::-1].copy()
    names = dict(zip(ids.tolist(), found.terms, strict=True))
    rows: list[dict[str, float]] = []
    for chunk in found.chunks(ids):
        for i in range(len(chunk.doc_ids)):
            terms, weights = chunk.weights.row(i)
            named = [names[term] for term in terms.tolist()]
            rows.append(dict(zip(named, weights.tolist(), strict=True)))
    assert not any(workspace.glob("*.postings"))
    return rows


def message(*parts: bytes) -> bytes:
    content = b"".join(parts)
    return encoded_varint(len(content)) + content


def header(n_lists: int, n_docs: int, version: int = 1) -> bytes:
    fields = ((1, version), (2, n_lists), (3, n_docs), (4, n_lists), (5, n_docs))
    return message(*(encoded_field(*field) for field in fields))


def signed(field: int, value: int) -> bytes:
    return encoded_varint(field << 3) + encoded_varint(value & (1 << 64) - 1)


def posting(gap: int, tf: int) -> bytes:
    return encoded_varint(4 << 3 | 2) + message(signed(1, gap), signed(2, tf))


def a_list(term: str, *postings: tuple[int, int], df: int | None = None, cf: int = 0) -> bytes:
    df = len(postings) if df is None else df
    return message(
        encoded_field(1, term), signed(2, df), signed(3, cf), *(posting(*p) for p in postings)
    )


def record(i: int, doc_id: str = "", length: int = 1) -> bytes:
    return message(signed(1, i), encoded_field(2, doc_id or f"d{i}"), signed(3, length))


TWO = record(0) + record(1)


def test_the_bytes_of_a_small_file(tmp_path: Path) -> None:
    content = written([{"b": 300.0}, {"a": 2.0, "b": 1.0}], tmp_path)

    after_header = content[1 + content[0] :]
    assert after_header == (
        message(b"\x0a\x01a\x10\x01\x18\x02", b"\x22\x04\x08\x01\x10\x02")
        + message(b"\x0a\x01b\x10\x02\x18\xad\x02", b"\x22\x03\x10\xac\x02\x22\x04\x08\x01\x10\x01")
        + message(b"\x12\x02d0\x18\xac\x02")
        + message(b"\x08\x01\x12\x02d1\x18\x03")
    )


def test_weights_are_rounded_and_never_lost(tmp_path: Path) -> None:
    content = written([{"a": 0.001, "b": 2.5, "c": 5.0}], tmp_path, scale=51.0)

    assert read(content, tmp_path) == [{"a": 1, "b": 128, "c": 255}]


def test_default_scale_spreads_floats_and_keeps_whole_weights() -> None:
    assert Quantiser.fitting(whole=True, max_weight=3.0).scale == 1.0
    assert Quantiser.fitting(whole=False, max_weight=3.0).scale == 85.0
    assert Quantiser.fitting(whole=True, max_weight=0.0).scale == 1.0


def test_impacts_too_large_for_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="smaller --scale"):
        written([{"a": 2.0}], tmp_path, scale=2e9)
    with pytest.raises(InputError, match="impacts sum to 2,500,000,000"):
        written([{"a": 1.25, "b": 1.25}], tmp_path, scale=1e9)


def test_compressed_files_are_read(tmp_path: Path) -> None:
    content = written([{"a": 1.0}], tmp_path)

    assert read(gzip.compress(content), tmp_path) == [{"a": 1}]


def test_documents_past_one_bucket(tmp_path: Path) -> None:
    rows: list[dict[str, float]] = [{} for _ in range(70_000)]
    rows[3] = {"x": 1, "y": 2}
    rows[65_535] = {"y": 3}
    rows[65_536] = {"x": 4}
    rows[69_999] = {"x": 5, "y": 6}
    lists = (
        a_list("y", (3, 2), (65_532, 3), (4464, 6))
        + a_list("x", (3, 1), (65_533, 4), (4463, 5))
    )  # fmt: skip
    records = b"".join(record(i) for i in range(70_000))

    assert read(header(2, 70_000) + lists + records, tmp_path) == rows


def test_fields_in_another_order_and_unknown_ones_are_read(tmp_path: Path) -> None:
    odd = message(posting(1, 7), encoded_field(9, "new"), signed(2, 1), encoded_field(1, "a"))

    assert read(header(1, 2) + odd + TWO, tmp_path) == [{}, {"a": 7}]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "the end of the file"),
        (header(1, 2, version=2), "version 2"),
        (header(0, 0), "0 documents"),
        (message(signed(1, 1), signed(2, -1), signed(3, 5)), "-1 posting lists"),
        (header(1, 2), "the end of the file"),
        (header(1, 2) + b"\x10ab", "2 of 16 bytes"),
        (header(1, 2) + b"\xff\xff\xff\x7f", "at most 1,048,640"),
        (header(1, 2) + b"\xff" * 11, "a number that does not end"),
        (header(1, 2) + message(b"\x0a\x05ab"), "ends behind its message"),
        (header(1, 2) + message(b"\x0b"), "a field of kind 3"),
        (header(1, 2) + message(b"\x0a\x01\xff") + TWO, "not UTF-8"),
        (header(1, 2) + a_list("", (0, 1)) + TWO, "the term ''"),
        (header(2, 2) + a_list("a", (0, 1)) + a_list("a", (1, 1)) + TWO, "the term 'a'"),
        (header(1, 2) + a_list("a", (0, 1), df=2) + TWO, "found 1 postings; expected 2"),
        (header(1, 2) + a_list("a", (0, 1), cf=5) + TWO, "sum to 1; expected 5"),
        (header(1, 2) + a_list("a", (0, 1), (0, 1)) + TWO, "posting 2: found a gap of 0"),
        (header(1, 2) + a_list("a", (-1, 1)) + TWO, "found a gap of -1"),
        (header(1, 2) + a_list("a", (1, 1), (1, 1)) + TWO, "found document 2"),
        (header(1, 2) + a_list("a", (1 << 62, 1), (1 << 62, 1)) + TWO, "below the header's 2"),
        (header(1, 2) + a_list("a", (0, 0)) + TWO, "a frequency of 0"),
        (header(1, 2) + a_list("a", (0, -3)) + TWO, "a frequency of -3"),
        (header(1, 2) + a_list("a", (0, (1 << 24) + 1)) + TWO, "which float32 holds exactly"),
        (header(1, 2) + TWO, "the number 0 where a text should be"),
        (header(0, 2) + record(0), "in document 1 of 2: found the end of the file"),
        (header(0, 2) + record(1) + record(0), "document number 1; expected 0, in order"),
        (header(0, 2) + record(0) + record(1, "a\nb"), "an id of one line"),
        (header(0, 2) + message(signed(3, 1)), "found the id ''"),
        (header(0, 2) + record(0, length=-1), "a length of -1"),
        (header(0, 2) + TWO + b"\x00", "more bytes"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: bytes, found: str) -> None:
    with pytest.raises(CorpusError) as raised:
        read(content, tmp_path)

    text = str(raised.value)
    assert str(tmp_path / "x.ciff") in text
    assert "before byte" in text
    assert "expected" in text
    assert found in text
