"""Which rows does a well-formed run hold, read by megabytes?

Runs hold millions of lines, and taking one apart costs more than measuring it. So a block is
split at once, after its bytes have shown that every line has the same number of fields. Anything
else (blank lines, ids beyond ASCII, numbers that are none) is left to lines.py.
"""

from array import array
from collections.abc import Sequence
from itertools import islice, pairwise
from operator import ne
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import EvaluationError
from lexmax.eval.files import line_blocks

# Query, document and score or rank, of all the columns there are.
_TREC_COLUMNS = np.array([True, False, True, False, True, False])
_MSMARCO_COLUMNS = np.array([True, True, True])
_NEWLINE, _SPACE = ord("\n"), ord(" ")
_MOST_DIGITS = 7


class Rows:
    """The documents of one query and their scores, in the order of the file."""

    __slots__ = ("doc_ids", "scores")

    def __init__(self) -> None:
        self.doc_ids: list[str] = []
        self.scores = array("d")

    def append(self, doc_id: str, score: float) -> None:
        """Adds one."""
        self.doc_ids.append(doc_id)
        self.scores.append(score)


def read_blocks(path: Path, *, is_msmarco: bool) -> dict[str, Rows] | None:
    """Rows by query_id, in the order of the file; None if it is not plain enough for this reader.

    Never raises for what a file holds.
    """
    columns = _MSMARCO_COLUMNS if is_msmarco else _TREC_COLUMNS
    by_query: dict[str, Rows] = {}
    try:
        for block in line_blocks(path):
            fields = _fields(block, columns)
            if not fields:
                return None
            query_ids, doc_ids, digits = fields[0::3], fields[1::3], fields[2::3]
            scores = _ranks(digits) if is_msmarco else _scores(digits)
            if scores is None:
                return None
            _add(by_query, query_ids, doc_ids, scores)
    except EvaluationError:
        return None
    if is_msmarco and any(len(set(rows.scores)) < len(rows.scores) for rows in by_query.values()):
        return None
    return by_query


def _add(
    by_query: dict[str, Rows],
    query_ids: Sequence[str],
    doc_ids: list[str],
    scores: "array[float]",
) -> None:
    others = map(ne, query_ids, islice(query_ids, 1, None))
    bounds = np.flatnonzero(np.fromiter(others, np.bool_, len(query_ids) - 1)) + 1
    for start, stop in pairwise([0, *bounds.tolist(), len(query_ids)]):
        rows = by_query.setdefault(query_ids[start], Rows())
        rows.doc_ids += doc_ids[start:stop]
        rows.scores += scores[start:stop]


def _fields(block: bytes, columns: NDArray[np.bool_]) -> list[str] | None:
    """The fields of the columns that are wanted, line by line; None if the block is not plain."""
    content = np.frombuffer(block, np.uint8)
    n_control = sum(map(block.count, (b"\n", b"\t", b"\r")))
    # At some of the other control characters bytes and text split differently.
    if not block.isascii() or np.count_nonzero(content < _SPACE) != n_control:
        return None
    starts = _starts(content, len(columns))
    if starts is None:
        return None
    # Only what is wanted becomes text: a block is split in half the time.
    widths = np.diff(starts, append=len(content))
    is_wanted = np.repeat(np.tile(columns, len(starts) // len(columns)), widths)
    return content[starts[0] :][is_wanted].tobytes().decode("ascii").split()


def _starts(content: NDArray[np.uint8], n_fields: int) -> NDArray[np.int64] | None:
    """Where each field begins, int64 (n_lines * n_fields); None if a line has more or fewer."""
    is_space = content <= _SPACE
    begins = ~is_space
    begins[1:] &= is_space[:-1]
    starts, ends = np.flatnonzero(begins), np.flatnonzero(content == _NEWLINE)
    if len(starts) != n_fields * len(ends):
        return None
    by_line = starts.reshape(len(ends), n_fields)
    is_regular = np.all(by_line[:, -1] < ends) and np.all(by_line[1:, 0] > ends[:-1])
    return starts if is_regular else None


def _scores(digits: Sequence[str]) -> "array[float] | None":
    try:
        scores = array("d", map(float, digits))
    except ValueError:
        return None
    if not np.isfinite(np.frombuffer(scores)).all() or "_" in "".join(digits):
        return None
    return scores


def _ranks(digits: Sequence[str]) -> "array[float] | None":
    if not "".join(digits).isdigit() or max(map(len, digits)) > _MOST_DIGITS:
        return None
    return array("d", [-float(rank) for rank in digits])
