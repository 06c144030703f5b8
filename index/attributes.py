"""Which documents of a segment does a filter allow? Columns of their declared fields answer.

One column a field: cells of numbers (number_column.py), bits and ordinals of keywords
(keyword_column.py). Byte by byte: docs/format/attributes.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from lexmax.errors import CorruptionError
from lexmax.index.fields import Fields, FieldType, Value, read_fields, values_of
from lexmax.index.keyword_column import KeywordColumn
from lexmax.index.number_column import NumberColumn
from lexmax.index.predicates import (
    AnyOf,
    Either,
    Every,
    Exists,
    Match,
    Neither,
    Predicate,
    Range,
    check,
)
from lexmax.types import Json

Column: TypeAlias = NumberColumn | KeywordColumn
Metadata: TypeAlias = Mapping[str, Json]
Mask: TypeAlias = NDArray[np.bool_]

_REMEDY = "run `lexmax rebuild` on the collection, or restore a backup"


@dataclass(frozen=True, slots=True, eq=False)
class Attributes:
    """Columns of the declared fields over the documents of one segment.

    Attributes:
        n_docs: documents of the segment.
        fields: type by name.
        columns: by name, one for each field.
    """

    n_docs: int
    fields: Fields
    columns: Mapping[str, Column]

    @staticmethod
    def build(documents: Iterable[Metadata], fields: Fields) -> "Attributes":
        """Columns of each document's metadata, in order.

        A value of another type than its field's counts as none: such documents are refused when
        they are stored, but deleted ones may have been stored before the field was declared.
        """
        rows: dict[str, list[Sequence[Value]]] = {name: [] for name in fields}
        n_docs = 0
        for metadata in documents:
            n_docs += 1
            for name, kind in fields.items():
                rows[name].append(_values(kind, metadata.get(name)))
        columns = {name: _column(kind, rows.pop(name)) for name, kind in fields.items()}
        return Attributes(n_docs, fields, columns)

    @staticmethod
    def open(folder: Path, parameters: Json, n_docs: int) -> "Attributes":
        """Map what `save` wrote; `parameters` are those of segment.json.

        Raises:
            CorruptionError: if a file is missing, or is not what the parameters say.
        """
        fields = read_fields(parameters)
        columns = {
            name: _opened(folder, f"attributes.{place}", kind, n_docs)
            for place, (name, kind) in enumerate(fields.items())
        }
        for name, column in columns.items():
            if column.n_docs != n_docs:
                raise CorruptionError(
                    f"{folder}: the column of {name} has {column.n_docs} documents; expected "
                    f"{n_docs}; {_REMEDY}"
                )
        return Attributes(n_docs, fields, columns)

    def save(self, folder: Path) -> None:
        """Write the files that `open` maps, and remove others; equal columns give equal bytes."""
        for left in folder.glob("attributes.*"):
            left.unlink()
        for place, name in enumerate(sorted(self.columns)):
            self.columns[name].save(folder, f"attributes.{place}")

    def parameters(self) -> dict[str, Json]:
        """What `open` needs besides the files."""
        return {name: self.fields[name] for name in sorted(self.fields)}

    @staticmethod
    def concatenate(parts: Sequence[tuple["Attributes", NDArray[np.int64]]]) -> "Attributes":
        """Columns of the documents with these ordinals (ascending) of each, in order.

        All must have the same fields.

        Raises:
            CorruptionError: if a column holds what no build writes.
        """
        fields = parts[0][0].fields
        columns: dict[str, Column] = {}
        for name, kind in fields.items():
            found = [(part.columns[name], ordinals) for part, ordinals in parts]
            if kind == "keyword":
                some = cast("list[tuple[KeywordColumn, NDArray[np.int64]]]", found)
                columns[name] = KeywordColumn.concatenate(some)
            else:
                others = cast("list[tuple[NumberColumn, NDArray[np.int64]]]", found)
                columns[name] = NumberColumn.concatenate(others)
        return Attributes(sum(len(ordinals) for _, ordinals in parts), fields, columns)

    def matching(self, predicate: Predicate) -> Mask:
        """Documents that the predicate wants, bool (n_docs,).

        Raises:
            FilterError: if a field is not declared, a value has another type, or the predicate is
                too deep or has too many clauses.
            CorruptionError: if a column holds what no build writes.
        """
        check(predicate, self.fields)
        return self._matching(predicate)

    def _matching(self, predicate: Predicate) -> Mask:
        match predicate:
            case Every(clauses):
                return self._joined(np.logical_and, clauses, of_none=True)
            case Either(clauses, 1):
                return self._joined(np.logical_or, clauses, of_none=False)
            case Either(clauses, least):
                return self._at_least(clauses, least)
            case Neither(clauses):
                return ~self._joined(np.logical_or, clauses, of_none=False)
            case Match(field, value):
                return self._any_of(field, (value,))
            case AnyOf(field, values):
                return self._any_of(field, values)
            case Exists(field):
                return self.columns[field].present()
            case Range(field):
                return cast("NumberColumn", self.columns[field]).between(predicate)

    def _joined(self, join: np.ufunc, clauses: Sequence[Predicate], *, of_none: bool) -> Mask:
        if not clauses:
            return np.full(self.n_docs, of_none)
        mask = self._matching(clauses[0])
        for clause in clauses[1:]:
            join(mask, self._matching(clause), out=mask)
        return mask

    def _at_least(self, clauses: Sequence[Predicate], least: int) -> Mask:
        held = np.zeros(self.n_docs, dtype=np.uint16)
        for clause in clauses:
            held += self._matching(clause)
        found: Mask = held >= least
        return found

    def _any_of(self, field: str, values: Sequence[Value]) -> Mask:
        column = self.columns[field]
        if isinstance(column, KeywordColumn):
            return column.any_of([value for value in values if isinstance(value, str)])
        return column.any_of(values)


def _values(kind: FieldType, found: Json) -> Sequence[Value]:
    try:
        return values_of(kind, found)
    except ValueError:
        return ()


def _dtype(kind: FieldType) -> type[np.generic]:
    return np.float64 if kind == "float" else np.int64


def _column(kind: FieldType, rows: Sequence[Sequence[Value]]) -> Column:
    if kind == "keyword":
        return KeywordColumn.build(cast("Sequence[Sequence[str]]", rows))
    numbers = np.array([row[0] if row else 0 for row in rows], dtype=_dtype(kind))
    return NumberColumn.build(numbers, np.array([bool(row) for row in rows], dtype=np.bool_))


def _opened(folder: Path, stem: str, kind: FieldType, n_docs: int) -> Column:
    if kind == "keyword":
        return KeywordColumn.open(folder, stem, n_docs)
    return NumberColumn.open(folder, stem, _dtype(kind))
