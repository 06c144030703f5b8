"""Which rows does a run hold, read line by line? The reader that says what is wrong, and where."""

from collections.abc import Iterable
from pathlib import Path

from lexmax.errors import EvaluationError
from lexmax.eval.files import bad_line, decoded, delimiters
from lexmax.eval.runs.blocks import Rows

_INFINITY = float("inf")
_TREC = "`query_id Q0 doc_id rank score tag`"
_HEADINGS = frozenset({b"score", b"sim", b"similarity", b"relevance"})


def read_by_line(
    path: Path, lines: Iterable[tuple[int, bytes]], *, is_msmarco: bool
) -> dict[str, Rows]:
    """Rows by query_id, in the order of the file.

    Args:
        path: For messages.
        lines: (number, bytes) of each line, as `numbered_lines` gives them.
        is_msmarco: Whether lines have three fields, not six.

    Raises:
        EvaluationError: naming the line, if one is bad.
    """
    return _read_msmarco(path, lines) if is_msmarco else _read_trec(path, lines)


def _read_trec(path: Path, lines: Iterable[tuple[int, bytes]]) -> dict[str, Rows]:
    by_query: dict[str, Rows] = {}
    for number, line in lines:
        try:
            # Bytes split at ASCII white space alone, as trec_eval does.
            query_id, _, doc_id, _, digits, _ = line.split()
        except ValueError as error:
            raise bad_line(path, number, line, _TREC + delimiters(line)) from error
        score = _score(path, number, line, digits)
        rows = by_query.setdefault(decoded(path, number, query_id), Rows())
        rows.append(decoded(path, number, doc_id), score)
    return by_query


def _score(path: Path, number: int, line: bytes, digits: bytes) -> float:
    try:
        score = float(digits)
    except ValueError as error:
        expected = f"{_TREC}, the score a number"
        if digits.lower() in _HEADINGS:
            expected += "; this is a heading, which a run does not have"
        raise bad_line(path, number, line, expected) from error
    if not -_INFINITY < score < _INFINITY or b"_" in digits:
        raise bad_line(path, number, line, "a finite number as the score")
    return score


def _read_msmarco(path: Path, lines: Iterable[tuple[int, bytes]]) -> dict[str, Rows]:
    by_query: dict[str, Rows] = {}
    ranked: set[tuple[bytes, int]] = set()
    for number, line in lines:
        fields = msmarco_fields(line)
        if fields is None:
            raise _no_rank(path, number, line)
        query_id, doc_id, rank = fields[0], fields[1], int(fields[2])
        if (query_id, rank) in ranked:
            raise bad_line(path, number, line, "each rank once a query")
        ranked.add((query_id, rank))
        rows = by_query.setdefault(decoded(path, number, query_id), Rows())
        rows.append(decoded(path, number, doc_id), -float(rank))
    return by_query


def msmarco_fields(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Query, document and rank; None for what is no such line.

    Two tabs separate the fields, and an id may then hold spaces; many write spaces instead.
    """
    fields = line.split()
    if len(fields) != 3 and line.count(b"\t") == 2:
        fields = [field.strip() for field in line.split(b"\t")]
    if len(fields) != 3 or not all(fields) or not fields[2].isdigit() or len(fields[2]) > 7:
        return None
    return fields[0], fields[1], fields[2]


def _no_rank(path: Path, number: int, line: bytes) -> EvaluationError:
    expected = "`query_id doc_id rank`, the rank an integer"
    if line.split()[-1].lower() == b"rank":
        expected += "; this is a heading, which a run does not have"
    return bad_line(path, number, line, expected)
