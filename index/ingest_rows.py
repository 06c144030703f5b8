"""How far has reading a corpus come, and which of its documents does no search find yet?

The documents that an ingest has stored and that are in no segment are one range of serials: what
others store meanwhile lies behind it and is found at once. Every function works inside the
transaction of its caller.
"""

import sqlite3

from lexmax.index.document_rows import FIRST_UNSEEN, LAST_PUBLISHED, LAST_UNSEEN


def position(connection: sqlite3.Connection, sources: str) -> int:
    """Entries of these sources that an interrupted ingest has consumed; 0 if none was."""
    row = connection.execute(
        "SELECT position FROM ingests WHERE sources = ?", (sources,)
    ).fetchone()
    return 0 if row is None else int(row[0])


def remember(connection: sqlite3.Connection, sources: str, position: int, *, n_new: int) -> None:
    """Entries consumed, and that the last `n_new` serials are of documents that are not seen yet.

    One ingest at a time: what is remembered of another is of a job that was given up. Its
    documents stay unseen all the same: they may be very many, and the build of this ingest takes
    them along. They do not where others have stored documents behind them: those are to be found.
    """
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'documents'").fetchone()
    last = row[0] if row else 0
    first = last + 1 - n_new
    if (before := _unseen(connection)) is not None:
        if n_new == 0:
            first, last = before
        elif before[1] + 1 >= first:
            first = before[0]
    connection.execute("DELETE FROM ingests")
    connection.execute("INSERT INTO ingests VALUES (?, ?, ?)", (sources, position, first))
    connection.execute("INSERT OR REPLACE INTO settings VALUES ('last_unseen', ?)", (str(last),))


def end(connection: sqlite3.Connection) -> None:
    """Whatever is pending is seen."""
    connection.execute("DELETE FROM ingests")
    connection.execute("DELETE FROM settings WHERE name = 'last_unseen'")


def _unseen(connection: sqlite3.Connection) -> tuple[int, int] | None:
    """First and last serial that no search finds; None where there is none."""
    row = connection.execute(
        f"SELECT {FIRST_UNSEEN}, {LAST_UNSEEN} FROM ingests WHERE {LAST_PUBLISHED} < {LAST_UNSEEN}"
    ).fetchone()
    return None if row is None or row[0] > row[1] else (row[0], row[1])
