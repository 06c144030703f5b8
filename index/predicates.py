"""Which documents does a filter want? Conditions on declared fields, and how they combine.

Values, made by `lexmax.conditions` from what people write and evaluated on columns
(attributes.py). A condition on a field that a document lacks does not hold.
"""

import sys
from dataclasses import dataclass
from typing import TypeAlias

from lexmax.errors import FilterError
from lexmax.index.fields import Fields, FieldType, Value, described

MAX_DEPTH = 32
"""Of what people write; of predicates twice that, since lists of one group may be two levels."""
MAX_CLAUSES = 1024
MAX_VALUES = 65_536


@dataclass(frozen=True, slots=True)
class Match:
    """The field has this value; of a keyword, any of its values is this one."""

    field: str
    value: Value


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field has any of these values."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The number or time lies between bounds; a bound that is None does not bind."""

    field: str
    gt: float | None = None
    gte: float | None = None
    lt: float | None = None
    lte: float | None = None

    @property
    def bounds(self) -> tuple[float, ...]:
        """Those that bind."""
        return tuple(one for one in (self.gt, self.gte, self.lt, self.lte) if one is not None)


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value."""

    field: str


@dataclass(frozen=True, slots=True)
class Every:
    """All of these hold (must); of none, everything does."""

    clauses: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least so many of these hold (should)."""

    clauses: tuple["Predicate", ...]
    least: int = 1


@dataclass(frozen=True, slots=True)
class Neither:
    """None of these holds (must_not)."""

    clauses: tuple["Predicate", ...]


Leaf: TypeAlias = Match | AnyOf | Range | Exists
Predicate: TypeAlias = Leaf | Every | Either | Neither


def all_of(
    must: tuple[Predicate, ...] = (),
    should: tuple[Predicate, ...] = (),
    must_not: tuple[Predicate, ...] = (),
    *,
    min_should: int | None = None,
) -> Predicate:
    """All of `must`, none of `must_not`, and `min_should` of `should`: 1 unless said.

    Without `should` nothing is asked of it.
    """
    least = min(1, len(should)) if min_should is None else min_should
    clauses = list(must)
    if least > 0:
        clauses.append(Either(should, least))
    if must_not:
        clauses.append(Neither(must_not))
    return clauses[0] if len(clauses) == 1 else Every(tuple(clauses))


def check(predicate: Predicate, fields: Fields) -> None:
    """Refuse a predicate that is too large, or asks what these fields cannot answer.

    Takes no more of the stack for a deep one.

    Raises:
        FilterError: if it is nested too deep or has more than 1,024 clauses, a field is not
            declared, or a value has another type than its field.
    """
    waiting: list[tuple[Predicate, int]] = [(predicate, 1)]
    n_clauses = 0
    while waiting:
        clause, depth = waiting.pop()
        if depth > 2 * MAX_DEPTH:
            raise too_deep()
        if isinstance(clause, Every | Either | Neither):
            waiting.extend((one, depth + 1) for one in clause.clauses)
        else:
            _check_leaf(clause, fields)
        n_clauses += not isinstance(clause, Every | Either | Neither) or not clause.clauses
        if n_clauses > MAX_CLAUSES:
            raise FilterError(
                f"the filter has more than {MAX_CLAUSES:,} clauses; expected at most so many; "
                "give many values of one field as one `any`"
            )


def too_deep() -> FilterError:
    """What a filter is refused with that is nested too deep."""
    return FilterError(
        f"the filter is nested deeper than {MAX_DEPTH} levels; expected at most so many; join "
        "clauses of the same kind into one list"
    )


def kind_of(field: str, fields: Fields) -> FieldType:
    """The type of a declared field.

    Raises:
        FilterError: if it is not declared; names those that are.
    """
    if field not in fields:
        raise FilterError(
            f"the filter names the field {field!r:.70}; this collection declares "
            f"{described(fields)}"
        )
    return fields[field]


def _check_leaf(clause: Leaf, fields: Fields) -> None:
    kind = kind_of(clause.field, fields)
    match clause:
        case Match(_, value):
            _check_values(clause.field, kind, (value,))
        case AnyOf(_, values):
            _check_values(clause.field, kind, values)
        case Range():
            _check_range(clause, kind)
            _check_values(clause.field, kind, clause.bounds)
        case Exists():
            pass


def _check_range(clause: Range, kind: FieldType) -> None:
    if kind in ("keyword", "boolean"):
        raise FilterError(
            f"the filter asks for a range of {clause.field}, which is declared as {kind}; expected "
            "an integer, a float or a datetime; match its values"
        )
    twice = None not in (clause.gt, clause.gte) or None not in (clause.lt, clause.lte)
    if not clause.bounds or twice:
        raise FilterError(
            f"the range of {clause.field} has {'two bounds of one side' if twice else 'no bound'}; "
            "expected gt or gte, or lt or lte, or one of each"
        )


_FORMS: dict[FieldType, tuple[type, ...]] = {
    "keyword": (str,),
    "integer": (int,),
    "float": (float, int),
    "boolean": (bool,),
    "datetime": (int,),
}


def _check_values(field: str, kind: FieldType, values: tuple[Value, ...]) -> None:
    if len(values) > MAX_VALUES:
        raise FilterError(
            f"the filter lists {len(values):,} values of {field}; expected at most {MAX_VALUES:,}"
        )
    for value in values:
        if not _fits(kind, value):
            raise FilterError(
                f"the filter compares {field}, which is declared as {kind}, with a value of type "
                f"{type(value).__name__}; expected {_FORMS[kind][0].__name__}"
            )


def _fits(kind: FieldType, value: Value) -> bool:
    # The very type, because True is an int too.
    if type(value) not in _FORMS[kind]:
        return False
    # NaN is between nothing; a whole number may be greater than any float.
    return kind != "float" or isinstance(value, str) or abs(value) <= sys.float_info.max
