"""Is what came out of a snapshot a collection that this build can serve?

Checksums say that bytes are those which somebody wrote, not that lexmax wrote them. So the catalog
must have lexmax's tables and triggers and nothing else: SQLite would run those of a stranger.
"""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from lexmax.errors import (
    CorruptionError,
    EncoderError,
    IndexFormatError,
    InputError,
    NotACollectionError,
    SnapshotError,
)
from lexmax.index import vector_rows
from lexmax.index.layout import Layout
from lexmax.index.schema import create_file, open_file
from lexmax.index.verification import verify
from lexmax.index.vocabulary import write_terms

_SHOWN = 3
_REMEDY = "take another snapshot of a collection that `lexmax verify` finds sound"


def check_collection(folder: Path) -> int:
    """Refuse what is no sound collection; how many living documents it has.

    Raises:
        SnapshotError: if it is none.
    """
    with told_of_snapshot(folder):
        Layout(folder).require()
        _check_tables(Layout(folder).catalog)
        report = verify(folder)
    if report.problems:
        shown = "; ".join(report.problems[:_SHOWN])
        raise SnapshotError(f"the snapshot is no sound collection: {_inside(shown, folder)}")
    return report.n_docs


def _check_tables(catalog: Path) -> None:
    """Before anything else is asked of a catalog that may be a stranger's."""
    example = catalog.with_name("example.sqlite")
    try:
        create_file(example, {})
        needed = _tables(example)
        write_terms(example, [])
        with closing(open_file(example)) as connection:
            vector_rows.create(connection)
        allowed = _tables(example)
    finally:
        for path in catalog.parent.glob(f"{example.name}*"):
            path.unlink()
    if not needed <= _tables(catalog) <= allowed:
        raise SnapshotError(
            f"{catalog.name}: has other tables than those of lexmax; expected those alone; "
            f"{_REMEDY}"
        )


def _tables(path: Path) -> set[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    return {(kind, name, str(sql)) for kind, name, sql in rows}


@contextmanager
def told_of_snapshot(folder: Path) -> Generator[None, None, None]:
    """Whatever reading damaged or foreign files raises is said of the snapshot.

    Raises:
        SnapshotError: for all but an encoder that cannot be loaded.
    """
    try:
        yield
    except (SnapshotError, EncoderError):
        raise
    except (InputError, CorruptionError, IndexFormatError, NotACollectionError) as error:
        raise SnapshotError(_inside(str(error), folder)) from error
    except sqlite3.Error as error:
        raise SnapshotError(f"its catalog is damaged ({error}); {_REMEDY}") from error
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        found = type(error).__name__
        raise SnapshotError(f"its files cannot be read ({found}); {_REMEDY}") from error


def _inside(said: str, folder: Path) -> str:
    """Without the paths of this machine."""
    return said.replace(f"{folder}/", "").replace(str(folder), "the snapshot")
