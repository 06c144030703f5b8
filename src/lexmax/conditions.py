"""How do people write a filter? Conditions as JSON, or in a line of text.

JSON: lists of clauses called must, should and must_not; a clause is a condition on one field, or
such a group again:

    {"must": [{"field": "year", "range": {"gte": 2020}}, {"field": "lang", "match": "en"}],
     "must_not": [{"field": "tag", "any": ["a", "b"]}, {"field": "x", "exists": true}]}

Text: see `condition_text.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from lexmax.condition_text import read_text
from lexmax.errors import FilterError
from lexmax.index.fields import Fields, FieldType, Value, value_of
from lexmax.index.predicates import (
    MAX_DEPTH,
    MAX_VALUES,
    AnyOf,
    Exists,
    Match,
    Neither,
    Predicate,
    Range,
    all_of,
    check,
    kind_of,
    too_deep,
)
from lexmax.types import Json

Scalar: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr
Bound: TypeAlias = StrictInt | StrictFloat | StrictStr

_TESTS = ("match", "any", "range", "exists")
_GROUPS = ("must", "should", "must_not")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Bounds(_Strict):
    """Of a number or a time: at most one below and one above, at least one of them."""

    gt: Bound | None = None
    gte: Bound | None = None
    lt: Bound | None = None
    lte: Bound | None = None


class FieldCondition(_Strict):
    """What one declared field must be: a value, any of several, in a range, or there at all."""

    field: str = Field(examples=["year"])
    match: Scalar | None = None
    any: list[Scalar] | None = Field(default=None, max_length=MAX_VALUES)
    range: Bounds | None = Field(default=None, examples=[{"gte": 2020}])
    exists: StrictBool | None = None

    @model_validator(mode="after")
    def _one_test(self) -> "FieldCondition":
        given = [name for name in _TESTS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"found {' and '.join(given) or 'none'} of match, any, range and exists; expected "
                "one of them"
            )
        return self

    def predicate(self, fields: Fields, at: str = "") -> Predicate:
        """The condition on these fields; `at` is its place in the filter, for errors."""
        kind = kind_of(self.field, fields)
        if self.match is not None:
            return Match(self.field, self._value(kind, self.match, f"{at}match"))
        if self.any is not None:
            values = (self._value(kind, value, f"{at}any") for value in self.any)
            return AnyOf(self.field, tuple(values))
        if self.range is not None:
            return self._range(kind, self.range, at)
        there = Exists(self.field)
        return there if self.exists else Neither((there,))

    def _range(self, kind: FieldType, bounds: Bounds, at: str) -> Range:
        if kind in ("keyword", "boolean"):
            # `check` says why.
            return Range(self.field, gte=0)
        given = bounds.model_dump(exclude_none=True)
        found = {
            name: cast("float", self._value(kind, bound, f"{at}range.{name}"))
            for name, bound in given.items()
        }
        return Range(self.field, **found)

    def _value(self, kind: FieldType, value: Json, at: str) -> Value:
        # A whole number that is too large for the field is greater than all of its values.
        if kind == "integer" and type(value) is int:
            return value
        try:
            return value_of(kind, value)
        except ValueError as error:
            raise FilterError(
                f"filter, {at}: {self.field} is declared as {kind}, but the value is {error}"
            ) from error


def _tag(value: object) -> str:
    """Which of the two a clause is meant to be."""
    known: object = getattr(type(value), "model_fields", {})
    names = cast("Mapping[Any, Any]", value if isinstance(value, Mapping) else known)
    return "condition" if {"field", *_TESTS} & {*names} else "group"


Clause: TypeAlias = Annotated[
    Annotated[FieldCondition, Tag("condition")] | Annotated["Conditions", Tag("group")],
    Discriminator(_tag),
]


class Conditions(_Strict):
    """Clauses of which all (must), some (should) or none (must_not) hold; of none at all, true.

    `min_should` of should hold, 1 unless said. A condition on a field that a document lacks does
    not hold.
    """

    must: list[Clause] = Field(default_factory=list[Any])
    should: list[Clause] = Field(default_factory=list[Any])
    must_not: list[Clause] = Field(default_factory=list[Any])
    min_should: Annotated[StrictInt, Field(ge=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _shallow(cls, value: Any) -> Any:
        # Before what is inside is looked at, which would take of the stack for every level.
        if _depth(value) > MAX_DEPTH:
            raise ValueError(str(too_deep()))
        return value

    def predicate(self, fields: Fields, at: str = "") -> Predicate:
        """The conditions on these fields; `at` is their place in the filter, for errors.

        Raises:
            FilterError: if a field is not declared, or a value has another type.
        """
        clauses = (_predicates(getattr(self, name), fields, f"{at}{name}") for name in _GROUPS)
        return all_of(*clauses, min_should=self.min_should)


_CLAUSE: TypeAdapter[Any] = TypeAdapter(Clause)


def parse_conditions(
    value: Mapping[str, Any] | str | Conditions | FieldCondition, fields: Fields
) -> Predicate:
    """The predicate that JSON, a line of text or a model of conditions stands for.

    Raises:
        FilterError: if it has another shape, names a field that is not declared or a value of
            another type than its field's, is nested deeper than 32 levels, or has more than 1,024
            clauses; says where.
    """
    if isinstance(value, str):
        value = read_text(value, fields)
    if not isinstance(value, Conditions | FieldCondition):
        value = _model(value)
    predicate = value.predicate(fields)
    check(predicate, fields)
    return predicate


def _model(value: object) -> Conditions | FieldCondition:
    if not isinstance(value, Mapping):
        raise FilterError(
            f"the filter is of type {type(value).__name__}; expected a mapping with must, should "
            "or must_not, or a text such as 'year>=2020 and lang=en'"
        )
    if _depth(cast("object", value)) > MAX_DEPTH:
        raise too_deep()
    try:
        found: Conditions | FieldCondition = _CLAUSE.validate_python(value)
    except ValidationError as error:
        raise FilterError(_explained(error)) from error
    return found


def _predicates(
    clauses: Sequence[Conditions | FieldCondition], fields: Fields, at: str
) -> tuple[Predicate, ...]:
    return tuple(one.predicate(fields, f"{at}[{i}].") for i, one in enumerate(clauses))


def _depth(value: object) -> int:
    """Levels of groups and conditions, counted no further than is allowed."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [clause for one in level for clause in _clauses(one)]
    return depth


def _clauses(value: object) -> list[object]:
    if not isinstance(value, Mapping):
        return []
    lists = (cast("Mapping[str, object]", value).get(name) for name in _GROUPS)
    return [one for some in lists if isinstance(some, list) for one in cast("list[object]", some)]


def _explained(error: ValidationError) -> str:
    found = [
        f"{_place(entry['loc'])}{entry['msg'].removeprefix('Value error, ')}"
        for entry in error.errors(include_url=False, include_input=False)[:3]
    ]
    return (
        f"filter, {'; '.join(found)}; expected must, should and must_not, lists of groups or of "
        "conditions: a field, and one of match, any, range and exists"
    )


def _place(location: tuple[int | str, ...]) -> str:
    """Where, as people count, without the names of our union's members."""
    at = ""
    for part in location:
        if isinstance(part, int):
            at += f"[{part}]"
        elif part not in ("condition", "group"):
            at += f".{part[:64]}"
    return f"{at.lstrip('.')}: " if at else ""
