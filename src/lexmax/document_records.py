"""Which document does a line, or a row of a table, give?"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any, TypeAlias, cast

import orjson

from lexmax.errors import CorpusError, DocumentError, ShapeError
from lexmax.types import Document, Json
from lexmax.vectors import Vectors

Parse: TypeAlias = Callable[[bytes], Document]

_ID_NAMES = ("_id", "id", "doc_id", "docid")
_TEXT_NAMES = ("text", "contents", "body")
_ID_HEADINGS = frozenset({*_ID_NAMES, "docno", "pid"})
_TEXT_HEADINGS = frozenset({*_TEXT_NAMES, "passage", "document"})
# pandas writes its index as such a column.
_INDEX_NAME = "__index_level_"


def columns_parser(first: bytes) -> Parse:
    """Reads lines of as many columns as the first one has."""
    n_columns = first.count(b"\t") + 1
    heading = first if _is_heading(first) else None

    def parse(content: bytes) -> Document:
        if content == heading:
            raise DocumentError(
                "a heading, which tables of documents do not have; expected an id and a text; "
                "nothing is lost by leaving it out"
            )
        return _from_columns(content, n_columns)

    return parse


def _is_heading(line: bytes) -> bool:
    """Whether a line names the columns, as tables of others begin."""
    names = line.decode("utf-8", "replace").strip().lower().split("\t")
    return len(names) > 1 and names[0] in _ID_HEADINGS and names[-1] in _TEXT_HEADINGS


def _from_columns(content: bytes, n_columns: int) -> Document:
    columns = _decoded(content).split("\t")
    if len(columns) != n_columns:
        raise DocumentError(f"{len(columns)} columns; expected {n_columns}, as in the first line")
    match columns:
        case [doc_id, text]:
            return Document(doc_id, text)
        case [doc_id, title, text]:
            return Document(doc_id, text, title)
        case [doc_id, url, title, text]:
            return Document(doc_id, text, title, {"url": url} if url else {})
        case _:
            raise DocumentError(
                f"{len(columns)} columns; expected 2 (id, text), 3 (id, title, text) "
                "or 4 (id, url, title, text), separated by tabs"
            )


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(f"not UTF-8 at byte {error.start}; expected UTF-8 text") from error


def from_json(content: bytes) -> Document:
    """The document of a line that is a JSON object.

    Raises:
        DocumentError: if it gives none.
    """
    try:
        fields: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        _decoded(content)
        raise DocumentError(f"not JSON ({error}); expected one object a line") from error
    if isinstance(fields, list):
        raise DocumentError(
            "JSON, but a list, not an object; expected one object a line, without brackets around "
            "them; `jq -c .[]` writes it so"
        )
    if not isinstance(fields, dict):
        raise DocumentError("JSON, but not an object; expected one object a line")
    return _from_fields(cast("dict[str, Any]", fields))


def _from_fields(fields: dict[str, Any]) -> Document:
    doc_id = _take_id(fields)
    has_title = isinstance(fields.get("title"), str)
    title = _take_text(fields, "title") or ""
    found = [name for name in _TEXT_NAMES if fields.get(name) is not None]
    if not found and not has_title and fields.get("vectors") is None:
        raise DocumentError(f"no text; expected a member called {' or '.join(_TEXT_NAMES)}")
    text = _take_text(fields, found[0]) if found else ""
    vectors = _take_vectors(fields)
    return Document(doc_id, text, title, _metadata(fields), vectors)


def _take_id(fields: dict[str, Any]) -> str:
    name = next((name for name in _ID_NAMES if fields.get(name) is not None), None)
    if name is None:
        raise DocumentError(f"no id; expected a member called {' or '.join(_ID_NAMES)}")
    doc_id = fields.pop(name)
    if isinstance(doc_id, bool) or not isinstance(doc_id, str | int):
        raise DocumentError(f"{name} is {type(doc_id).__name__}; expected text or a whole number")
    return str(doc_id)


def _take_text(fields: dict[str, Any], name: str) -> str:
    text = fields.pop(name, None)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise DocumentError(f"{name} is {type(text).__name__}; expected text")
    return text


def _take_vectors(fields: dict[str, Any]) -> Vectors | None:
    given = fields.pop("vectors", None)
    if given is None:
        return None
    try:
        return Vectors.of(given)
    except ShapeError as error:
        raise DocumentError(str(error)) from error


def _metadata(fields: dict[str, Any]) -> Mapping[str, Json]:
    """What is left of an object once id, title and text are taken out."""
    nested: Any = fields.pop("metadata", None)
    if isinstance(nested, dict):
        return fields | nested
    return fields if nested is None else fields | {"metadata": nested}


def check_columns(source: str, names: Sequence[str]) -> Sequence[str]:
    """The columns of a table of documents that are read: all but an index of pandas.

    Raises:
        CorpusError: if no column is an id, or none a text.
    """
    for wanted, known in (("an id", _ID_NAMES), ("a text", (*_TEXT_NAMES, "title", "vectors"))):
        if not set(known) & set(names):
            raise CorpusError(
                f"{source}: found the columns {', '.join(sorted(names))}; expected one for "
                f"{wanted} that is called {' or '.join(known)}; rename it, or check that it is "
                "the right file"
            )
    return [name for name in names if not name.startswith(_INDEX_NAME)]


def from_row(row: Mapping[str, Any] | None) -> Document:
    """The document of a row by column: as of a JSON object, where null stands for no member.

    Times become text as of ISO 8601, decimals become numbers, bytes are taken for UTF-8. None is a
    row that could not be decoded.

    Raises:
        DocumentError: if it gives none, or a value is of another kind.
    """
    if row is None:
        raise DocumentError("a text of the row is not UTF-8; expected UTF-8 text")
    fields = {name: _plain(name, value) for name, value in row.items() if not _is_null(value)}
    return _from_fields(fields)


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _plain(name: str, value: Any) -> Any:
    match value:
        case None | bool() | str() | int() | float():
            return value
        case bytes():
            return _decoded(value)
        case date() | time():  # a datetime is a date
            return value.isoformat()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case dict():
            return _plain_object(name, cast("dict[str, Any]", value).items())
        case list() if _is_map(cast("Sequence[Any]", value)):
            return _plain_object(name, cast("Sequence[tuple[str, Any]]", value))
        case list():
            return [_plain(name, one) for one in cast("Sequence[Any]", value)]
        case _:
            raise DocumentError(
                f"{name} is {type(value).__name__}; expected text, numbers, truth values, times, "
                "or lists and structs of them"
            )


def _plain_object(name: str, members: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {key: _plain(name, value) for key, value in members if value is not None}


def _is_map(values: Sequence[Any]) -> bool:
    """Whether these are the members of a Parquet map, which come as pairs."""
    return bool(values) and all(
        isinstance(one, tuple) and isinstance(cast("Sequence[Any]", one)[0], str) for one in values
    )
