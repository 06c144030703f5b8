"""Conditions as texts, and which of them a document meets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lexmax.collection import Collection
from lexmax.conditions import parse_conditions
from lexmax.encoders import Encoders
from lexmax.explaining.filter_outcomes import condition_text, filter_outcomes
from lexmax.index.fields import Fields
from lexmax.types import Document

FIELDS: Fields = {"year": "integer", "lang": "keyword", "at": "datetime", "open": "boolean"}


@pytest.mark.parametrize(
    "text",
    [
        "year=2020",
        "lang in (en, de)",
        "lang exists",
        "year>=2000 and year<2010",
        "open=true",
        "at>2024-05-01T00:00:00+00:00",
        "not lang=en",
        "lang=en or year=1999",
        "not (lang=en or lang=de)",
        "(lang=en and open=false) or year=1999",
        "not (year>=2000 and year<2010)",
    ],
)
def test_a_condition_reads_as_people_write_it(text: str) -> None:
    predicate = parse_conditions(text, FIELDS)
    assert condition_text(predicate, FIELDS) == text
    assert parse_conditions(condition_text(predicate, FIELDS), FIELDS) == predicate


def test_a_number_of_conditions_is_said() -> None:
    clauses = [{"field": "year", "match": year} for year in (1, 2, 3)]
    predicate = parse_conditions({"should": clauses, "min_should": 2}, FIELDS)
    assert condition_text(predicate, FIELDS) == "2 of (year=1, year=2, year=3)"


@pytest.fixture
def collection(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[Collection]:
    path = tmp_path / "ix"
    made = Collection.create(path, multivector=None, encoders=cheap_encoders, fields=FIELDS)
    made.add(
        [Document("a", "x", "", {"year": 2020, "lang": "en"}), Document("b", "y", "", {"year": 1})]
    )
    yield made
    made.close()


def outcomes(collection: Collection, conditions: Any) -> list[list[tuple[str, bool]]]:
    rows = filter_outcomes("search", conditions, collection.snapshot(), [0, 1])
    assert all(outcome.where == "search" for row in rows for outcome in row)
    return [[(outcome.condition, outcome.met) for outcome in row] for row in rows]


def test_every_condition_that_must_hold_is_judged_alone(collection: Collection) -> None:
    assert outcomes(collection, "year>=2000 and not (lang=de or lang=fr) and lang exists") == [
        [("year>=2000", True), ("not lang=de", True), ("not lang=fr", True), ("lang exists", True)],
        [
            ("year>=2000", False),
            ("not lang=de", True),
            ("not lang=fr", True),
            ("lang exists", False),
        ],
    ]
    assert outcomes(collection, "lang=en or year=7") == [
        [("lang=en or year=7", True)],
        [("lang=en or year=7", False)],
    ]
    assert outcomes(collection, {}) == [[], []]
