"""The arithmetic of benchmarks/sparse: recall, ratios, interpolation, vectors that repeat."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "sparse"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the benchmark by name."""
    for folder in (_BENCHMARK.parent, _BENCHMARK):
        monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module


def _row(module: Any, **changes: object) -> Any:
    figures = {
        "system": "lexmax",
        "mode": "exact",
        "docs": 1_000_000,
        "profile": "hard",
        "k": 10,
        "cpu_p50_ms": 2.0,
        "cpu_p99_ms": 3.0,
        "p50_ms": 2.0,
        "p99_ms": 3.0,
        "recall": 1.0,
        "build_s": 1.0,
        "build_cpu_s": 1.0,
        "peak_build_bytes": 1,
        "bytes": 1,
        "settings": "",
        "queries": 200,
    }
    return module("results").Row(**(figures | changes))


def test_recall_counts_the_true_first_k_only(module: Any) -> None:
    truth = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    found = np.array([[2, 1, 3, 9], [9, 5, -1, -1]])
    assert module("vectors").recall(found, truth, 2) == pytest.approx((1.0 + 0.5) / 2)
    assert module("vectors").recall(found, truth, 4) == pytest.approx((0.75 + 0.25) / 2)


def test_an_exact_target_takes_the_peers_fastest_mode(module: Any) -> None:
    results = module("results")
    rows = [
        _row(module),
        _row(module, mode="auto", cpu_p50_ms=0.1),
        _row(module, system="csc", mode="heap", cpu_p50_ms=12.0),
        _row(module, system="csc", mode="partition", cpu_p50_ms=14.0),
        _row(module, system="csc", mode="heap", k=1000, cpu_p50_ms=1.0),
    ]
    ratio = results.ratio_of(results.Target("csc", "hard", 1_000_000, 10, 5.0), rows)
    assert (ratio.ours.mode, ratio.peer.mode, ratio.cpu) == ("exact", "heap", 6.0)


def test_a_target_at_a_recall_drops_what_does_not_reach_it(module: Any) -> None:
    results = module("results")
    rows = [
        _row(module),
        _row(module, mode="query-mass?share=0.5", cpu_p50_ms=0.5, recall=0.9),
        _row(module, mode="query-mass?share=0.8", cpu_p50_ms=1.0, recall=0.985),
        _row(module, system="seismic", mode="cut=4", cpu_p50_ms=1.0, recall=0.98),
        _row(module, system="seismic", mode="cut=8", cpu_p50_ms=3.0, recall=0.99),
    ]
    target = results.Target("seismic", "hard", 1_000_000, 10, 3.0, results.RECALL_WANTED)
    ratio = results.ratio_of(target, rows)
    assert (ratio.ours.recall, ratio.peer.mode, ratio.cpu) == (0.985, "cut=8", 3.0)
    assert results.ratio_of(target, rows[:3]) is None


def test_latency_is_interpolated_in_its_logarithm(module: Any) -> None:
    latency_at = module("results").latency_at
    rows = [
        _row(module, recall=0.90, cpu_p50_ms=1.0),
        _row(module, recall=0.94, cpu_p50_ms=9.0),
        _row(module, recall=0.98, cpu_p50_ms=4.0),
    ]
    # The second is beaten in both, so the curve is the straight line from the first to the third.
    assert latency_at(rows, 0.94) == pytest.approx(2.0)
    assert latency_at(rows, 0.5) == 1.0
    assert latency_at(rows, 0.99) is None


def test_a_row_keeps_known_figures_and_rounds_recall(module: Any) -> None:
    figures = json.loads(json.dumps({**_fields(_row(module)), "found": "somewhere.npy"}))
    for name in ("profile", "docs", "recall"):
        del figures[name]
    row = module("results").as_row(figures, profile="hard", docs=7, recall=2 / 3)
    assert (row.docs, row.recall, row.system) == (7, 0.6667, "lexmax")


def test_tables_name_what_was_missed(module: Any) -> None:
    rows = [_row(module), _row(module, system="csc", mode="heap", cpu_p50_ms=3.0)]
    text = "\n".join(module("tables").targets(rows))
    assert "MISSED" in text
    assert "1.5" in text


def test_growth_is_the_factor_from_size_to_size(module: Any) -> None:
    rows = [_row(module, docs=1000, cpu_p50_ms=1.0), _row(module, docs=9000, cpu_p50_ms=3.0)]
    text = "\n".join(module("tables").growth(rows, [0.9]))
    assert "x9" in text
    assert "3.00" in text


@pytest.mark.parametrize("profile", ["hard", "concentrated"])
def test_a_document_is_the_same_in_any_chunk(module: Any, profile: str) -> None:
    pytest.importorskip("numba", reason="the generator runs in the bench environment")
    generate, topics = module("generate"), module("topics")
    tables = topics.make_topics(profile, n_docs=300, seed=3)
    whole = generate.documents(tables, seed=3, start=0, stop=300)
    parts = [
        generate.documents(tables, seed=3, start=a, stop=b, threads=2)
        for a, b in ((0, 77), (77, 300))
    ]
    for i, array in enumerate(whole):
        assert np.array_equal(array, np.concatenate([part[i] for part in parts]))
    lengths, _, terms, weights = whole
    starts = np.cumsum(lengths)[:-1]
    ascending = np.diff(terms.astype(np.int64)) > 0
    ascending[starts - 1] = True
    assert ascending.all()
    assert (weights > 0).all()


def _fields(row: Any) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}
