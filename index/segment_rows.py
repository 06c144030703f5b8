"""Which segments are published, and which are being built? Their two tables in the catalog.

Every function works inside the transaction of its caller.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import orjson

from lexmax.errors import StorageError
from lexmax.types import Json


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One published segment, and the range of serials that it covers: no other has any of them."""

    segment_id: str
    first_serial: int
    last_serial: int
    n_docs: int
    manifest_xxh3: str

    @property
    def is_sound(self) -> bool:
        """Whether all are of their types, as in a file that is not damaged."""
        texts, numbers = astuple(self)[::4], astuple(self)[1:4]
        return all(type(one) is str for one in texts) and all(type(one) is int for one in numbers)


def covering_id(first_serial: int, last_serial: int, *, replaced: Sequence[SegmentRow] = ()) -> str:
    """The id of a segment: its range of serials and, if it replaces others, how often that was.

    No id is used twice: a range that segments were replaced in is never built from pending
    documents again.
    """
    name = f"{first_serial:012d}-{last_serial:012d}"
    if not replaced:
        return name
    times = [row.segment_id.split("-")[2:] for row in replaced]
    return f"{name}-{1 + max(int(found[0]) if found else 0 for found in times)}"


def read(connection: sqlite3.Connection) -> list[SegmentRow]:
    """Published segments in the order of their serials."""
    rows = connection.execute(
        "SELECT segment_id, first_serial, last_serial, n_docs, manifest_xxh3 "
        "FROM segments ORDER BY first_serial"
    ).fetchall()
    return [SegmentRow(*row) for row in rows]


def publish(connection: sqlite3.Connection, segment: SegmentRow) -> None:
    """Add a finished segment; it is no longer being built."""
    connection.execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?)", astuple(segment))
    forget_build(connection, segment.segment_id)


def withdraw(connection: sqlite3.Connection, segment_ids: Sequence[str]) -> None:
    """Take published segments back.

    Raises:
        StorageError: if one of them is not published.
    """
    for segment_id in segment_ids:
        statement = "DELETE FROM segments WHERE segment_id = ?"
        if connection.execute(statement, (segment_id,)).rowcount == 0:
            raise StorageError(
                f"segment {segment_id} is not published any more; expected nobody else to merge "
                "this collection; try again"
            )


def remember_build(
    connection: sqlite3.Connection, segment_id: str, progress: Mapping[str, Json]
) -> None:
    """Remember how far a segment has been built."""
    connection.execute(
        "INSERT OR REPLACE INTO builds VALUES (?, ?)", (segment_id, orjson.dumps(progress).decode())
    )


def builds(connection: sqlite3.Connection) -> dict[str, dict[str, Json]]:
    """Unfinished builds: segment_id to what was last remembered."""
    rows = connection.execute("SELECT segment_id, progress FROM builds").fetchall()
    return {segment_id: orjson.loads(progress) for segment_id, progress in rows}


def forget_build(connection: sqlite3.Connection, segment_id: str) -> None:
    """Give an unfinished build up."""
    connection.execute("DELETE FROM builds WHERE segment_id = ?", (segment_id,))
