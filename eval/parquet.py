"""Which rows does a Parquet file of queries or judgements hold?"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lexmax import parquet
from lexmax.errors import CorpusError, EvaluationError
from lexmax.parquet import Row


def numbered_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """(number from 1, value by column) of each row.

    Raises:
        EvaluationError: if pyarrow is not installed, the file cannot be read, a column lacks, or a
            text is not UTF-8.
    """

    def chosen(known: Sequence[str]) -> Sequence[str]:
        if missing := [name for name in columns if name not in known]:
            raise EvaluationError(
                f"{path}: has no column {missing[0]!r} but {', '.join(sorted(known))}; "
                f"expected {', '.join(columns)}; check that it is the right file"
            )
        return columns

    try:
        for number, row in parquet.numbered_rows(path, chosen):
            if row is None:
                raise EvaluationError(
                    f"{path}: row {number} is not UTF-8; expected UTF-8 text; convert the file"
                )
            yield number, row
    except CorpusError as error:
        raise EvaluationError(str(error)) from error
