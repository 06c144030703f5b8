"""How does a matrix become results? Index by index and cell by cell; finished ones are kept."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lexmax.building import Silent, Watcher
from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders
from lexmax.errors import CalibrationError, PipelineError, QueryError
from lexmax.eval.collections import unknown_documents
from lexmax.eval.experiments.answering import Latency, answered, latency
from lexmax.eval.experiments.calibrated import Calibrated, JudgedQueries, Share, calibrated
from lexmax.eval.experiments.cell import Cell, rows_of, slug, write_cell
from lexmax.eval.experiments.collections import JudgedCollection
from lexmax.eval.experiments.experiment import Experiment
from lexmax.eval.experiments.grid import System
from lexmax.eval.experiments.index_bytes import index_bytes, used_parts
from lexmax.eval.experiments.index_cache import IndexCache, Work
from lexmax.eval.experiments.index_plan import told
from lexmax.eval.experiments.known_cells import cell_digest, known_cells
from lexmax.eval.experiments.provenance import commit, load, machine, versions
from lexmax.eval.experiments.query_cache import CachingEncoders
from lexmax.eval.experiments.results import Results, results_of, write_results
from lexmax.eval.measures import Evaluator
from lexmax.eval.qrels import Qrels, write_qrels
from lexmax.eval.runs import Run, write_run
from lexmax.eval.runs.ids import encoded_ids, encoded_qrels, needs_encoding
from lexmax.index.layout import Layout
from lexmax.index.manifest import read_manifest
from lexmax.types import Json

logger = logging.getLogger(__name__)
RESULTS = "results.json"
_CHECKED = 1024
_DEPTHS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def run_experiment(
    experiment: Experiment,
    *,
    watcher: Watcher | None = None,
    say: Callable[[str], None] = lambda text: None,
    encoders: Encoders | None = None,
    fresh: bool = False,
) -> Results:
    """Run all cells that are not there yet, and write results.json.

    Interrupted, the same call goes on at the cell where it stopped. A system that a collection
    cannot answer is noted with its error, and the others go on.

    Args:
        experiment: What to run.
        watcher: Is told how far it is, and may stop it.
        say: Told a line a cell.
        encoders: The registry; by default the installed ones.
        fresh: Run cells that are there again.

    Raises:
        KeyboardInterrupt: if the watcher stopped it.
        CorpusError, EncoderError, StorageError, DiskFullError: as indexing raises them.
    """
    watcher = watcher or Silent()
    registry = CachingEncoders(experiment.cache / "queries", encoders, progress=watcher.advance)
    total = sum(len(experiment.systems_on(one)) for one in experiment.collections)
    cells: list[Cell] = []
    for collection in experiment.collections:
        asked = _texts(collection)
        registry.expect(asked)
        running = _Running(experiment, collection, registry, watcher, fresh)
        for plan in experiment.plans_on(collection):
            systems = [one for one in experiment.systems_on(collection) if one.index == plan]
            for cell in running.cells(plan, systems):
                cells.append(cell)
                say(_line(cell, experiment.matrix.measures[0]))
                watcher.advance("cells", len(cells), total)
        if len(cells) < total:
            # Hours may pass before all are there; a report on some of them is worth having.
            _written(experiment, cells, is_finished=False)
    return _written(experiment, cells, is_finished=True)


def _written(experiment: Experiment, cells: Sequence[Cell], *, is_finished: bool) -> Results:
    described = {**_described(experiment, cells), "finished": is_finished}
    results = results_of(experiment.matrix, described, cells)
    write_results(experiment.out / RESULTS, results)
    return results


def _texts(collection: JudgedCollection) -> list[str]:
    asked = list(collection.dataset.queries.values())
    if collection.learnt_on is not None:
        asked += collection.learnt_on.queries.values()
    return asked


def _line(cell: Cell, measure: str) -> str:
    if cell.error is not None:
        return f"{cell.collection}  {cell.system}: {cell.error}"
    figures: Any = cell.figures
    shown = (
        f"{measure} {figures['measures'][measure]:.4f}, {figures['ms_per_query']:.2f} ms a query"
    )
    return f"{cell.collection}  {cell.system}: {shown}"


def _described(experiment: Experiment, cells: Sequence[Cell]) -> dict[str, Json]:
    """What results say besides the figures."""
    docs = {cell.collection: cell.figures.get("n_docs") for cell in cells}
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "commit": commit(),
        "matrix": experiment.matrix.model_dump(mode="json", exclude_unset=True),
        "collections": {
            one.name: {
                "dataset": one.dataset.name,
                "path": str(one.dataset.path),
                "split": one.dataset.split,
                "group": one.group,
                "n_queries": len(one.dataset.queries),
                "n_docs": docs.get(one.name),
                "corpus": one.corpus.digest,
                "corpus_files": one.corpus.sources,
                "queries": one.queries_digest,
                "warnings": one.dataset.warnings,
            }
            for one in experiment.collections
        },
        "systems": {
            one.name: {
                "of": one.of,
                "parameters": dict(one.parameters),
                "index": told(one.index),
                "pipeline": one.pipeline.model_dump(mode="json", exclude_none=True),
            }
            for one in experiment.systems
        },
    }


@dataclass(frozen=True, slots=True)
class _Running:
    """The cells of one collection."""

    experiment: Experiment
    collection: JudgedCollection
    registry: CachingEncoders
    watcher: Watcher
    fresh: bool

    def cells(self, plan: IndexChoice, systems: Sequence[System]) -> Iterator[Cell]:
        """Those of the systems over one index; the index is only opened if one of them must run."""
        known = known_cells(self.experiment, self.collection, systems, self.registry)
        if self.fresh:
            known = [None] * len(systems)
        there = [cell for cell in known if cell is not None]
        if len(there) == len(systems):
            yield from there
            return
        indexes = IndexCache(self.experiment.cache / "indexes", self.registry)
        work = indexes.ready(self.collection.corpus, plan, self.watcher)
        with Collection.open(
            work.folder, encoders=self.registry, merge_in_background=False
        ) as collection:
            for system, cell in zip(systems, known, strict=True):
                yield cell or self._run(system, collection, work)

    def _run(self, system: System, collection: Collection, work: Work) -> Cell:
        if self.watcher.stopped():
            raise KeyboardInterrupt
        digest = cell_digest(self.experiment.matrix, self.collection, system, self.registry)
        try:
            cell = self._measured(system, digest, collection, work)
        except (PipelineError, QueryError, CalibrationError) as error:
            logger.warning("%s on %s: %s", system.name, self.collection.name, error)
            # Not written: the next call tries again.
            return Cell(self.collection.name, system.name, digest, {"error": str(error)})
        write_cell(self.experiment.out, cell)
        return cell

    def _measured(self, system: System, digest: str, collection: Collection, work: Work) -> Cell:
        matrix, dataset = self.experiment.matrix, self.collection.dataset
        evaluator = Evaluator(dataset.qrels, matrix.measures)
        found = self._calibrated(system, collection)
        shares = found.shares
        taken = answered(
            collection,
            dataset.queries,
            shares,
            name=system.name,
            k=matrix.k,
            batch=matrix.batch,
            progress=self._progress,
        )
        with self.registry.off():
            timed = latency(
                collection, dataset.queries, shares, n=matrix.latency.queries, k=matrix.latency.k
            )
        measured = evaluator.evaluate(taken.run.doc_ids)
        n_queries = len(evaluator.query_ids)
        run, ids = self._write_run(system, taken.run)
        figures: dict[str, Json] = {
            "error": None,
            "measures": {name: _finite(value) for name, value in measured.overall.items()},
            "n_missing": sum(not taken.run.doc_ids.get(q) for q in evaluator.query_ids),
            "ms_per_query": taken.total_ms / n_queries,
            "cpu_ms_per_query": taken.cpu_ms / n_queries,
            "load": load(),
            "recall_by_depth": recall_by_depth(dataset.qrels, taken.run, k=matrix.k),
            "stage_ms": {stage: ms / n_queries for stage, ms in taken.stage_ms.items()},
            "encode_ms": self._encode_ms(system, collection),
            "latency": _latency_json(timed),
            "index": _index_json(collection, system, work),
            "n_docs": collection.n_docs,
            "run": run,
            "ids": ids,
            "calibration": None if system.calibrate is None else dict(found.described),
            "warnings": self._warnings(collection, evaluator),
        }
        query_ids = evaluator.query_ids
        rows = rows_of(query_ids, measured.by_query)
        return Cell(self.collection.name, system.name, digest, figures, query_ids, rows)

    def _calibrated(self, system: System, collection: Collection) -> Calibrated:
        dataset = self.collection.dataset
        if system.calibrate is None:
            return Calibrated((Share(list(dataset.queries), system.pipeline),), {})
        return calibrated(
            collection,
            system.pipeline,
            system.calibrate,
            asked=JudgedQueries(dataset.queries, dataset.qrels),
            learnt_on=self.collection.learnt_on,
            watcher=self.watcher,
        )

    def _progress(self, done: int, total: int) -> None:
        self.watcher.advance("search", done, total)
        if self.watcher.stopped():
            raise KeyboardInterrupt

    def _encode_ms(self, system: System, collection: Collection) -> float:
        signals, encoders = system.pipeline.signals, collection.encoders
        named = (("multivector", encoders.multivector), ("pooled", encoders.pooled))
        found = [one for signal, one in named if one is not None and signal in signals]
        return self.registry.encode_ms(found)

    def _warnings(self, collection: Collection, evaluator: Evaluator) -> list[Json]:
        k, qrels = self.experiment.matrix.k, self.collection.dataset.qrels
        judged = list(dict.fromkeys(doc_id for grades in qrels.values() for doc_id in grades))
        known = {
            doc_id
            for start in range(0, len(judged), _CHECKED)
            for doc_id, document in zip(
                judged[start : start + _CHECKED],
                collection.get(judged[start : start + _CHECKED]),
                strict=True,
            )
            if document is not None
        }
        cut = [name for name, cutoff in evaluator.cutoffs.items() if cutoff and cutoff > k]
        said = f"{', '.join(cut)}: computed from the {k:,} documents asked for, which is fewer"
        return [*unknown_documents(qrels, known), *([said] if cut else [])]

    def _write_run(self, system: System, run: Run) -> tuple[str | None, str]:
        """Where the run lies below the results, and how ids stand in it."""
        kind = self.experiment.matrix.runs
        if kind == "none":
            return None, "plain"
        folder = self.experiment.out / "runs" / slug(self.collection.name)
        is_encoded = needs_encoding(run)
        path = folder / f"{slug(system.name)}.trec{'.zst' if kind == 'zst' else ''}"
        write_run(path, encoded_ids(run) if is_encoded else run)
        if is_encoded:
            # Whoever measures this run with another program needs qrels with the same ids.
            write_qrels(folder / "qrels.encoded.txt", encoded_qrels(self.collection.dataset.qrels))
        place = str(path.relative_to(self.experiment.out))
        return place, "percent-encoded" if is_encoded else "plain"


def recall_by_depth(qrels: Qrels, run: Run, *, k: int) -> list[Json]:
    """(depth, recall) of the first documents of a run, from 1 to k."""
    depths = [depth for depth in _DEPTHS if depth <= k]
    measured = Evaluator(qrels, [f"R@{depth}" for depth in depths]).evaluate(run.doc_ids)
    return [[depth, _finite(measured.overall[f"R@{depth}"])] for depth in depths]


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _latency_json(timed: Latency) -> dict[str, Json] | None:
    return timed.as_json() if timed.n else None


def _index_json(collection: Collection, system: System, work: Work) -> dict[str, Json]:
    layout = Layout(collection.path)
    folders = [layout.segment(path.name) for path in sorted((layout.folder / "segments").iterdir())]
    manifests = [read_manifest(folder) for folder in folders]
    parts = index_bytes([manifest.files for manifest in manifests])
    parts["texts"] = layout.catalog.stat().st_size
    used = used_parts(system.pipeline, parts)
    encoders: Mapping[str, Json] = {
        signal: dict(found) for signal, found in manifests[0].encoders.items()
    }
    return {
        "folder": work.folder.name,
        "how": work.how,
        "bytes": dict(parts),
        "bytes_used": sum(parts[part] for part in used),
        "parts_used": sorted(used),
        "encoders": encoders,
    }
