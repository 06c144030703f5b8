import pytest

from lexmax.errors import FilterError
from lexmax.index.fields import FieldType
from lexmax.index.predicates import (
    MAX_CLAUSES,
    MAX_DEPTH,
    MAX_VALUES,
    AnyOf,
    Either,
    Every,
    Exists,
    Match,
    Neither,
    Predicate,
    Range,
    all_of,
    check,
)

FIELDS: dict[str, FieldType] = {
    "lang": "keyword",
    "x": "boolean",
    "year": "integer",
    "price": "float",
}
A, B, C = Exists("lang"), Exists("x"), Exists("year")


def test_groups_become_as_few_levels_as_may_be() -> None:
    assert all_of() == Every(())
    assert all_of((A,)) == A
    assert all_of(should=(A, B)) == Either((A, B), 1)
    assert all_of((A,), (B, C), min_should=2) == Every((A, Either((B, C), 2)))
    assert all_of((A,), (B,), (C,)) == Every((A, Either((B,), 1), Neither((C,))))
    assert all_of((A,), (B,), min_should=0) == A
    assert all_of((), (), (C,)) == Neither((C,))


def test_an_unknown_field_names_the_declared_ones() -> None:
    with pytest.raises(FilterError, match=r"'yaer'; this collection declares lang \(keyword\), "):
        check(Every((A, Match("yaer", 3))), FIELDS)
    with pytest.raises(FilterError, match="declares no fields; declare them with"):
        check(A, {})


@pytest.mark.parametrize(
    "clause",
    [
        Match("lang", 3),
        Match("x", 1),
        Match("year", True),
        Match("year", 2.0),
        AnyOf("year", (2020, "2021")),
        Match("price", float("nan")),
        Range("price", gt=float("inf")),
        Range("price", gt=10**400),
        Match("price", True),
    ],
)
def test_values_of_another_type_are_refused(clause: Predicate) -> None:
    with pytest.raises(FilterError, match="with a value of type"):
        check(clause, FIELDS)


def test_ranges_are_of_numbers_and_have_bounds() -> None:
    for field in ("lang", "x"):
        with pytest.raises(FilterError, match=f"range of {field}, which is declared as"):
            check(Range(field, gt=1), FIELDS)
    with pytest.raises(FilterError, match="no bound"):
        check(Range("year"), FIELDS)
    for bounds in ({"gt": 1, "gte": 1}, {"lt": 1, "lte": 1}):
        with pytest.raises(FilterError, match="two bounds of one side"):
            check(Range("year", **bounds), FIELDS)
    check(Range("price", gt=1, lte=2.5), FIELDS)


def test_a_predicate_a_hundred_thousand_deep_is_refused() -> None:
    deep: Predicate = A
    for _ in range(100_000):
        deep = Neither((deep,))
    with pytest.raises(FilterError, match=f"deeper than {MAX_DEPTH} levels"):
        check(deep, FIELDS)
    while isinstance(deep, Neither):  # freed one by one, not by recursion
        (deep,) = deep.clauses


def test_clauses_and_values_are_limited() -> None:
    check(Every((A,) * MAX_CLAUSES), FIELDS)
    for too_many in ((A,) * (MAX_CLAUSES + 1), (Every(()),) * (MAX_CLAUSES + 1)):
        with pytest.raises(FilterError, match="more than 1,024 clauses"):
            check(Every(too_many), FIELDS)
    check(AnyOf("year", tuple(range(MAX_VALUES))), FIELDS)
    with pytest.raises(FilterError, match="lists 65,537 values of year"):
        check(AnyOf("year", tuple(range(MAX_VALUES + 1))), FIELDS)
