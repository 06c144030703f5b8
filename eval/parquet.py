"""Which rows does a Parquet file hold?"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lexmax.errors import EvaluationError

_ENDING = ".parquet"
_ROWS_A_BATCH = 8192


def is_parquet(path: Path) -> bool:
    """Whether its name says so."""
    return path.name.endswith(_ENDING)


def numbered_rows(
    path: Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(number from 1, value by column) of each row; optional columns only where there are such.

    Raises:
        EvaluationError: if pyarrow is not installed, the file cannot be read, or a column lacks.
    """
    arrow = _pyarrow(path)
    try:
        with arrow.ParquetFile(path) as file:
            known = set(file.schema_arrow.names)
            if missing := [name for name in columns if name not in known]:
                raise EvaluationError(
                    f"{path}: has no column {missing[0]!r} but {', '.join(sorted(known))}; "
                    f"expected {', '.join(columns)}; check that it is the right file"
                )
            wanted = [*columns, *(name for name in optional if name in known)]
            number = 0
            for batch in file.iter_batches(batch_size=_ROWS_A_BATCH, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    # pyarrow's own errors are ValueError, OSError and more, by what is wrong.
    except (OSError, ValueError, NotImplementedError) as error:
        raise EvaluationError(
            f"{path}: cannot be read as Parquet ({error}); expected a whole Parquet file; check "
            "it, or fetch it again"
        ) from error


def n_rows(path: Path) -> int:
    """How many rows it says that it has.

    Raises:
        EvaluationError: if pyarrow is not installed, or the file cannot be read.
    """
    arrow = _pyarrow(path)
    try:
        with arrow.ParquetFile(path) as file:
            return int(file.metadata.num_rows)
    except (OSError, ValueError) as error:
        raise EvaluationError(
            f"{path}: cannot be read as Parquet ({error}); expected a whole Parquet file; fetch "
            "it again"
        ) from error


def _pyarrow(path: Path) -> Any:
    try:
        return importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise EvaluationError(
            f"{path}: reading Parquet needs pyarrow, which is not installed; expected it, or the "
            "same rows as JSON lines; `pip install pyarrow`"
        ) from error
