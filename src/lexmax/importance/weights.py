"""What is each source worth, and is it kept? A file of lines that indexing reads.

A line is {"doc_id": "d1", "weight": 0.7, "keep": true} or, for sources that are values of an entry
of the metadata, {"field": "site", "source": "a.org", "weight": 0.7, "keep": true}; null is the
source of documents without that entry. Documents and sources in no line are kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import orjson

from lexmax.errors import InputError
from lexmax.index.durable import write_atomically
from lexmax.index.failures import storage_errors
from lexmax.types import Document, Json

Source: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class SourceWeight:
    """One source: a doc_id, or a value of the field.

    Attributes:
        source: Which.
        weight: From 0 to 1.
        keep: Whether a corpus is better with it.
    """

    source: Source
    weight: float
    keep: bool


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of documents, or of the values of a field of their metadata.

    Attributes:
        field: Which entry of the metadata; None for documents.
        sources: Each once.
    """

    field: str | None
    sources: tuple[SourceWeight, ...]

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            StorageError: if it cannot be written.
        """
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, b"".join(self._lines()))

    def _lines(self) -> Iterator[bytes]:
        for one in self.sources:
            what: dict[str, Json] = (
                {"doc_id": one.source}
                if self.field is None
                else {"field": self.field, "source": one.source}
            )
            line = what | {"weight": one.weight, "keep": one.keep}
            yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)

    @staticmethod
    def read(path: Path) -> "Weights":
        """The weights of a file.

        Raises:
            InputError: if it cannot be read, holds nothing, or a line is none of these.
        """
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise InputError(
                f"{path}: {error.strerror}; expected a file that `lexmax value` wrote"
            ) from error
        found = [_read(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
        fields = {field for field, _ in found}
        if len(fields) != 1:
            what = "no line" if not fields else f"lines of {len(fields)} kinds"
            raise InputError(
                f"{path}: found {what}; expected lines with doc_id, or all with one field; take a "
                "file that `lexmax value` wrote"
            )
        return Weights(found[0][0], tuple(one for _, one in found))

    @property
    def dropped(self) -> "Dropped":
        """The sources that are not kept."""
        return Dropped(
            self.field, frozenset(_key(one.source) for one in self.sources if not one.keep)
        )


@dataclass(frozen=True, slots=True)
class Dropped:
    """Which documents a corpus is better without.

    Attributes:
        field: Entry of the metadata, or None for doc_ids.
        keys: Its values, as JSON, so that 1, true and "1" are three.
    """

    field: str | None
    keys: frozenset[bytes]

    def __contains__(self, document: Document) -> bool:
        """Whether a document is one of them."""
        return _key(source_of(document, self.field)) in self.keys


def source_of(document: Document, field: str | None) -> Json:
    """The document's doc_id, or its value of the field; None where it has none."""
    return document.doc_id if field is None else document.metadata.get(field)


def _key(source: Json) -> bytes:
    return orjson.dumps(source)


def _read(path: Path, number: int, line: bytes) -> tuple[str | None, SourceWeight]:
    try:
        said: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _bad(path, number, line) from error
    if not isinstance(said, dict):
        raise _bad(path, number, line)
    members = cast("Mapping[str, Any]", said)
    field, source = members.get("field"), members.get("source", members.get("doc_id"))
    by_field = isinstance(field, str) and "source" in members and "doc_id" not in members
    by_id = isinstance(members.get("doc_id"), str) and not {"field", "source"} & set(members)
    weight, keep = members.get("weight"), members.get("keep")
    if not (by_field or by_id) or isinstance(weight, bool) or not isinstance(keep, bool):
        raise _bad(path, number, line)
    if not isinstance(weight, int | float):
        raise _bad(path, number, line)
    return (field if by_field else None), SourceWeight(source, float(weight), keep)


def _bad(path: Path, number: int, line: bytes) -> InputError:
    return InputError(
        f"{path}, line {number}: found {line[:80]!r}; expected a JSON object with doc_id, or field "
        "and source, and with weight and keep; take a file that `lexmax value` wrote"
    )
