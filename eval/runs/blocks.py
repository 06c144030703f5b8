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

from lexmax.errors import EvaluationError
from lexmax.eval.files import line_blocks

_TREC_FIELDS, _MSMARCO_FIELDS = 6, 3
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
    if not path.is_file():
        return None  # A pipe can be read only once, and the careful reader may have to.
    n_fields = _MSMARCO_FIELDS if is_msmarco else _TREC_FIELDS
    by_query: dict[str, Rows] = {}
    try:
        for block in line_blocks(path):
            fields = _fields(block, n_fields)
            scores = fields and (_ranks(fields) if is_msmarco else _scores(fields))
            if not fields or not scores:
                return None
            _add(by_query, fields[0::n_fields], fields[1 if is_msmarco else 2 :: n_fields], scores)
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


def _fields(block: bytes, n_fields: int) -> list[str] | None:
    if not block.isascii() or not _is_regular(block, n_fields):
        return None
    return block.decode("ascii").split()


def _is_regular(block: bytes, n_fields: int) -> bool:
    """Whether each line has so many fields; a block ends with a newline.

    No where other control characters stand, at some of which bytes and text split differently.
    """
    content = np.frombuffer(block, np.uint8)
    if np.count_nonzero(content < _SPACE) != sum(map(block.count, (b"\n", b"\t", b"\r"))):
        return False
    is_space = content <= _SPACE
    begins = ~is_space
    begins[1:] &= is_space[:-1]
    starts, ends = np.flatnonzero(begins), np.flatnonzero(content == _NEWLINE)
    if len(starts) != n_fields * len(ends):
        return False
    starts = starts.reshape(len(ends), n_fields)
    return bool(np.all(starts[:, -1] < ends) and np.all(starts[1:, 0] > ends[:-1]))


def _scores(fields: Sequence[str]) -> "array[float] | None":
    digits = fields[4::_TREC_FIELDS]
    try:
        scores = array("d", map(float, digits))
    except ValueError:
        return None
    if not np.isfinite(np.frombuffer(scores)).all() or "_" in "".join(digits):
        return None
    return scores


def _ranks(fields: Sequence[str]) -> "array[float] | None":
    digits = fields[2::_MSMARCO_FIELDS]
    if not "".join(digits).isdigit() or max(map(len, digits)) > _MOST_DIGITS:
        return None
    return array("d", [-float(rank) for rank in digits])
