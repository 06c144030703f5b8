"""Whatever is written as a filter is a predicate that columns answer, or it is refused."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.conditions import parse_conditions
from lexmax.errors import FilterError
from lexmax.index.attributes import Attributes
from lexmax.index.fields import FieldType

FIELDS: dict[str, FieldType] = {
    "lang": "keyword",
    "x": "boolean",
    "year": "integer",
    "price": "float",
    "when": "datetime",
}
COLUMNS = Attributes.build(
    [{"lang": "en", "year": 2020, "x": True}, {"price": 2.5, "when": "2024-01-01"}, {}], FIELDS
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NAMES = st.sampled_from([*FIELDS, "other"])
TESTS = st.fixed_dictionaries(
    {"field": NAMES | SCALARS},
    optional={
        "match": SCALARS,
        "any": st.lists(SCALARS, max_size=3) | SCALARS,
        "range": st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte", "eq"]), SCALARS),
        "exists": SCALARS,
    },
)
GROUPS = st.sampled_from(["must", "should", "must_not", "min_should", "other"])
JSON = st.recursive(
    TESTS | SCALARS,
    lambda some: st.dictionaries(GROUPS, st.lists(some, max_size=3) | some, max_size=3),
    max_leaves=8,
)
SIGNS = ["(", ")", ",", "=", "!=", "<", ">=", "'a b'", '"', "\\", "é", "'"]
VALUES = ["en", "2020", "2.5", "true", "2024-01-01", "lang", "year", "x", "price", "when"]
WORDS = st.sampled_from([*SIGNS, *VALUES, "and", "or", "not", "in", "exists"])


def is_answered_or_refused(value: Any) -> bool:
    try:
        return len(COLUMNS.matching(parse_conditions(value, FIELDS))) == COLUMNS.n_docs
    except FilterError as error:
        return "expected" in str(error) or "declares" in str(error)


@settings(max_examples=400, deadline=None)
@given(JSON)
def test_json(value: Any) -> None:
    assert is_answered_or_refused(value)


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=30) | st.lists(WORDS, max_size=12).map(" ".join))
def test_text(value: str) -> None:
    assert is_answered_or_refused(value)
