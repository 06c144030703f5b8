"""Which documents are relevant to which query, by human judgement?"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from lexmax.errors import EvaluationError
from lexmax.eval.files import bad_line, check_ids, decoded, numbered_lines, replace_file

Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
"""query_id -> doc_id -> relevance: graded, 0 where not relevant.

Below 0 is not relevant either, and trec_eval takes it for not judged (`judged_only`, Bpref).
"""

# trec_eval counts grades in an array as long as the highest.
MAX_RELEVANCE = 10_000

_BEIR_FIELDS = ("query-id", "corpus-id", "score")
_HEADINGS = frozenset({"score", "relevance", "rel", "label", "grade"})
_Judgement: TypeAlias = tuple[str, str, str]


def read_qrels(path: Path | str) -> dict[str, dict[str, int]]:
    """Relevance by doc_id by query_id, in the order of the file.

    Reads TREC (`query_id 0 doc_id relevance`, any white space between), BEIR (`query_id doc_id
    relevance` with tabs, header or not) and JSON lines with BEIR's field names; .gz and .zst too.

    Raises:
        EvaluationError: if the file cannot be read, holds no judgement, or a line is none; or
            one document is judged twice for a query, and differently.
    """
    path = Path(path)
    qrels: dict[str, dict[str, int]] = {}
    for number, (query_id, doc_id, grade) in _judgements(path):
        relevance = _relevance(path, number, grade)
        before = qrels.setdefault(query_id, {}).setdefault(doc_id, relevance)
        if before != relevance:
            raise EvaluationError(
                f"{path}:{number}: document {doc_id!r} has relevance {relevance} for query "
                f"{query_id!r} but had {before} above; expected one judgement a pair; remove one"
            )
    if not qrels:
        raise EvaluationError(
            f"{path}: holds no judgement; expected lines `query_id 0 doc_id relevance` (TREC) or "
            "`query_id doc_id relevance` with tabs (BEIR); check that it is the right file"
        )
    return qrels


def write_qrels(path: Path | str, qrels: Qrels) -> None:
    """Writes TREC qrels, whole or not at all.

    Raises:
        EvaluationError: if an id holds white space, which the format cannot store, or the path
            cannot be written.
        DiskFullError: if there is no room.
    """
    for query_id, judged in qrels.items():
        check_ids([query_id, *judged])
    lines = (
        f"{query_id} 0 {doc_id} {relevance}\n".encode()
        for query_id, judged in qrels.items()
        for doc_id, relevance in judged.items()
    )
    replace_file(Path(path), lines)


def _judgements(path: Path) -> Iterator[tuple[int, _Judgement]]:
    lines = numbered_lines(path)
    first = next(lines, None)
    if first is None:
        return
    split = _splitter(path, *first)
    is_heading = split(*first)[2].lower() in _HEADINGS
    for number, line in lines if is_heading else chain([first], lines):
        yield number, split(number, line)


def _splitter(path: Path, number: int, first: bytes) -> Callable[[int, bytes], _Judgement]:
    """How to take a file's lines apart: by what its first line looks like."""
    if first.lstrip().startswith(b"{"):
        return lambda number, line: _from_json(path, number, line)
    if first.count(b"\t") == 2:
        return lambda number, line: _from_tsv(path, number, line)
    if len(first.split()) == 4:
        return lambda number, line: _from_trec(path, number, line)
    raise bad_line(path, number, first, "3 fields with tabs between (BEIR) or 4 fields (TREC)")


def _from_tsv(path: Path, number: int, line: bytes) -> _Judgement:
    fields = decoded(path, number, line).split("\t")
    if len(fields) != 3 or not all(fields):
        raise bad_line(path, number, line, "`query_id doc_id relevance` with a tab between each")
    return fields[0], fields[1], fields[2].strip()


def _from_trec(path: Path, number: int, line: bytes) -> _Judgement:
    decoded(path, number, line)
    # Bytes split at ASCII white space alone, as trec_eval does; an id may hold a no-break space.
    fields = line.split()
    if len(fields) != 4:
        raise bad_line(path, number, line, "4 fields, `query_id 0 doc_id relevance`")
    return fields[0].decode(), fields[2].decode(), fields[3].decode()


def _from_json(path: Path, number: int, line: bytes) -> _Judgement:
    try:
        record: Any = orjson.loads(line)
        query_id, doc_id, grade = (record[name] for name in _BEIR_FIELDS)
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        expected = "one JSON object with query-id, corpus-id and score"
        raise bad_line(path, number, line, expected) from error
    if isinstance(grade, float) and grade.is_integer():
        grade = int(grade)
    return str(query_id), str(doc_id), str(grade)


def _relevance(path: Path, number: int, grade: str) -> int:
    digits = grade.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= 9:
        relevance = int(grade)
        if abs(relevance) <= MAX_RELEVANCE:
            return relevance
    raise EvaluationError(
        f"{path}:{number}: found relevance {grade[:40]!r}; expected an integer from "
        f"{-MAX_RELEVANCE} to {MAX_RELEVANCE}; check that the fields are in order"
    )
