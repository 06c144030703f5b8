"""What verification finds beside changed bytes: documents that are nowhere, or twice."""

import sqlite3
from pathlib import Path

import pytest

from lexmax.collection import Collection
from lexmax.index.layout import Layout
from lexmax.index.verification import verify
from lexmax.types import Document


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two segments of three documents."""
    path = tmp_path / "ix"
    with Collection.create(path, multivector=None, merge_in_background=False) as collection:
        for start in (0, 3):
            collection.add(Document(f"d{i}", "milk") for i in range(start, start + 3))
            collection.flush()
    return path


def change(path: Path, statement: str) -> None:
    connection = sqlite3.connect(Layout(path).catalog)
    with connection:
        connection.execute(statement)
    connection.close()


def test_documents_in_two_segments_are_found(path: Path) -> None:
    assert verify(path).problems == ()
    first, second = sorted((path / "segments").iterdir())
    for file in first.iterdir():
        (second / file.name).write_bytes(file.read_bytes())
    change(
        path,
        "UPDATE segments SET manifest_xxh3 = (SELECT manifest_xxh3 FROM segments WHERE "
        f"segment_id = '{first.name}') WHERE segment_id = '{second.name}'",
    )

    problems = verify(path).problems
    assert any("3 documents are in two segments" in problem for problem in problems)
    assert any("3 stored documents are in no segment" in problem for problem in problems)


def test_documents_that_are_not_stored_are_found(path: Path) -> None:
    change(path, "DELETE FROM documents WHERE doc_id = 'd1'")
    (problem,) = verify(path).problems
    assert "1 documents of segments are not stored" in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fields", '{"year": "intege2"}'),
        ("fields", "[3]"),
        ("multivector", '{"codec": "int9"}'),
        ("pooled_codec", '"fp1"'),
    ],
)
def test_settings_that_cannot_be_read_are_found(path: Path, name: str, value: str) -> None:
    change(path, f"INSERT OR REPLACE INTO settings VALUES ('{name}', '{value}')")
    (problem,) = verify(path).problems
    assert "a setting is not what was stored" in problem
    assert "restore a backup" in problem
