from typing import Any

import pytest

from lexmax.condition_text import read_text
from lexmax.errors import FilterError
from lexmax.index.fields import FieldType

FIELDS: dict[str, FieldType] = {
    "lang": "keyword",
    "tag": "keyword",
    "x": "boolean",
    "year": "integer",
    "price": "float",
    "when": "datetime",
    "not": "keyword",
    "größe": "integer",
}


def match(field: str, value: object) -> dict[str, Any]:
    return {"field": field, "match": value}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lang=en", match("lang", "en")),
        ("  lang == 'a b' ", match("lang", "a b")),
        (r'lang = "say \"and\" \\ "', match("lang", r'say "and" \ ')),
        ("year=-3", match("year", -3)),
        ("price=1e3", match("price", 1000.0)),
        ("x=TRUE", match("x", True)),
        ("lang='true'", match("lang", "true")),
        ("lang=2020", match("lang", "2020")),
        ("größe=5", match("größe", 5)),
        ("'not'=a", match("not", "a")),
        ("year != 3", {"must_not": [match("year", 3)]}),
        ("year>=2020", {"field": "year", "range": {"gte": 2020}}),
        ("year<3", {"field": "year", "range": {"lt": 3}}),
        (
            "when > 2024-05-01T12:00:00+02:00",
            {"field": "when", "range": {"gt": "2024-05-01T12:00:00+02:00"}},
        ),
        ("tag in (a, 'b c')", {"field": "tag", "any": ["a", "b c"]}),
        ("tag NOT IN (a)", {"must_not": [{"field": "tag", "any": ["a"]}]}),
        ("tag exists", {"field": "tag", "exists": True}),
        ("not tag exists", {"must_not": [{"field": "tag", "exists": True}]}),
        ("lang=en and year=1", {"must": [match("lang", "en"), match("year", 1)]}),
        (
            "lang=a or lang=b and year=1 or x=false",
            {
                "should": [
                    match("lang", "a"),
                    {"must": [match("lang", "b"), match("year", 1)]},
                    match("x", False),
                ]
            },
        ),
        (
            "not (lang=a or lang=b)",
            {"must_not": [{"should": [match("lang", "a"), match("lang", "b")]}]},
        ),
    ],
)
def test_lines_are_read(text: str, expected: dict[str, Any]) -> None:
    assert read_text(text, FIELDS) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "character 1: found the end; expected the name of a field"),
        ("lang", "character 5: found the end; expected =, !="),
        ("lang=", "character 6: found the end; expected a value"),
        ("lang=and", "character 6: found 'and'; expected a value; put words"),
        ("lang=a b", "character 8: found a value; expected and, or, or the end"),
        ("(lang=a", r"character 8: found the end; expected '\)'"),
        ("lang=a)", r"character 7: found '\)'; expected and"),
        ("lang in a", r"character 9: found a value; expected '\('"),
        ("lang in ()", r"character 10: found '\)'; expected a value"),
        ("lang 'x'", "character 6: found a value; expected =, !="),
        ("lang='a", "character 6: found a character that begins nothing"),
        ("year=a", "character 6: found another value; expected a value of type integer"),
        ("year=1.5", "expected a value of type integer"),
        ("year=" + "9" * 5000, "expected a value of type integer"),
        ("price=a", "expected a value of type float"),
        ("x=maybe", "expected a value of type boolean"),
        ("yaer=3", r"'yaer'; this collection declares größe \(integer\), lang"),
        ("not " * 33 + "x=true", "deeper than 32 levels"),
        ("(" * 100_000, "deeper than 32 levels"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        read_text(text, FIELDS)
