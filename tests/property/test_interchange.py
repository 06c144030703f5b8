"""What is written in a format is read as it was; arrays decode what one by one decodes."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexmax.interchange import messages
from lexmax.interchange.anserini import read_json_vectors, write_json_vectors
from lexmax.interchange.ciff import read_ciff, write_ciff
from lexmax.interchange.csr import beside, columns_of, read_csr, write_csr
from lexmax.interchange.transposition import Transposer
from lexmax.interchange.vectors import Incoming, Quantiser
from lexmax.types import SparseBatch

_TERMS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=5)
_ROWS = st.lists(
    st.dictionaries(_TERMS, st.integers(1, 1 << 24), max_size=6), min_size=1, max_size=9
)


@dataclass
class Rows:
    rows: list[dict[str, int]]

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
        return ((f"d{i}", f"text {i}") for i in range(len(self.rows)))

    def weights(self) -> Iterator[SparseBatch]:
        place = {term: i for i, term in enumerate(self.terms)}
        for start in range(0, len(self.rows), 4):
            part = self.rows[start : start + 4]
            yield SparseBatch.from_rows(
                [{place[term]: weight for term, weight in row.items()} for row in part]
            )


def content(incoming: Incoming) -> tuple[list[str], list[dict[str, int]]]:
    rng = np.random.default_rng(len(incoming.terms))
    ids = rng.choice(1 << 32, len(incoming.terms), replace=False).astype(np.uint32)
    names = dict(zip(ids.tolist(), incoming.terms, strict=True))
    doc_ids: list[str] = []
    rows: list[dict[str, int]] = []
    for chunk in incoming.chunks(ids):
        doc_ids += chunk.doc_ids
        for i in range(len(chunk.doc_ids)):
            terms, weights = chunk.weights.row(i)
            rows.append({names[t]: int(w) for t, w in zip(terms.tolist(), weights, strict=True)})
    assert incoming.n_docs == len(rows)
    return doc_ids, rows


@given(_ROWS)
def test_ciff_comes_back(rows: list[dict[str, int]]) -> None:
    file = BytesIO()
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_ciff(Rows(rows), file, quantiser=Quantiser(1.0), workspace=folder)
        (folder / "x").write_bytes(file.getvalue())
        found = content(read_ciff(folder / "x", workspace=folder))

    assert found == ([f"d{i}" for i in range(len(rows))], rows)


@given(_ROWS)
def test_json_vectors_come_back(rows: list[dict[str, int]]) -> None:
    file = BytesIO()
    write_json_vectors(Rows(rows), file, quantiser=Quantiser(1.0))
    with TemporaryDirectory() as name:
        path = Path(name, "x.jsonl")
        path.write_bytes(file.getvalue())
        found = content(read_json_vectors(path))

    assert found == ([f"d{i}" for i in range(len(rows))], rows)


@given(_ROWS, st.booleans())
def test_csr_comes_back(rows: list[dict[str, int]], numbered: bool) -> None:
    if numbered:
        rows = [{str(len(term)): weight for term, weight in row.items()} for row in rows]
    file, outgoing = BytesIO(), Rows(rows)
    write_csr(outgoing, file)
    with TemporaryDirectory() as name:
        path = Path(name, "x.npz")
        path.write_bytes(file.getvalue())
        if columns_of(outgoing.terms) is None:
            lines = "".join(f"{term}\n" for term in outgoing.terms)
            beside(path, "terms").write_text(lines, encoding="utf-8", newline="\n")
        found = content(read_csr(path))

    assert found == ([str(i) for i in range(len(rows))], rows)


@given(
    st.lists(st.integers(1, 1 << 31), min_size=40, max_size=300),
    st.integers(0, 200),
    st.data(),
)
def test_arrays_decode_what_one_by_one_decodes(
    tfs: list[int], first_gap: int, data: st.DataObject
) -> None:
    n = len(tfs)
    gaps = [
        first_gap,
        *data.draw(st.lists(st.integers(1, 1 << 31), min_size=n - 1, max_size=n - 1)),
    ]
    region = messages.encoded_postings(np.array(gaps), np.array(tfs))

    fast = messages.postings(region)
    slow = [dict(messages.fields(p)) for _, p in messages.fields(region) if isinstance(p, bytes)]
    assert [posting.get(1, 0) for posting in slow] == gaps
    assert [posting[2] for posting in slow] == tfs
    if len(region) >= 256:
        assert fast is not None
        assert fast[0].tolist() == gaps
        assert fast[1].tolist() == tfs


@given(st.binary(min_size=1, max_size=20), st.integers(0, 1500))
@settings(max_examples=300)
def test_arrays_decode_nothing_else_than_one_by_one(damage: bytes, place: int) -> None:
    rng = np.random.default_rng(place)
    gaps = rng.integers(1, 300, 200)
    tfs = rng.integers(1, 300, 200)
    region = bytearray(messages.encoded_postings(gaps, tfs))
    region[place : place + len(damage)] = damage

    fast = messages.postings(bytes(region))
    if fast is not None:
        slow = [
            dict(messages.fields(value))
            for field, value in messages.fields(bytes(region))
            if field == 4 and isinstance(value, bytes)
        ]
        assert [messages.number(posting.get(1, 0)) for posting in slow] == fast[0].tolist()
        assert [messages.number(posting.get(2, 0)) for posting in slow] == fast[1].tolist()


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 70_000)), unique=True, max_size=200),
    st.lists(st.integers(1, 99), unique=True, max_size=5),
    st.booleans(),
)
def test_postings_come_back_by_major(
    pairs: list[tuple[int, int]], cuts: list[int], ranked: bool
) -> None:
    bounds = np.array([0, *sorted(cuts), 100])
    ranks = np.random.default_rng(1).permutation(70_001).astype(np.uint32)
    with TemporaryDirectory() as name:
        transposer = Transposer(Path(name), bounds)
        for start in range(0, len(pairs), 7):
            part = np.array(pairs[start : start + 7], dtype=np.int64).reshape(-1, 2)
            impacts = (part[:, 0] * 3 + part[:, 1]).astype(np.uint32)
            transposer.add(part[:, 0], part[:, 1].astype(np.uint32), impacts)
        found: dict[int, list[tuple[int, int]]] = {}
        for bucket in transposer.buckets(minor_ranks=ranks if ranked else None):
            for i in range(len(bucket.indptr) - 1):
                a, b = bucket.indptr[i], bucket.indptr[i + 1]
                minors, impacts = bucket.minors[a:b].tolist(), bucket.impacts[a:b].tolist()
                found[bucket.start + i] = list(zip(minors, impacts, strict=True))

    expected: dict[int, list[tuple[int, int]]] = {major: [] for major in range(100)}
    for major, minor in pairs:
        expected[major].append((minor, major * 3 + minor))
    if ranked:
        for row in expected.values():
            row.sort(key=lambda pair: int(ranks[pair[0]]))
    assert found == expected
