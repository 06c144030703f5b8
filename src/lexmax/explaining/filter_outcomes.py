"""Which conditions of a filter does a document meet?"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from lexmax.conditions import parse_conditions
from lexmax.explaining.explanation import ConditionOutcome
from lexmax.index.fields import Fields, Value
from lexmax.index.filters import Filter
from lexmax.index.predicates import AnyOf, Either, Every, Exists, Match, Neither, Predicate, Range
from lexmax.index.snapshot import Snapshot
from lexmax.stages import Conditions

WHOLE = ("search", "pipeline")
"""Whose filters leave documents out of the whole search."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def filter_outcomes(
    where: str,
    conditions: Conditions,
    snapshot: Snapshot,
    ordinals: Sequence[int],
    *,
    matching: Callable[[Snapshot, Predicate], Filter] = Snapshot.matching,
) -> list[tuple[ConditionOutcome, ...]]:
    """For each document, whether it meets each of the conditions that must all hold.

    `matching` evaluates one over all documents, or knows what it came to before.
    """
    clauses = _all_needed(parse_conditions(conditions, snapshot.fields))
    texts = [condition_text(clause, snapshot.fields) for clause in clauses]
    masks = [matching(snapshot, clause).mask for clause in clauses]
    return [
        tuple(
            ConditionOutcome(where, text, bool(mask[ordinal]))
            for text, mask in zip(texts, masks, strict=True)
        )
        for ordinal in ordinals
    ]


def _all_needed(predicate: Predicate) -> list[Predicate]:
    """Parts that must all hold for it to hold; a document that meets all of none meets it."""
    match predicate:
        case Every(clauses):
            return [part for clause in clauses for part in _all_needed(clause)]
        case Neither(clauses):
            return [Neither((part,)) for clause in clauses for part in _any_enough(clause)]
        case _:
            return [predicate]


def _any_enough(predicate: Predicate) -> list[Predicate]:
    """Parts of which any makes it hold."""
    match predicate:
        case Either(clauses, 1):
            return [part for clause in clauses for part in _any_enough(clause)]
        case _:
            return [predicate]


def condition_text(predicate: Predicate, fields: Fields) -> str:
    """The predicate as people write it: `year>=2020 and not lang=en`."""
    match predicate:
        case Match(field, value):
            return f"{field}={_text(field, value, fields)}"
        case AnyOf(field, values):
            return f"{field} in ({', '.join(_text(field, value, fields) for value in values)})"
        case Exists(field):
            return f"{field} exists"
        case Range():
            return " and ".join(_bounds(predicate, fields))
        case Every(clauses):
            return _joined(clauses, fields, " and ")
        case Neither(clauses):
            joined = _joined(clauses, fields, " or ")
            return f"not {joined}" if len(clauses) == 1 else f"not ({joined})"
        case Either(clauses, least):
            joined = _joined(clauses, fields, " or " if least == 1 else ", ")
            return joined if least == 1 else f"{least} of ({joined})"


def _joined(clauses: Sequence[Predicate], fields: Fields, word: str) -> str:
    parts = [condition_text(clause, fields) for clause in clauses]
    grouped = [_is_several(clause) for clause in clauses]
    return word.join(
        f"({part})" if group else part for part, group in zip(parts, grouped, strict=True)
    )


def _is_several(clause: Predicate) -> bool:
    """Whether its text has several conditions without brackets around them."""
    if isinstance(clause, Range):
        return len(clause.bounds) > 1
    return isinstance(clause, Every | Either) and len(clause.clauses) > 1


def _bounds(bounds: Range, fields: Fields) -> list[str]:
    given = ((">", bounds.gt), (">=", bounds.gte), ("<", bounds.lt), ("<=", bounds.lte))
    return [
        f"{bounds.field}{sign}{_text(bounds.field, value, fields)}"
        for sign, value in given
        if value is not None
    ]


def _text(field: str, value: Value, fields: Fields) -> str:
    if fields.get(field) == "datetime" and isinstance(value, int):
        return _time(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _time(microseconds: int) -> str:
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).isoformat()
    except OverflowError:
        return str(microseconds)
