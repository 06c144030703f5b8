"""What came of one system on one collection? A file that is there whole, or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import numpy as np
import orjson

from lexmax.errors import EvaluationError
from lexmax.eval.files import replace_file
from lexmax.types import Json


@dataclass(frozen=True, slots=True)
class Cell:
    """One system on one collection.

    Attributes:
        collection, system: their names.
        digest: of all that its figures depend on; another one is another cell.
        figures: means, times, index and run, as results.json has them.
        query_ids: the judged queries.
        by_query: by measure, a figure for each of them; None where the measure says nothing.
    """

    collection: str
    system: str
    digest: str
    figures: Mapping[str, Json]
    query_ids: tuple[str, ...] = ()
    by_query: Mapping[str, tuple[float | None, ...]] = field(
        default_factory=dict[str, tuple[float | None, ...]]
    )

    @property
    def error(self) -> str | None:
        """Why there are no figures; None if there are."""
        return cast("str | None", self.figures.get("error"))

    def measured(self, measure: str) -> dict[str, float]:
        """Figures by query, without those that the measure says nothing about."""
        row = self.by_query.get(measure, ())
        pairs = zip(self.query_ids, row, strict=bool(row))
        return {query_id: value for query_id, value in pairs if value is not None}

    def as_json(self) -> dict[str, Json]:
        """What `read_cell` reads."""
        return {
            "collection": self.collection,
            "system": self.system,
            "digest": self.digest,
            **self.figures,
            "query_ids": self.query_ids,
            "by_query": dict(self.by_query),
        }


def cell_path(folder: Path, collection: str, system: str) -> Path:
    """Where a cell's file lies."""
    return folder / "cells" / slug(collection) / f"{slug(system)}.json"


def slug(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="")


def write_cell(folder: Path, cell: Cell) -> None:
    """Write its file, whole or not at all.

    Raises:
        DiskFullError, EvaluationError: if it cannot be written.
    """
    path = cell_path(folder, cell.collection, cell.system)
    replace_file(path, [orjson.dumps(cell.as_json(), option=orjson.OPT_SERIALIZE_NUMPY), b"\n"])


def read_cell(folder: Path, collection: str, system: str) -> Cell | None:
    """The cell that was written; None if none was.

    Raises:
        EvaluationError: if the file is something else.
    """
    path = cell_path(folder, collection, system)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        written: dict[str, Any] = orjson.loads(content)
        query_ids, by_query = written.pop("query_ids"), written.pop("by_query")
        names = written.pop("collection"), written.pop("system"), written.pop("digest")
        rows = {measure: tuple(row) for measure, row in by_query.items()}
        return Cell(*names, written, tuple(query_ids), rows)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{path}: is no cell of an experiment ({error}); expected what lexmax has written; "
            "remove it, and run the same command again"
        ) from error


def rows_of(
    query_ids: tuple[str, ...], by_query: Mapping[str, Mapping[str, float]]
) -> dict[str, tuple[float | None, ...]]:
    """Figures by measure in the order of the queries; None for what is missing or infinite."""
    return {
        measure: tuple(
            value if (value := figures.get(q)) is not None and np.isfinite(value) else None
            for q in query_ids
        )
        for measure, figures in by_query.items()
    }
