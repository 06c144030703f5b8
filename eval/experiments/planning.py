"""What would an experiment build and run, and how long would that take?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lexmax.building import Silent
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.eval.experiments.collections import JudgedCollection
from lexmax.eval.experiments.experiment import Experiment
from lexmax.eval.experiments.index_cache import IndexCache, Work
from lexmax.eval.experiments.known_cells import known_cells
from lexmax.forecast import forecast


@dataclass(frozen=True, slots=True)
class IndexStep:
    """An index that an experiment needs.

    Attributes:
        collection: whose documents.
        plan: what it keeps.
        how: `there`, `built`, or `derived` from another one, whose vectors are linked.
        begun: whether an interrupted job goes on.
        seconds, n_bytes: an estimate, of what is built; None where nothing was estimated.
    """

    collection: str
    plan: IndexChoice
    how: str
    begun: bool
    seconds: float | None = None
    n_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class CellSteps:
    """How many systems are to run on a collection, and how many have run."""

    collection: str
    n_queries: int
    n_there: int
    n_missing: int


@dataclass(frozen=True, slots=True)
class Forecasts:
    """All steps of an experiment, in their order."""

    indexes: tuple[IndexStep, ...]
    cells: tuple[CellSteps, ...]


def planned(experiment: Experiment, *, encoders: Encoders | None = None) -> Forecasts:
    """What `run_experiment` would do; nothing is written.

    Encoding is timed on a few documents of each collection that must be indexed.

    Raises:
        EncoderError: if there is no such encoder.
    """
    registry = encoders or Encoders()
    indexes = [
        step for one in experiment.collections for step in _indexes(experiment, one, registry)
    ]
    cells: list[CellSteps] = []
    for one in experiment.collections:
        systems = experiment.systems_on(one)
        known = known_cells(experiment, one, systems, registry)
        n_there = sum(cell is not None for cell in known)
        n_queries = len(one.dataset.queries)
        cells.append(CellSteps(one.name, n_queries, n_there, len(systems) - n_there))
    return Forecasts(tuple(indexes), tuple(cells))


def _indexes(
    experiment: Experiment, collection: JudgedCollection, registry: Encoders
) -> Iterator[IndexStep]:
    cache = IndexCache(experiment.cache / "indexes", registry)
    coming: list[IndexChoice] = []
    for plan in experiment.plans_on(collection):
        work = cache.work(collection.corpus, plan, coming=coming)
        coming.append(plan)
        seconds, n_bytes = _estimated(collection.corpus.sources, plan, work, registry)
        yield IndexStep(collection.name, plan, work.how, work.begun, seconds, n_bytes)


def _estimated(
    sources: Sequence[str], plan: IndexChoice, work: Work, registry: Encoders
) -> tuple[float | None, int | None]:
    if work.how != "built":
        return None, None
    found = forecast(list(sources), choice=plan, watcher=Silent(), encoders=registry)
    return found.encode_seconds + found.build_seconds, found.n_bytes
