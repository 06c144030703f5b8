"""Which documents are relevant to which query, by human judgement?"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from lexmax.errors import EvaluationError
from lexmax.eval.files import (
    as_id,
    bad_line,
    check_ids,
    decoded,
    delimiters,
    numbered_lines,
    replace_file,
)
from lexmax.eval.parquet import numbered_rows
from lexmax.parquet import is_parquet

Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
"""query_id -> doc_id -> relevance: graded, 0 where not relevant.

Below 0 is not relevant either, and trec_eval takes it for not judged (`judged_only`, Bpref).
"""

Subtopics: TypeAlias = Mapping[str, Mapping[str, frozenset[str]]]
"""query_id -> doc_id -> the subtopics of the query that the document is relevant to."""

# trec_eval counts grades in an array as long as the highest.
MAX_RELEVANCE = 10_000

_BEIR_FIELDS = ("query-id", "corpus-id", "score")
_HEADINGS = frozenset({"score", "relevance", "rel", "label", "grade"})
_NO_SUBTOPIC = "0"
_Judgement: TypeAlias = tuple[str, str, str, str]
"""query_id, subtopic, doc_id, relevance"""


def read_qrels(path: Path | str) -> dict[str, dict[str, int]]:
    """Relevance by doc_id by query_id, in the order of the file.

    Reads TREC (`query_id 0 doc_id relevance`, any white space between), BEIR (`query_id doc_id
    relevance` with tabs, header or not), JSON lines and Parquet with BEIR's field names; text in
    .gz and .zst too. Of a document that is judged for several subtopics (the second field of
    TREC) the highest relevance counts.

    Raises:
        EvaluationError: if the file cannot be read, holds no judgement, or a line is none; or
            one document is judged twice for a query, and differently.
    """
    path = Path(path)
    qrels: dict[str, dict[str, int]] = {}
    subtopics: dict[tuple[str, str], str] = {}
    for number, (query_id, subtopic, doc_id, grade) in _judgements(path):
        relevance = _relevance(path, number, grade)
        judged = qrels.setdefault(query_id, {})
        before = judged.setdefault(doc_id, relevance)
        if before != relevance:
            if subtopics.get((query_id, doc_id), _NO_SUBTOPIC) == subtopic:
                raise EvaluationError(
                    f"{path}:{number}: document {doc_id!r} has relevance {relevance} for query "
                    f"{query_id!r} but had {before} above; expected one judgement a pair; "
                    "remove one"
                )
            judged[doc_id] = max(before, relevance)
        if subtopic != _NO_SUBTOPIC:
            subtopics[query_id, doc_id] = subtopic
    if not qrels:
        raise EvaluationError(
            f"{path}: holds no judgement; expected lines `query_id 0 doc_id relevance` (TREC) or "
            "`query_id doc_id relevance` with tabs (BEIR); check that it is the right file"
        )
    return qrels


def read_subtopics(path: Path | str) -> dict[str, dict[str, frozenset[str]]]:
    """Subtopics by doc_id by query_id, of TREC qrels whose second field is the subtopic.

    Only documents of a relevance above 0 are in it.

    Raises:
        EvaluationError: as `read_qrels`.
    """
    path = Path(path)
    found: dict[str, dict[str, frozenset[str]]] = {}
    for number, (query_id, subtopic, doc_id, grade) in _judgements(path):
        judged = found.setdefault(query_id, {})
        if _relevance(path, number, grade) > 0:
            judged[doc_id] = judged.get(doc_id, frozenset()) | {subtopic}
    return found


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
    if is_parquet(path):
        for number, row in numbered_rows(path, _BEIR_FIELDS):
            yield number, _from_record(path, number, row, shown=repr(row).encode())
        return
    lines = numbered_lines(path)
    first = next(lines, None)
    if first is None:
        return
    split = _splitter(path, *first)
    is_heading = split(*first)[3].lower() in _HEADINGS
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
    expected = "3 fields with tabs between (BEIR) or 4 fields (TREC)"
    raise bad_line(path, number, first, expected + delimiters(first))


def _from_tsv(path: Path, number: int, line: bytes) -> _Judgement:
    fields = decoded(path, number, line).split("\t")
    if len(fields) != 3 or not all(fields):
        raise bad_line(path, number, line, "`query_id doc_id relevance` with a tab between each")
    return fields[0], _NO_SUBTOPIC, fields[1], fields[2].strip()


def _from_trec(path: Path, number: int, line: bytes) -> _Judgement:
    decoded(path, number, line)
    # Bytes split at ASCII white space alone, as trec_eval does; an id may hold a no-break space.
    fields = line.split()
    if len(fields) != 4:
        raise bad_line(path, number, line, "4 fields, `query_id 0 doc_id relevance`")
    query_id, subtopic, doc_id, grade = (field.decode() for field in fields)
    return query_id, subtopic, doc_id, grade


def _from_json(path: Path, number: int, line: bytes) -> _Judgement:
    try:
        record: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        record = None
    return _from_record(path, number, record, shown=line)


def _from_record(path: Path, number: int, record: Any, *, shown: bytes) -> _Judgement:
    try:
        query_id, doc_id, grade = (record[name] for name in _BEIR_FIELDS)
    except (KeyError, TypeError, ValueError) as error:
        expected = "one JSON object with query-id, corpus-id and score"
        raise bad_line(path, number, shown, expected) from error
    ids = as_id(query_id), as_id(doc_id)
    if ids[0] is None or ids[1] is None:
        expected = "query-id and corpus-id texts or whole numbers, not empty"
        raise bad_line(path, number, shown, expected)
    if isinstance(grade, float) and grade.is_integer():
        grade = int(grade)
    return ids[0], _NO_SUBTOPIC, ids[1], str(grade)


def _relevance(path: Path, number: int, grade: str) -> int:
    digits = grade.removeprefix("-").removesuffix(".0")  # as pandas writes whole numbers
    if digits.isascii() and digits.isdigit() and len(digits) <= 9:
        relevance = int(grade.removesuffix(".0"))
        if abs(relevance) <= MAX_RELEVANCE:
            return relevance
    raise EvaluationError(
        f"{path}:{number}: found relevance {grade[:40]!r}; expected an integer from "
        f"{-MAX_RELEVANCE} to {MAX_RELEVANCE}; check that the fields are in order"
    )
