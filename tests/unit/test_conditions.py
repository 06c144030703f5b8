from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from lexmax.conditions import Conditions, FieldCondition, parse_conditions
from lexmax.errors import FilterError
from lexmax.index.fields import FieldType
from lexmax.index.predicates import AnyOf, Either, Every, Exists, Match, Neither, Range

FIELDS: dict[str, FieldType] = {
    "lang": "keyword",
    "tag": "keyword",
    "x": "boolean",
    "year": "integer",
    "price": "float",
    "when": "datetime",
}
YEAR = {"field": "year", "match": 1}


def test_groups_and_conditions_become_predicates() -> None:
    found = parse_conditions(
        {
            "must": [
                {"field": "year", "range": {"gte": 2020}},
                {"field": "lang", "match": "en"},
                {"must_not": [{"field": "x", "match": True}]},
            ],
            "should": [
                {"field": "tag", "any": ["a", "b"]},
                {"field": "price", "range": {"lt": 2, "gte": 0.5}},
            ],
            "must_not": [{"field": "x", "exists": True}],
        },
        FIELDS,
    )
    assert found == Every(
        (
            Range("year", gte=2020),
            Match("lang", "en"),
            Neither((Match("x", True),)),
            Either((AnyOf("tag", ("a", "b")), Range("price", lt=2.0, gte=0.5)), 1),
            Neither((Exists("x"),)),
        )
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, Every(())),
        ({"should": []}, Every(())),
        (YEAR, Match("year", 1)),
        ({"field": "x", "exists": False}, Neither((Exists("x"),))),
        ({"field": "tag", "any": []}, AnyOf("tag", ())),
        ({"should": [YEAR]}, Either((Match("year", 1),), 1)),
        ({"should": [YEAR], "min_should": 0}, Every(())),
        ({"should": [YEAR, YEAR], "min_should": 2}, Either((Match("year", 1),) * 2, 2)),
        ({"field": "when", "match": "1970-01-01T00:00:01Z"}, Match("when", 1_000_000)),
        ({"field": "price", "match": 3}, Match("price", 3.0)),
        ({"field": "year", "match": 1 << 80}, Match("year", 1 << 80)),
        ("year = 1", Match("year", 1)),
        (Conditions(must=[FieldCondition(field="year", match=1)]), Match("year", 1)),
    ],
)
def test_what_conditions_mean(value: Any, expected: object) -> None:
    assert parse_conditions(value, FIELDS) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"musst": []}, "filter, musst: Extra inputs are not permitted"),
        ({"must": [{"must": [{"feld": "x"}]}]}, r"must\[0\].must\[0\].feld: Extra inputs"),
        ({"must": [YEAR, {"field": "year"}]}, r"must\[1\]: found none of match, any, range and"),
        ({"field": "x", "match": True, "exists": True}, "found match and exists of match"),
        ({"must": YEAR}, "filter, must: Input should be a valid list"),
        ({"must": [3]}, r"filter, must\[0\]: Input should be a valid dictionary"),
        ({"match": 3}, "filter, field: Field required"),
        ({"field": "year", "range": {"above": 3}}, "range.above: Extra inputs"),
        ({"min_should": -1}, "min_should: Input should be greater than or equal to 0"),
        ({"field": "year", "range": {}}, "no bound"),
        ({"should": [{"field": "year", "match": "a"}]}, r"should\[0\].match: year is declared as"),
        ({"field": "year", "match": 2.0}, "is a number; expected a whole number"),
        ({"field": "year", "match": True}, "is a boolean; expected a whole number"),
        ({"field": "when", "range": {"gte": "2020"}}, "range.gte: when is declared as datetime"),
        ({"field": "lang", "range": {"gte": "a"}}, "range of lang, which is declared as keyword"),
        ({"field": "price", "match": float("nan")}, "finite number"),
        ({"field": "yaer", "exists": True}, r"'yaer'; this collection declares lang \(keyword\)"),
        ([], "of type list; expected a mapping with must"),
        (None, "of type NoneType"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        parse_conditions(value, FIELDS)


@pytest.mark.parametrize("name", ["must", "should", "must_not"])
def test_a_filter_a_thousand_deep_is_refused(name: str) -> None:
    deep: dict[str, Any] = YEAR
    for _ in range(1000):
        deep = {name: [deep]}
    with pytest.raises(FilterError, match="nested deeper than 32 levels"):
        parse_conditions(deep, FIELDS)
    with pytest.raises(ValidationError, match="nested deeper than 32 levels"):
        Conditions.model_validate(deep)


def test_a_filter_as_deep_as_is_allowed() -> None:
    deep: dict[str, Any] = YEAR
    for _ in range(31):
        deep = {"must": [YEAR], "must_not": [deep]}
    assert isinstance(parse_conditions(deep, FIELDS), Every)
    with pytest.raises(FilterError, match="deeper than 32"):
        parse_conditions({"must": [deep]}, FIELDS)


def test_clauses_are_limited() -> None:
    assert parse_conditions({"must": [YEAR] * 1024}, FIELDS)
    with pytest.raises(FilterError, match="more than 1,024 clauses"):
        parse_conditions({"must": [YEAR] * 1025}, FIELDS)


def test_the_model_stands_in_others() -> None:
    class Stage(BaseModel):
        filter: Conditions

    stage = Stage.model_validate({"filter": {"must": [YEAR]}})
    assert parse_conditions(stage.filter, FIELDS) == Match("year", 1)
    assert "FieldCondition" in Stage.model_json_schema()["$defs"]
    assert Stage.model_validate_json(stage.model_dump_json(exclude_none=True)) == stage
