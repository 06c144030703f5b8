import pytest

from lexmax.errors import CorruptionError, DocumentError, InputError
from lexmax.index.fields import (
    FieldType,
    check_fields,
    check_metadata,
    described,
    microseconds,
    read_fields,
    value_of,
    values_of,
)
from lexmax.types import Document, Json


def test_a_declaration_is_sorted_by_name() -> None:
    assert list(check_fields({"b": "float", "a": "keyword"})) == ["a", "b"]
    assert check_fields({}) == {}


@pytest.mark.parametrize("name", ["", "1st", "a b", "a:b", "a" * 65, "a\n"])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="expected a letter or _"):
        check_fields({name: "integer"})


def test_types_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="'int'; expected keyword, integer, float"):
        check_fields({"year": "int"})
    with pytest.raises(InputError, match="at most 256"):
        check_fields({f"f{i}": "integer" for i in range(257)})


def test_a_declaration_that_was_changed_on_disk_is_damage() -> None:
    assert read_fields(None) == {}
    assert read_fields({"a": "float"}) == {"a": "float"}
    for written in ([], {"a": 3}, {"a b": "float"}, 7):
        with pytest.raises(CorruptionError, match="restore a backup"):
            read_fields(written)


def test_fields_are_named_in_errors() -> None:
    assert described({"b": "float", "a": "keyword"}) == "a (keyword), b (float)"
    assert described({}).startswith("no fields; declare them with")


@pytest.mark.parametrize(
    ("kind", "found", "value"),
    [
        ("keyword", "", ""),
        ("integer", -(1 << 63), -(1 << 63)),
        ("float", 2, 2.0),
        ("boolean", False, False),
        ("datetime", "1970-01-01T00:00:01Z", 1_000_000),
    ],
)
def test_values_of_each_type(kind: FieldType, found: Json, value: object) -> None:
    assert value_of(kind, found) == value
    assert type(value_of(kind, found)) is type(value)
    assert list(values_of(kind, found)) == [value]
    assert list(values_of(kind, None)) == []


@pytest.mark.parametrize(
    ("kind", "found", "named"),
    [
        ("keyword", 3, "a whole number; expected a text"),
        ("keyword", None, "null"),
        ("integer", True, "a boolean; expected a whole number"),
        ("integer", 1.0, "a number; expected a whole number"),
        ("integer", 1 << 63, "a whole number; expected a whole number of 64 bits"),
        ("float", "1", "a text; expected a finite number"),
        ("float", float("nan"), "a number; expected a finite number"),
        ("float", 10**400, "a whole number; expected a finite number"),
        ("boolean", 1, "a whole number; expected true or false"),
        ("datetime", 5, "a whole number; expected a time"),
        ("datetime", [], "a list; expected a time"),
        ("datetime", {}, "a mapping; expected a time"),
    ],
)
def test_values_of_other_types_are_refused(kind: FieldType, found: Json, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        value_of(kind, found)


def test_only_keywords_may_be_several() -> None:
    assert list(values_of("keyword", ["b", "a"])) == ["b", "a"]
    assert list(values_of("keyword", [])) == []
    with pytest.raises(ValueError, match="a list; expected a whole number"):
        values_of("integer", [1])
    with pytest.raises(ValueError, match="a whole number; expected a text"):
        values_of("keyword", ["a", 3])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01t00:00:00.123456789z", 123_456),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T23:59:59Z", -1_000_000),
        ("0001-01-01T00:00:00+14:00", -62_135_596_800_000_000 - 14 * 3_600_000_000),
        ("9999-12-31T23:59:59-14:00", 253_402_300_799_000_000 + 14 * 3_600_000_000),
    ],
)
def test_times_are_microseconds_in_utc(text: str, expected: int) -> None:
    assert microseconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024",
        "2024-13-01",
        "2024-02-30",
        "2024-01-01T00:00:00",
        "2024-01-01T25:00:00Z",
        "١٩٧٠-01-01",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        microseconds(text)


def test_a_document_names_the_field_that_does_not_fit() -> None:
    fields: dict[str, FieldType] = {"year": "integer"}
    check_metadata(Document("d", "", metadata={"year": None, "other": []}), fields)
    with pytest.raises(DocumentError, match="document 'd': metadata year is a text; expected a wh"):
        check_metadata(Document("d", "", metadata={"year": "2020"}), fields)
