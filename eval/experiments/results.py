"""What did an experiment find? One JSON file that reports are made of.

Its layout is in docs/experiments.md. Figures of single queries lie beside it, a file a cell.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson

from lexmax.errors import EvaluationError
from lexmax.eval.collections import averaged
from lexmax.eval.experiments.cell import Cell, cell_path
from lexmax.eval.experiments.fronts import front
from lexmax.eval.experiments.matrix import Matrix
from lexmax.eval.measures import Evaluator
from lexmax.eval.outcomes import write_json
from lexmax.eval.significance import Comparison, Procedure
from lexmax.eval.significance.marking import caption, compared
from lexmax.types import Json

FORMAT, VERSION = "lexmax experiment", 1
_COSTS = ("ms", "bytes")
_REQUIRED = (
    "version", "name", "k", "measures", "lower_is_better", "made", "machine", "versions", "commit",
    "collections", "systems", "cells", "groups", "overall",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Results:
    """What results.json holds.

    Attributes:
        content: its object.
    """

    content: Mapping[str, Any]

    @property
    def measures(self) -> list[str]:
        """In the order of the matrix."""
        return list(self.content["measures"])

    @property
    def collections(self) -> Mapping[str, Any]:
        """What is known of each, by name."""
        return cast("Mapping[str, Any]", self.content["collections"])

    @property
    def systems(self) -> Mapping[str, Any]:
        """What each is, by name, in the order of the matrix."""
        return cast("Mapping[str, Any]", self.content["systems"])

    @property
    def errors(self) -> list[str]:
        """A sentence for each cell without figures."""
        return [
            f"{cell['collection']}, {cell['system']}: {cell['error']}"
            for cell in self.content["cells"]
            if cell["error"]
        ]

    def cells(self, collection: str) -> dict[str, Any]:
        """The cells of a collection that have figures, by system."""
        return {
            cell["system"]: cell
            for cell in self.content["cells"]
            if cell["collection"] == collection and not cell["error"]
        }


def results_of(matrix: Matrix, described: Mapping[str, Json], cells: Sequence[Cell]) -> Results:
    """The results of cells; `described` are machine, versions, collections and systems."""
    lower = Evaluator({"query": {"document": 1}}, matrix.measures).lower_is_better
    order = list(cast("Mapping[str, Json]", described["systems"]))
    cells = sorted(cells, key=lambda cell: order.index(cell.system))
    collections = {
        name: {**about, **_beside(name, matrix, cells, lower)}
        for name, about in cast("Mapping[str, dict[str, Any]]", described["collections"]).items()
    }
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "name": matrix.name,
        "k": matrix.k,
        "measures": matrix.measures,
        "lower_is_better": sorted(lower),
        **described,
        "collections": collections,
        "cells": [
            _cell_json(cell) for name in collections for cell in cells if cell.collection == name
        ],
        "groups": _groups(collections, matrix, cells),
    }
    content["overall"] = _overall(content, matrix, lower)
    return Results(content)


def _cell_json(cell: Cell) -> dict[str, Json]:
    place = cell_path(Path(), cell.collection, cell.system)
    return {
        "collection": cell.collection,
        "system": cell.system,
        **cell.figures,
        "cell": None if cell.error else str(place),
    }


def _of(cells: Sequence[Cell], collection: str) -> list[Cell]:
    return [cell for cell in cells if cell.collection == collection and cell.error is None]


def _beside(
    collection: str, matrix: Matrix, cells: Sequence[Cell], lower: frozenset[str]
) -> dict[str, Json]:
    """What the systems of one collection are beside each other."""
    found = _of(cells, collection)
    rule = matrix.significance
    procedure = Procedure(
        rule.test, rule.correction, rule.alpha, n_resamples=rule.resamples, seed=rule.seed
    )
    comparisons = compared(
        {cell.system: {m: cell.measured(m) for m in matrix.measures} for cell in found},
        matrix.measures,
        procedure,
        lower_is_better=lower,
    )
    first = next(iter(comparisons.values()), None)
    return {
        "letters": {} if first is None else first.letters,
        "caption": None if first is None else caption(first),
        "marks": {
            measure: {name: one.marks(name) for name in one.systems}
            for measure, one in comparisons.items()
        },
        "comparisons": {measure: _compact(one) for measure, one in comparisons.items()},
        "fronts": {
            measure: {
                cost: front(_points(found, measure, cost), lower_is_better=measure in lower)
                for cost in _COSTS
            }
            for measure in matrix.measures
        },
    }


def _compact(comparison: Comparison) -> dict[str, Json]:
    written = comparison.as_json()
    return {**written, "means": {name: _rounded(v) for name, v in comparison.means.items()}}


def _rounded(value: float) -> float:
    return round(value, 12)


def _points(cells: Sequence[Cell], measure: str, cost: str) -> dict[str, tuple[float, float]]:
    points: dict[str, tuple[float, float]] = {}
    for cell in cells:
        figures: Any = cell.figures
        quality = figures["measures"][measure]
        paid = cost_of(figures, cost)
        if quality is not None and paid is not None:
            points[cell.system] = (paid, quality)
    return points


def cost_of(figures: Mapping[str, Any], cost: str) -> float | None:
    """What a system pays: `ms` of a query, alone where that was timed, or `bytes` that it reads."""
    if cost == "bytes":
        return float(figures["index"]["bytes_used"])
    timed = figures["latency"]
    found = figures["ms_per_query"] + figures["encode_ms"] if timed is None else timed["p50_ms"]
    return None if found is None else float(found)


def _groups(
    collections: Mapping[str, Mapping[str, Any]], matrix: Matrix, cells: Sequence[Cell]
) -> dict[str, Json]:
    """Means over the sub-collections of each group, each counting alike, as BEIR has it."""
    groups: dict[str, list[str]] = {}
    for name, about in collections.items():
        if about["group"] is not None:
            groups.setdefault(about["group"], []).append(name)
    found: dict[str, Json] = {}
    for group, members in groups.items():
        by_system: dict[str, dict[str, Any]] = {}
        for name in members:
            for cell in _of(cells, name):
                by_system.setdefault(cell.system, {})[name] = cell.figures["measures"]
        found[group] = {
            system: averaged(figures)
            for system, figures in by_system.items()
            if len(figures) == len(members) and _complete(figures)
        }
    return found


def _complete(figures: Mapping[str, Mapping[str, float | None]]) -> bool:
    return all(value is not None for one in figures.values() for value in one.values())


def _overall(content: Mapping[str, Any], matrix: Matrix, lower: frozenset[str]) -> dict[str, Json]:
    """Means over collections, a group counting once, and on how many each system is best."""
    by_place = _by_place(content)
    systems = [s for s in content["systems"] if all(s in one for one in by_place.values())]
    averages: dict[str, Json] = {
        system: {
            m: _mean([one[system].get(m) for one in by_place.values()]) for m in matrix.measures
        }
        for system in systems
    }
    best = {
        measure: _n_best([one for one in by_place.values()], measure, measure in lower)
        for measure in matrix.measures
    }
    return {
        "collections": list(by_place),
        "averages": averages,
        "best": {s: {m: best[m].get(s, 0) for m in matrix.measures} for s in content["systems"]},
        "beats": {m: _beats(content, m) for m in matrix.measures},
    }


def _by_place(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Means by collection or group, then by system."""
    found: dict[str, dict[str, Any]] = {}
    for cell in content["cells"]:
        group = content["collections"][cell["collection"]]["group"]
        if not cell["error"] and group is None:
            found.setdefault(cell["collection"], {})[cell["system"]] = cell["measures"]
    return {**found, **content["groups"]}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _n_best(places: Sequence[Mapping[str, Any]], measure: str, is_lower: bool) -> dict[str, int]:
    """On how many collections no system is better, to four digits; ties count for each."""
    counts: dict[str, int] = {}
    for one in places:
        known = {s: round(v[measure], 4) for s, v in one.items() if v.get(measure) is not None}
        if known:
            top = min(known.values()) if is_lower else max(known.values())
            for system, value in known.items():
                counts[system] = counts.get(system, 0) + (value == top)
    return counts


def _beats(content: Mapping[str, Any], measure: str) -> dict[str, dict[str, int]]:
    """On how many collections a system is significantly better than another."""
    counts: dict[str, dict[str, int]] = {}
    for better, worse in _significant(content, measure):
        row = counts.setdefault(better, {})
        row[worse] = row.get(worse, 0) + 1
    return counts


def _significant(content: Mapping[str, Any], measure: str) -> Iterator[tuple[str, str]]:
    for about in content["collections"].values():
        found: Any = about["comparisons"].get(measure) or {}
        for one in found.get("differences", ()):
            if one["significant"] and one["difference"]:
                is_first = (one["difference"] > 0) is (measure not in content["lower_is_better"])
                pair = (one["first"], one["second"])
                yield pair if is_first else (pair[1], pair[0])


def write_results(path: Path, results: Results) -> None:
    """Write results.json, whole or not at all; what is not finite becomes null.

    Raises:
        DiskFullError, EvaluationError: if it cannot be written.
    """
    write_json(path, results.content)


def read_results(path: Path | str) -> Results:
    """The results in a file, or in the folder that holds results.json.

    Raises:
        EvaluationError: if there are none, or another version wrote them.
    """
    path = Path(path)
    path = path / "results.json" if path.is_dir() else path
    try:
        content: Any = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise EvaluationError(
            f"{path}: cannot be read ({error}); expected results.json of `lexmax experiment`; "
            "check the path"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:  # pyright: ignore
        raise EvaluationError(
            f"{path}: holds no results of an experiment; expected results.json of `lexmax "
            "experiment`; check the path"
        )
    if missing := [name for name in _REQUIRED if name not in content]:
        raise EvaluationError(
            f"{path}: lacks {', '.join(missing)}; expected results.json as `lexmax experiment` "
            "writes it; run that again"
        )
    if content["version"] != VERSION:
        raise EvaluationError(
            f"{path}: has version {content['version']}, this build reads {VERSION}; run "
            "`lexmax experiment` again"
        )
    return Results(cast("Mapping[str, Any]", content))
