"""Rows of Parquet and the same objects as lines are the same documents and the same rejects."""

import importlib
import tempfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexmax.corpus import Reject, read_documents
from lexmax.types import Document

arrow: Any = pytest.importorskip("pyarrow")
parquet: Any = importlib.import_module("pyarrow.parquet")

TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=8)
ROW = st.fixed_dictionaries(
    {
        # Some cannot be ids: empty, or with a control character.
        "_id": st.one_of(st.none(), TEXTS, st.just("a\nb")),
        "text": st.one_of(st.none(), TEXTS),
        "title": st.one_of(st.none(), TEXTS),
        "year": st.one_of(st.none(), st.integers(-(2**53), 2**53)),
        "tags": st.one_of(st.none(), st.lists(TEXTS, max_size=2)),
    }
)
SCHEMA = [
    ("_id", "string"),
    ("text", "string"),
    ("title", "string"),
    ("year", "int64"),
    ("tags", "strings"),
]


def read(path: Path) -> tuple[list[Document], list[tuple[int, str]]]:
    rejects: list[Reject] = []
    found = list(read_documents([path], on_reject=rejects.append))
    return found, [(one.line_number, one.reason) for one in rejects]


def as_table(rows: list[dict[str, Any]]) -> Any:
    kinds = {
        "string": arrow.string(),
        "int64": arrow.int64(),
        "strings": arrow.list_(arrow.string()),
    }
    columns = {name: arrow.array([row[name] for row in rows], kinds[kind]) for name, kind in SCHEMA}
    return arrow.table(columns)


@given(st.lists(ROW, max_size=12), st.integers(1, 5))
def test_rows_are_read_as_lines_are(rows: list[dict[str, Any]], group: int) -> None:
    # A line says null by having no such member, as rows are read.
    lines = [{name: value for name, value in row.items() if value is not None} for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        table, text = Path(folder) / "c.parquet", Path(folder) / "c.jsonl"
        parquet.write_table(as_table(rows), table, row_group_size=group)
        text.write_bytes(b"\n".join(map(orjson.dumps, lines)))
        assert read(table) == read(text)
