"""Does storing many documents at once leave what storing one after another does?"""

import contextlib
import sqlite3
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.index import document_rows, vector_rows
from lexmax.index.schema import _SCHEMA
from lexmax.types import Document
from lexmax.vectors import NOTHING, GivenRow

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_ROWS = st.sampled_from(
    [
        NOTHING,
        GivenRow(terms=(np.array([], np.uint32), np.array([], np.float32))),
        GivenRow(terms=(np.array([3, 9], np.uint32), np.array([0.5, 2], np.float32))),
        GivenRow(tokens=np.zeros((0, 4), np.float32)),
        GivenRow(tokens=np.ones((2, 4), np.float32), pooled=np.full(4, 0.25, np.float32)),
    ]
)
_DOCUMENTS = st.lists(
    st.tuples(st.sampled_from("abcde"), _TEXTS, st.sampled_from(["", "\0", "t"]), _ROWS),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_DOCUMENTS, max_size=4))
def test_together_or_one_after_another(batches: list[list[tuple[str, str, str, GivenRow]]]) -> None:
    with contextlib.closing(_catalog()) as together, contextlib.closing(_catalog()) as one_by_one:
        for batch in batches:
            documents = [Document(name, text, title) for name, text, title, _ in batch]
            rows = [row for *_, row in batch]
            counted = document_rows.store(together, documents, rows, has_vectors=True)
            expected = document_rows.UpsertCount()
            for document, row in zip(documents, rows, strict=True):
                expected += document_rows.store(one_by_one, [document], [row], has_vectors=True)
            assert counted == expected
        assert _all(together) == _all(one_by_one)
        serials = [row[0] for row in _all(together)[0]]
        assert _read(together, serials) == _read(one_by_one, serials)
        assert document_rows.changed(together) == vector_rows.changed(together) == []


@given(st.lists(_TEXTS, max_size=8))
def test_texts_come_back_as_they_were(texts: list[str]) -> None:
    documents = [Document(f"d{i}", text) for i, text in enumerate(texts)]
    with contextlib.closing(_catalog()) as connection:
        document_rows.store(connection, documents)
        # Whoever stores the same again compares with what is there.
        again = document_rows.store(connection, documents)
    assert again == document_rows.UpsertCount(unchanged=len(texts))


def _catalog() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(_SCHEMA)
    vector_rows.create(connection)
    return connection


def _all(connection: sqlite3.Connection) -> tuple[list[Any], list[Any]]:
    documents = connection.execute("SELECT * FROM documents ORDER BY serial").fetchall()
    return documents, connection.execute("SELECT * FROM vectors ORDER BY serial").fetchall()


def _read(connection: sqlite3.Connection, serials: list[int]) -> list[Any]:
    found = vector_rows.read(connection, serials)
    return [
        [None if part is None else np.asarray(part).tolist() for part in (row.tokens, row.pooled)]
        + [None if row.terms is None else [part.tolist() for part in row.terms]]
        for row in found
    ]
