"""Which queries does a file hold?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from lexmax.errors import EvaluationError
from lexmax.eval.files import as_id, bad_line, decoded, delimiters, numbered_lines
from lexmax.eval.parquet import numbered_rows
from lexmax.parquet import is_parquet

_HEADINGS = frozenset({"qid", "query_id", "query-id", "id", "_id", "topic"})


def read_queries(path: Path) -> dict[str, str]:
    """Text by query_id, without white space around it, of JSON lines or Parquet as BEIR has them.

    Raises:
        EvaluationError: if the file cannot be read, holds no query or one twice, or a line is
            none.
    """
    queries: dict[str, str] = {}
    for number, query_id, text in _records(path):
        _add(queries, path, number, query_id=query_id, text=text)
    if not queries:
        raise EvaluationError(
            f'{path}: holds no query; expected a line {{"_id": ..., "text": ...}} for each; '
            "check that it is the right file"
        )
    return queries


def read_query_table(path: Path) -> dict[str, str]:
    """Text by query_id of lines `query_id text` with a tab between, as MS MARCO has them.

    Raises:
        EvaluationError: as `read_queries`.
    """
    queries: dict[str, str] = {}
    for position, (number, line) in enumerate(numbered_lines(path)):
        query_id, tab, text = decoded(path, number, line).partition("\t")
        if not tab or not query_id.strip():
            expected = "`query_id text` with a tab between"
            raise bad_line(path, number, line, expected + delimiters(line))
        if position == 0 and query_id.strip().lower() in _HEADINGS:
            continue
        _add(queries, path, number, query_id=query_id.strip(), text=text)
    if not queries:
        raise EvaluationError(
            f"{path}: holds no query; expected a line `query_id text` with a tab between for "
            "each; check that it is the right file"
        )
    return queries


def _add(queries: dict[str, str], path: Path, number: int, *, query_id: str, text: str) -> None:
    if query_id in queries:
        raise EvaluationError(
            f"{path}:{number}: query {query_id!r} stands above already; expected each query "
            "once; remove one"
        )
    queries[query_id] = text.strip()


def _records(path: Path) -> Iterator[tuple[int, str, str]]:
    if is_parquet(path):
        for number, row in numbered_rows(path, ("_id", "text")):
            yield number, *_query(path, number, row, shown=repr(row).encode())
        return
    for number, line in numbered_lines(path):
        text = decoded(path, number, line)
        try:
            record: Any = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            expected = 'one JSON object with "_id" and "text"'
            raise bad_line(path, number, line, expected) from error
        yield number, *_query(path, number, record, shown=line)


def _query(path: Path, number: int, record: Any, *, shown: bytes) -> tuple[str, str]:
    try:
        query_id, text = record["_id"], record["text"]
    except (KeyError, TypeError, ValueError) as error:
        expected = 'one JSON object with "_id" and "text"'
        raise bad_line(path, number, shown, expected) from error
    # Some published copies hold numbers for ids; qrels name them by the same digits.
    name = as_id(query_id)
    if name is None or not isinstance(text, str):
        raise bad_line(path, number, shown, '"_id" a name, not empty, and "text" a string')
    return name, text
