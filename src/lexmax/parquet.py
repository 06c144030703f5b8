"""Which rows does a Parquet file hold?"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from lexmax.errors import CorpusError

Row: TypeAlias = Mapping[str, Any]

_ENDING = ".parquet"
# Few, because a row of a corpus may be a long document.
_ROWS_A_BATCH = 512
_BUFFER_BYTES = 1 << 20


def is_parquet(path: Path) -> bool:
    """Whether its name says so."""
    return path.name.lower().endswith(_ENDING)


def numbered_rows(
    path: Path,
    choose: Callable[[Sequence[str]], Sequence[str]],
    *,
    on_read: Callable[[int], None] = lambda n: None,
) -> Iterator[tuple[int, Row | None]]:
    """(number from 1, value by column) of each row, a few hundred in memory at a time.

    A row of which a text is not UTF-8 is None.

    Args:
        path: The file.
        choose: Of the file's columns those to read; may raise.
        on_read: Told, now and then and at the end, how many bytes of the file were read since the
            last time: those of its size that its rows so far are of all rows.

    Raises:
        CorpusError: if pyarrow is not installed, or the file cannot be read; what `choose` raises.
    """
    arrow, failures = _library(path)
    number = told = 0
    try:
        n_bytes = path.stat().st_size
        with arrow.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
            columns = choose(file.schema_arrow.names)
            n_rows = max(1, file.metadata.num_rows)
            for batch in file.iter_batches(batch_size=_ROWS_A_BATCH, columns=list(columns)):
                for row in _decoded(batch):
                    number += 1
                    yield number, row
                on_read(n_bytes * number // n_rows - told)
                told = n_bytes * number // n_rows
        on_read(n_bytes - told)
    except failures as error:
        raise _unreadable(path, error) from error


def n_rows(path: Path) -> int:
    """How many rows it says that it has.

    Raises:
        CorpusError: if pyarrow is not installed, or the file cannot be read.
    """
    arrow, failures = _library(path)
    try:
        with arrow.ParquetFile(path) as file:
            return int(file.metadata.num_rows)
    except failures as error:
        raise _unreadable(path, error) from error


def _decoded(batch: Any) -> Iterator[Row | None]:
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for i in range(batch.num_rows):
            yield _row(batch.slice(i, 1))


def _row(batch: Any) -> Row | None:
    try:
        (row,) = batch.to_pylist()
    except UnicodeDecodeError:
        return None
    return dict(row)


def _library(path: Path) -> tuple[Any, tuple[type[BaseException], ...]]:
    """pyarrow.parquet, and the errors by which it says that a file is bad."""
    try:
        arrow = importlib.import_module("pyarrow.parquet")
        failure = importlib.import_module("pyarrow.lib").ArrowException
    except ImportError as error:
        raise CorpusError(
            f"{path}: reading Parquet needs pyarrow, which is not installed; expected it, or the "
            "same rows as JSON lines; `pip install lexmax[parquet]`"
        ) from error
    return arrow, (OSError, ValueError, NotImplementedError, failure)


def _unreadable(path: Path, error: BaseException) -> CorpusError:
    return CorpusError(
        f"{path}: cannot be read as Parquet ({error}); expected a whole Parquet file; check it, "
        "or fetch it again"
    )
