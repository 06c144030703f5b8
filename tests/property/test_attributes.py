"""Columns allow the documents that the definition allows, and keep what they were made of."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.index.attributes import Attributes
from lexmax.index.fields import FieldType
from lexmax.index.number_column import NumberColumn
from lexmax.index.oracle_attributes import holds
from lexmax.index.predicates import (
    AnyOf,
    Either,
    Every,
    Exists,
    Match,
    Neither,
    Predicate,
    Range,
)

FIELDS: dict[str, FieldType] = {
    "flag": "boolean",
    "price": "float",
    "tag": "keyword",
    "when": "datetime",
    "year": "integer",
}
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
YEARS = st.integers(-3, 3) | INT64
PRICES = st.sampled_from([-1.5, -0.0, 0.0, 2.0, 2.5]) | st.floats(
    allow_nan=False, allow_infinity=False
)
TAGS = st.sampled_from(["", "a", "b", "é", "ü", "zz"])
TIMES = st.sampled_from(
    ["2024-05-01T12:00:00Z", "2024-05-01T14:00:00+02:00", "2024-05-01", "1969-12-31T23:59:59.5Z"]
)
MICROSECONDS = st.sampled_from([1714564800000000, 1714521600000000, -500000])

DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "flag": st.none() | st.booleans(),
        "price": PRICES | st.integers(-3, 3) | st.just("dear"),
        "tag": TAGS | st.lists(TAGS, max_size=3),
        "when": TIMES,
        "year": YEARS | st.none() | st.just("late"),
        "other": st.integers(),
    },
)


def ranges(field: str, bounds: st.SearchStrategy[Any]) -> st.SearchStrategy[Range]:
    sides = st.sampled_from(
        [("gt",), ("gte",), ("lt",), ("lte",), ("gt", "lt"), ("gte", "lte"), ("gt", "lte")]
    )
    return st.builds(
        lambda names, values: Range(field, **dict(zip(names, values, strict=False))),
        sides,
        st.tuples(bounds, bounds),
    )


def conditions(field: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Predicate]:
    several = st.lists(values, max_size=4).map(tuple)
    return (
        st.builds(Match, st.just(field), values)
        | st.builds(AnyOf, st.just(field), several)
        | st.just(Exists(field))
    )


HUGE = st.sampled_from([-(1 << 80), -(1 << 63) - 1, 1 << 63, 1 << 80])
LEAVES = (
    conditions("flag", st.booleans())
    | conditions("tag", TAGS | st.just("never"))
    | conditions("year", YEARS | HUGE)
    | conditions("price", PRICES | st.integers(-3, 3))
    | conditions("when", MICROSECONDS)
    | ranges("year", YEARS | HUGE)
    | ranges("price", PRICES)
    | ranges("when", MICROSECONDS)
)
PREDICATES: st.SearchStrategy[Predicate] = st.recursive(
    LEAVES,
    lambda some: (
        st.builds(Every, st.lists(some, max_size=3).map(tuple))
        | st.builds(Either, st.lists(some, max_size=3).map(tuple), st.integers(1, 3))
        | st.builds(Neither, st.lists(some, max_size=3).map(tuple))
    ),
    max_leaves=6,
)
COLLECTIONS = st.lists(DOCUMENTS, max_size=40)


def allowed(documents: list[dict[str, Any]], predicate: Predicate) -> list[bool]:
    return [holds(predicate, metadata, FIELDS) for metadata in documents]


@settings(max_examples=300, deadline=None)
@given(documents=COLLECTIONS, predicate=PREDICATES)
def test_columns_allow_what_the_definition_allows(
    documents: list[dict[str, Any]], predicate: Predicate
) -> None:
    found = Attributes.build(documents, FIELDS).matching(predicate)
    assert found.tolist() == allowed(documents, predicate)


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.tuples(COLLECTIONS, st.integers(0, 2**40)), min_size=1, max_size=3),
    predicate=PREDICATES,
)
def test_merged_columns_are_those_of_the_kept_documents(
    parts: list[tuple[list[dict[str, Any]], int]], predicate: Predicate
) -> None:
    kept = [
        np.flatnonzero([bits >> i & 1 for i in range(len(documents))]) for documents, bits in parts
    ]
    merged = Attributes.concatenate(
        [
            (Attributes.build(documents, FIELDS), ordinals)
            for (documents, _), ordinals in zip(parts, kept, strict=True)
        ]
    )
    left = [
        documents[i] for (documents, _), ordinals in zip(parts, kept, strict=True) for i in ordinals
    ]
    assert merged.matching(predicate).tolist() == allowed(left, predicate)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        merged.save(Path(one))
        Attributes.build(left, FIELDS).save(Path(other))
        names = sorted(path.name for path in Path(one).iterdir())
        assert names == sorted(path.name for path in Path(other).iterdir())
        for name in names:
            assert (Path(one) / name).read_bytes() == (Path(other) / name).read_bytes()
        opened = Attributes.open(Path(one), merged.parameters(), len(left))
        assert opened.matching(predicate).tolist() == allowed(left, predicate)


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.integers(-20, 20) | INT64, max_size=60),
    missing=st.integers(0, 2**60),
    most_cells=st.integers(1, 8),
    wanted=ranges("", st.integers(-22, 22) | HUGE) | st.lists(st.integers(-22, 22), max_size=24),
    form=st.sampled_from([np.int64, np.float64]),
)
def test_cells_of_several_numbers_are_checked_at_their_borders(
    values: list[int],
    missing: int,
    most_cells: int,
    wanted: Range | list[int],
    form: type[np.generic],
) -> None:
    numbers = np.array(values, dtype=np.int64).astype(form)
    present = np.array([not missing >> i & 1 for i in range(len(values))], dtype=np.bool_)
    column = NumberColumn.build(numbers, present, most_cells=most_cells)
    exact = NumberColumn.build(numbers, present)
    assert column.values is not None or len(np.unique(numbers[present])) <= most_cells
    assert exact.values is None
    if isinstance(wanted, Range):
        np.testing.assert_array_equal(column.between(wanted), exact.between(wanted))
    else:
        np.testing.assert_array_equal(column.any_of(wanted), exact.any_of(wanted))
        assert column.any_of(wanted).tolist() == [
            bool(here) and number in wanted
            for number, here in zip(numbers.tolist(), present.tolist(), strict=True)
        ]
    every = np.arange(len(values))
    np.testing.assert_array_equal(column.numbers(every)[0], np.where(present, numbers, 0))
