"""How long does it take to read and measure a run of MS MARCO's size?

python benchmarks/measures.py [--queries 6980] [--hits 1000] [--folder DIR] [--json FILE]

Writes a run with ids like those of MS MARCO passages, reads it back, and measures RR@10, nDCG@10
and R@1000, here and by ir-measures' own providers; the figures of both must agree. Prints seconds
of the clock and of the processor, and peak memory. Nothing else should use the cores meanwhile.
"""

import argparse
import importlib
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from machine import describe

from lexmax.eval.measures import Evaluator
from lexmax.eval.qrels import Qrels
from lexmax.eval.runs import Run, read_run, write_run

_MEASURES = ("RR@10", "nDCG@10", "R@1000")
_N_PASSAGES = 8_841_823
_CLOSE = 1e-9
_Result = TypeVar("_Result")


def main() -> None:
    """Write, read and measure, and print one mapping."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--queries", type=int, default=6980)
    parser.add_argument("--hits", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="keep the run here")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--peers", action="store_true", help="measure by ir-measures alone too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        path = folder / f"{arguments.queries}x{arguments.hits}.trec"
        if not path.exists():
            write_run(path, _drawn(arguments.queries, arguments.hits))
        figures = _figures(path, with_peers=arguments.peers)
    figures = {"machine": describe(), "measures": _MEASURES, **figures}
    print(json.dumps(figures, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def _figures(path: Path, *, with_peers: bool) -> dict[str, Any]:
    run, reading = _timed(lambda: read_run(path))
    qrels = _judged(run)
    evaluator, preparing = _timed(lambda: Evaluator(qrels, _MEASURES))
    measured, measuring = _timed(lambda: evaluator.evaluate(run.doc_ids))
    figures: dict[str, Any] = {
        "queries": len(run.doc_ids),
        "hits": sum(map(len, run.doc_ids.values())),
        "reading_s": reading,
        "preparing_s": preparing,
        "measuring_s": measuring,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "figures": dict(measured.overall),
    }
    if with_peers:
        theirs, figures["ir_measures_s"] = _timed(lambda: _by_ir_measures(run, qrels))
        worst = max(abs(theirs[name] - measured.overall[name]) for name in _MEASURES)
        if worst > _CLOSE:
            raise SystemExit(f"figures differ by {worst}")
    return figures


def _by_ir_measures(run: Run, qrels: Qrels) -> dict[str, float]:
    library: Any = importlib.import_module("ir_measures")
    scores = {
        query_id: {doc_id: float(-rank) for rank, doc_id in enumerate(doc_ids)}
        for query_id, doc_ids in run.doc_ids.items()
    }
    parsed = [library.parse_measure(name) for name in _MEASURES]
    return {str(m): v for m, v in library.calc_aggregate(parsed, qrels, scores).items()}


def _drawn(n_queries: int, n_hits: int) -> Run:
    rng = np.random.default_rng(0)
    doc_ids: dict[str, list[str]] = {}
    for number in range(n_queries):
        drawn = dict.fromkeys(rng.integers(0, _N_PASSAGES, n_hits + 50).tolist())
        doc_ids[str(1_048_585 + number)] = [str(d) for d in list(drawn)[:n_hits]]
    scores = np.linspace(40, 10, n_hits).astype(np.float32)
    return Run("drawn", doc_ids, {query_id: scores for query_id in doc_ids})


def _judged(run: Run) -> Qrels:
    """One relevant document a query, at any rank or not found, as in MS MARCO's dev set."""
    rng = np.random.default_rng(1)
    return {
        query_id: {doc_ids[int(place)]: 1}
        if (place := rng.geometric(0.02)) < len(doc_ids)
        else {"-": 1}
        for query_id, doc_ids in run.doc_ids.items()
    }


def _timed(work: Callable[[], _Result]) -> tuple[_Result, dict[str, float]]:
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, {
        "clock": round(time.perf_counter() - clock, 2),
        "processor": round(time.process_time() - processor, 2),
    }


if __name__ == "__main__":
    main()
