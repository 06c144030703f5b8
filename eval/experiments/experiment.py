"""What is an experiment, before anything of it is run?"""

from dataclasses import dataclass
from pathlib import Path

from lexmax.creating import IndexChoice
from lexmax.errors import EvaluationError
from lexmax.eval.experiments.collections import JudgedCollection, collections_of
from lexmax.eval.experiments.grid import System, systems_of
from lexmax.eval.experiments.matrix import Matrix
from lexmax.eval.experiments.matrix_reading import read_matrix
from lexmax.eval.measures import Evaluator


@dataclass(frozen=True, slots=True)
class Experiment:
    """A matrix with its collections and systems, before anything is run.

    Attributes:
        matrix: as written.
        collections: that were found.
        systems: with a name for each combination of a grid.
        out: the folder of results.
        cache: the folder of indexes and queries, which experiments share.
    """

    matrix: Matrix
    collections: tuple[JudgedCollection, ...]
    systems: tuple[System, ...]
    out: Path
    cache: Path

    @staticmethod
    def read(
        path: Path, *, out: Path, cache: Path | None = None, data: Path | None = None
    ) -> "Experiment":
        """What a matrix file says; without `cache`, the folder `cache` in `out`.

        Raises:
            EvaluationError: naming the line, if the matrix cannot be run.
        """
        matrix, located = read_matrix(path)
        Evaluator({"query": {"document": 1}}, matrix.measures)  # Measures exist, before hours pass.
        systems = systems_of(matrix, located, folder=path.resolve().parent)
        cache = cache or out / "cache"
        collections = collections_of(
            matrix, located, data=data, folder=path.resolve().parent, corpora=cache / "corpora"
        )
        known = {name for one in collections for name in (one.name, one.group)}
        for system in systems:
            if unknown := set(system.collections or ()) - known:
                raise EvaluationError(
                    f"{located.place(('systems', system.of, 'collections'))}: there is no "
                    f"collection {', '.join(sorted(unknown))}; expected names of the matrix"
                )
        return Experiment(matrix, tuple(collections), tuple(systems), out, cache)

    def systems_on(self, collection: JudgedCollection) -> list[System]:
        """The systems that run on a collection."""
        return [
            system
            for system in self.systems
            if system.collections is None
            or {collection.name, collection.group} & set(system.collections)
        ]

    def plans_on(self, collection: JudgedCollection) -> list[IndexChoice]:
        """The indexes that these need, each once."""
        return list(dict.fromkeys(system.index for system in self.systems_on(collection)))
