"""Which entries of the metadata can be filtered by, and what is a value of each type?

A collection declares fields: names of metadata entries with the type that their values have. A
document may lack a field, or have null there. Inside, values have one form a type: text, whole
number, float, boolean and, for a datetime, microseconds since 1970 in UTC.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, TypeAlias, cast, get_args

from lexmax.errors import CorruptionError, DocumentError, InputError
from lexmax.types import Document, Json

FieldType: TypeAlias = Literal["keyword", "integer", "float", "boolean", "datetime"]
FIELD_TYPES: tuple[FieldType, ...] = get_args(FieldType)
Fields: TypeAlias = Mapping[str, FieldType]
Value: TypeAlias = str | int | float | bool

MAX_FIELDS = 256
NAME_RULE = r"[^\W\d][\w.-]{0,63}"
INT64 = (-(1 << 63), (1 << 63) - 1)

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d))?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEEDS: Mapping[FieldType, str] = {
    "keyword": "a text, or a list of texts",
    "integer": "a whole number of 64 bits",
    "float": "a finite number",
    "boolean": "true or false",
    "datetime": "a time such as 2024-05-01T12:00:00Z, or a day such as 2024-05-01 (RFC 3339)",
}


def check_fields(declared: Mapping[str, str]) -> dict[str, FieldType]:
    """The declaration, by name.

    Raises:
        InputError: if a name or a type is none, or there are more than 256.
    """
    if len(declared) > MAX_FIELDS:
        raise InputError(f"found {len(declared)} fields; expected at most {MAX_FIELDS}")
    for name, kind in declared.items():
        if not re.fullmatch(NAME_RULE, str(name)):
            raise InputError(
                f"found a field called {name!r:.70}; expected a letter or _, then letters, digits, "
                "_, . and -, 64 at most; rename the entry of the metadata"
            )
        if kind not in FIELD_TYPES:
            raise InputError(
                f"field {name} is declared as {kind!r:.40}; expected {', '.join(FIELD_TYPES)}"
            )
    return {name: cast("FieldType", declared[name]) for name in sorted(declared)}


def read_fields(written: Json) -> dict[str, FieldType]:
    """The fields of a catalog's or a segment's JSON; none for null.

    Raises:
        CorruptionError: if it is something else.
    """
    if written is None:
        return {}
    try:
        return check_fields(cast("Mapping[str, str]", written))
    except (InputError, AttributeError, TypeError) as error:
        raise CorruptionError(
            f"declared fields are {written!r:.200}; expected names mapped to types ({error}); "
            "restore a backup"
        ) from error


def described(fields: Fields) -> str:
    """The fields as an error names them."""
    if not fields:
        return "no fields; declare them with `lexmax index --field NAME:TYPE`"
    return ", ".join(f"{name} ({kind})" for name, kind in sorted(fields.items()))


def value_of(kind: FieldType, found: Json) -> Value:
    """One value of a type in the form that it has inside.

    Raises:
        ValueError: if it is of another type; the message says what was found and expected.
    """
    match kind:
        case "keyword" if isinstance(found, str):
            return found
        case "integer" if _is_number(found, int) and INT64[0] <= cast("int", found) <= INT64[1]:
            return cast("int", found)
        case "float" if _is_number(found, int | float):
            return _float(cast("float", found))
        case "boolean" if isinstance(found, bool):
            return found
        case "datetime" if isinstance(found, str):
            return microseconds(found)
        case _:
            raise ValueError(_mismatch(kind, found))


def values_of(kind: FieldType, found: Json) -> Sequence[Value]:
    """Values that a document has in a field: none for null, of a keyword perhaps several.

    Raises:
        ValueError: as `value_of`.
    """
    if found is None:
        return ()
    if kind == "keyword" and isinstance(found, list | tuple):
        return [value_of(kind, one) for one in cast("Sequence[Json]", found)]
    return (value_of(kind, found),)


def check_metadata(document: Document, fields: Fields) -> None:
    """Refuse a document whose metadata has another type in a declared field.

    Raises:
        DocumentError: if so.
    """
    for name, kind in fields.items():
        try:
            values_of(kind, document.metadata.get(name))
        except ValueError as error:
            raise DocumentError(
                f"document {document.doc_id!r}: metadata {name} is {error}; mend the document, or "
                f"leave {name} out"
            ) from error


def microseconds(text: str) -> int:
    """Microseconds since 1970 in UTC of a time or a day (its first moment in UTC), RFC 3339.

    Finer fractions of a second are cut.

    Raises:
        ValueError: if the text is neither, or has no offset from UTC.
    """
    if _TIME.fullmatch(text) is None:
        raise ValueError(_mismatch("datetime", text))
    try:
        found = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise ValueError(_mismatch("datetime", text)) from error
    offset = found.utcoffset()
    # Subtracted as numbers: year 1 or 9999 in another zone may be no datetime in UTC.
    since = found.replace(tzinfo=UTC) - _EPOCH
    since = since if offset is None else since - offset
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _is_number(found: Json, kinds: object) -> bool:
    return isinstance(found, kinds) and not isinstance(found, bool)  # type: ignore[arg-type]


def _float(found: float) -> float:
    try:
        value = float(found)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ValueError(_mismatch("float", found))
    return value


def _mismatch(kind: FieldType, found: Json) -> str:
    return f"{_named(found)}; expected {_NEEDS[kind]}"


def _named(found: Json) -> str:
    """What it is, without repeating it: it may be long, or nobody's business."""
    match found:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:  # of Python, which types do not let through
            return f"a value of type {type(found).__name__}"
