"""Which cells of an experiment need not run again?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xxhash

from lexmax.encoders import Encoders
from lexmax.eval.experiments.cell import Cell, read_cell
from lexmax.eval.experiments.collections import JudgedCollection
from lexmax.eval.experiments.experiment import Experiment
from lexmax.eval.experiments.grid import System
from lexmax.eval.experiments.index_plan import IndexIdentity
from lexmax.eval.experiments.matrix import Matrix
from lexmax.eval.experiments.provenance import versions
from lexmax.index.durable import to_json


def cell_digest(
    matrix: Matrix, collection: JudgedCollection, system: System, registry: Encoders
) -> str:
    """32 hexadecimal digits of all that a cell's figures depend on, the machine left out."""
    learnt_on = collection.learnt_on
    depends: Any = [
        system.pipeline.model_dump(mode="json"),
        IndexIdentity.of(system.index, registry).as_json(),
        collection.corpus.digest,
        collection.queries_digest,
        None
        if system.calibrate is None
        else system.calibrate.model_dump(mode="json", exclude_defaults=True),
        None if learnt_on is None else sorted(learnt_on.queries),
        [matrix.k, matrix.measures, matrix.runs, matrix.latency.model_dump()],
        versions()["lexmax"],
    ]
    return xxhash.xxh3_128(to_json(depends)).hexdigest()


def known_cells(
    experiment: Experiment,
    collection: JudgedCollection,
    systems: Sequence[System],
    registry: Encoders,
) -> list[Cell | None]:
    """The cells of these systems that need not run again, None for the others."""
    return [
        _known(
            experiment.out,
            collection,
            system,
            cell_digest(experiment.matrix, collection, system, registry),
        )
        for system in systems
    ]


def _known(out: Path, collection: JudgedCollection, system: System, digest: str) -> Cell | None:
    cell = read_cell(out, collection.name, system.name)
    if cell is None or cell.digest != digest:
        return None
    run = cell.figures.get("run")
    return cell if run is None or (out / str(run)).is_file() else None
