"""Does a document satisfy a predicate? The definition, one document at a time, without columns."""

from lexmax.index.attributes import Metadata
from lexmax.index.fields import Fields, Value, values_of
from lexmax.index.predicates import AnyOf, Either, Every, Exists, Match, Neither, Predicate, Range


def holds(predicate: Predicate, metadata: Metadata, fields: Fields) -> bool:
    """Whether it does; values of another type than their field's count as none."""
    match predicate:
        case Every(clauses):
            return all(holds(one, metadata, fields) for one in clauses)
        case Either(clauses, least):
            return sum(holds(one, metadata, fields) for one in clauses) >= least
        case Neither(clauses):
            return not any(holds(one, metadata, fields) for one in clauses)
        case Match(field, wanted):
            return wanted in _values(field, metadata, fields)
        case AnyOf(field, several):
            return any(one in several for one in _values(field, metadata, fields))
        case Exists(field):
            return len(_values(field, metadata, fields)) > 0
        case Range(field):
            found = _values(field, metadata, fields)
            return any(_between(predicate, one) for one in found if not isinstance(one, str))


def _values(field: str, metadata: Metadata, fields: Fields) -> list[Value]:
    try:
        return list(values_of(fields[field], metadata.get(field)))
    except ValueError:
        return []


def _between(bounds: Range, value: float) -> bool:
    return (
        (bounds.gt is None or value > bounds.gt)
        and (bounds.gte is None or value >= bounds.gte)
        and (bounds.lt is None or value < bounds.lt)
        and (bounds.lte is None or value <= bounds.lte)
    )
