"""The arithmetic of benchmarks/multivector: overlap, ratios, checks, vectors that repeat."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "multivector"

Module = Callable[[str], Any]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Module:
    """Import a module of the benchmark by name."""
    for folder in (_BENCHMARK.parent, _BENCHMARK):
        monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module


def _row(module: Module, **changes: object) -> Any:
    figures = {
        "system": "lexmax",
        "mode": "exact",
        "data": "scifact",
        "docs": 5183,
        "dim": 128,
        "k": 10,
        "cpu_p50_ms": 2.0,
        "cpu_p99_ms": 3.0,
        "p50_ms": 2.0,
        "p99_ms": 3.0,
        "overlap": 0.98,
        "ndcg": 0.7,
        "build_s": 1.0,
        "build_cpu_s": 1.0,
        "peak_build_bytes": 1,
        "bytes": 1,
        "settings": "",
        "queries": 300,
    }
    return module("outcomes").Row(**(figures | changes))


def _tokens(module: Module, lengths: list[int], *, dim: int = 8, seed: int = 0) -> Any:
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((int(offsets[-1]), dim), dtype=np.float32)
    return module("token_files").Tokens(offsets, vectors)


def test_overlap_counts_the_true_first_k_only(module: Module) -> None:
    truth = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    found = np.array([[2, 1, 3, 9], [9, 5, -1, -1]])
    overlap = module("oracle").overlap
    assert overlap(found, truth, 2) == pytest.approx((1.0 + 0.5) / 2)
    assert overlap(found, truth, 4) == pytest.approx((0.75 + 0.25) / 2)


def test_the_oracle_is_the_definition_of_maxsim(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = module("oracle")
    # Small parts, so that texts of one query and of one document are cut from several.
    monkeypatch.setattr(oracle, "_TOKENS", 7)
    monkeypatch.setattr(oracle, "_QUERY_TOKENS", 5)
    documents = _tokens(module, [3, 0, 9, 1, 2, 4, 0])
    queries = _tokens(module, [4, 1, 3, 6], seed=1)
    scores = oracle.maxsim(queries, documents)
    for i in range(len(queries)):
        for j in range(len(documents)):
            products = documents.row(j) @ queries.row(i).T
            expected = products.max(axis=0).sum() if len(products) else -np.inf
            assert scores[i, j] == pytest.approx(expected, abs=1e-5)


def test_the_best_of_parts_are_the_best_of_all_with_ties_by_ordinal(module: Module) -> None:
    oracle = module("oracle")
    scores = np.array([1, 3, 2, 3, 0, 3, 2, 1], np.float32)
    best = (np.zeros(0, np.int64), np.zeros(0, np.float32))
    for start in (0, 3, 6):
        best = oracle.merged(best, scores[start : start + 3], start, 4)
    assert best[0].tolist() == [1, 3, 5, 2]
    assert best[1].tolist() == [3, 3, 3, 2]


def test_a_document_is_the_same_in_any_chunk(module: Module) -> None:
    synthetic = module("synthetic")
    model = synthetic.Model(n_docs=1200, dim=16, seed=3)
    offsets, vectors = synthetic.documents(model, 0, 1200)
    for a, b in ((0, 77), (77, 500), (499, 501), (501, 1200)):
        part_offsets, part = synthetic.documents(model, a, b)
        assert np.array_equal(part_offsets, offsets[a : b + 1] - offsets[a])
        assert np.array_equal(part, vectors[offsets[a] : offsets[b]])
    other = synthetic.Model(n_docs=9999, dim=16, seed=3)
    assert np.array_equal(
        synthetic.documents(other, 600, 700)[1], vectors[offsets[600] : offsets[700]]
    )
    reseeded = synthetic.Model(n_docs=1200, dim=16, seed=4)
    assert not np.array_equal(synthetic.documents(reseeded, 0, 10)[1], vectors[: offsets[10]])


def test_synthetic_tokens_have_the_length_and_number_that_were_asked_for(module: Module) -> None:
    synthetic = module("synthetic")
    model = synthetic.Model(n_docs=500, dim=16)
    offsets, vectors = synthetic.documents(model, 0, 500)
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
    assert np.allclose(lengths, 1.0, atol=2e-3)
    assert abs(np.diff(offsets).mean() - synthetic.MEAN_TOKENS) < 3
    assert np.diff(offsets).min() >= synthetic.LEAST_TOKENS


def test_queries_are_like_their_source_and_differ_by_kind(module: Module) -> None:
    synthetic, oracle = module("synthetic"), module("oracle")
    tokens = module("token_files").Tokens
    model = synthetic.Model(n_docs=400, dim=32)
    documents = tokens(*synthetic.documents(model, 0, 400))
    test = tokens(*synthetic.queries(model, synthetic.TEST, 4))
    train = tokens(*synthetic.queries(model, synthetic.TRAIN, 4))
    assert not np.array_equal(test.vectors, train.vectors)
    scores = oracle.maxsim(test, documents)
    # The document that a query was made of stands out from what is typical.
    margin = (scores.max(axis=1) - np.median(scores, axis=1)) / scores.std(axis=1)
    assert np.median(margin) > 3


def test_drawn_documents_are_those_of_the_model(module: Module, tmp_path: Path) -> None:
    files, synthetic = module("token_files"), module("synthetic")
    (tmp_path / files.SYNTHETIC).write_text(json.dumps({"n_docs": 30, "dim": 8, "seed": 5}))
    assert files.is_drawn(tmp_path)
    parts = list(files.batches(tmp_path, 13))
    assert [len(part) for part in parts] == [13, 13, 4]
    _, vectors = synthetic.documents(synthetic.Model(30, 8, 5), 0, 30)
    assert np.array_equal(np.concatenate([part.vectors for part in parts]), vectors)


def test_kept_documents_are_read_as_they_were_written(module: Module, tmp_path: Path) -> None:
    files = module("token_files")
    tokens = _tokens(module, [2, 0, 3, 4])
    files.write_tokens(tmp_path, "documents", tokens)
    parts = list(files.batches(tmp_path, 3))
    assert [np.diff(part.offsets).tolist() for part in parts] == [[2, 0, 3], [4]]
    assert np.array_equal(np.concatenate([part.vectors for part in parts]), tokens.vectors)
    assert files.read_ids(tmp_path, "documents") == ["0", "1", "2", "3"]


def test_principal_axes_keep_what_lies_on_them(module: Module) -> None:
    datasets = module("datasets")
    random = np.random.default_rng(0)
    flat = random.standard_normal((500, 3)) @ random.standard_normal((3, 12))
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    basis, kept = datasets.principal_axes(flat.astype(np.float32), 3)
    assert kept == pytest.approx(1.0, abs=1e-6)
    short = datasets.projected(flat.astype(np.float32), basis)
    assert short.shape == (500, 3)
    assert np.allclose(short @ short.T, flat @ flat.T, atol=1e-5)


def test_the_encodings_by_hand_estimate_maxsim_from_below(module: Module) -> None:
    muvera = module("peers.muvera")
    encoder = muvera.Encoder(8, repetitions=3, bits=2, inner=8)
    documents, queries = _tokens(module, [5, 1, 0]), _tokens(module, [4], seed=2)
    encodings = encoder.documents(documents)
    assert encodings.shape == (3, 3 * 4 * 8)
    assert not encodings[2].any()
    # Of one token every cell is that token: each query token meets it in every repetition.
    cells, small = encoder._cells(documents.row(1))
    assert np.allclose(encodings[1].reshape(3, 4, 8), small[0][:, None], atol=1e-6)
    query = encoder.query(queries.row(0)).reshape(3, 4, 8)
    _, small_queries = encoder._cells(queries.row(0))
    assert np.allclose(query.sum(axis=1), small_queries.sum(axis=0), atol=1e-5)
    assert cells.shape == (1, 3)


def test_a_ratio_takes_our_fastest_that_is_no_worse(module: Module) -> None:
    outcomes = module("outcomes")
    peer = _row(module, system="fast-plaid", mode="8/4096", cpu_p50_ms=400.0, overlap=0.86)
    rows = [
        _row(module),
        _row(module, mode="fde?candidates=200", cpu_p50_ms=0.5, overlap=0.85),
        _row(module, mode="fde?candidates=500", cpu_p50_ms=1.0, overlap=0.86),
        _row(module, mode="fde?candidates=500", cpu_p50_ms=0.1, overlap=0.86, dim=384),
        _row(module, mode="fde?candidates=500", cpu_p50_ms=0.1, overlap=0.86, queries=20),
        peer,
    ]
    ((target, found, ratio),) = outcomes.target_ratios(rows)
    assert (found, target.ratio) == (peer, 100.0)
    assert (ratio.ours.mode, ratio.ours.dim, ratio.cpu) == ("fde?candidates=500", 128, 400.0)
    assert [one.cpu for one in outcomes.ratios(rows, "overlap")] == [400.0]


def test_a_target_that_nothing_reaches_is_reported(module: Module) -> None:
    rows = [_row(module, ndcg=0.5), _row(module, system="warp", mode="default", ndcg=0.6)]
    ((_, _, ratio),) = module("outcomes").target_ratios(rows)
    assert ratio is None
    text = "\n".join(module("report").targets(rows))
    assert "MISSED" in text
    assert "nothing as good" in text


def test_quality_checks_compare_with_exact_in_the_same_place(module: Module) -> None:
    rows = [
        _row(module, ndcg=0.7105),
        _row(module, mode="auto", ndcg=0.7065),
        _row(module, mode="auto", ndcg=0.7065, dim=384),
    ]
    place = {"data": "scifact", "docs": 5183, "dim": 384}
    filtered = [place | {"mode": "auto int8", "ndcg": 0.9, "exact_ndcg": 0.902}]
    loss, filtered_loss = module("outcomes").quality_checks(rows, filtered)
    assert (loss.found, loss.reached) == (0.004, False)
    assert (filtered_loss.found, filtered_loss.reached) == (0.002, True)


def test_a_large_collection_counts_only_modes_that_find_enough(module: Module) -> None:
    outcomes = module("outcomes")
    large = {"data": "synth", "docs": 1_000_000, "ndcg": None}
    rows = [
        _row(module, **large, mode="fde?candidates=100", overlap=0.7, cpu_p50_ms=1.0),
        _row(module, **large, mode="fde?candidates=900", overlap=0.91, cpu_p50_ms=28.0),
        _row(module, cpu_p50_ms=0.1),
    ]
    (check,) = outcomes.latency_checks(rows)
    assert (check.found, check.reached) == (28.0, True)


def test_sizes_are_checked_by_codec_and_dim(module: Module) -> None:
    size = {
        "data": "synth",
        "docs": 1000,
        "dim": 128,
        "codec": "residual4",
        "bytes_a_token": 72.5,
        "candidate_bytes_a_document": 136.0,
        "threads": 2,
        "docs_a_second": 3100.0,
    }
    checks = module("outcomes").size_checks([size])
    assert [check.reached for check in checks] == [False, True, True]
    assert len(module("outcomes").size_checks([size | {"dim": 384, "data": "scifact"}])) == 0


def test_a_row_keeps_known_figures_and_rounds(module: Module) -> None:
    fields = {name: getattr(_row(module), name) for name in _row(module).__dataclass_fields__}
    figures = json.loads(json.dumps({**fields, "found": "somewhere.npy"}))
    for name in ("data", "docs", "dim", "overlap", "ndcg", "build_s"):
        del figures[name]
    as_row = module("outcomes").as_row
    row = as_row(figures, data="synth", docs=7, dim=128, overlap=2 / 3, ndcg=None)
    assert (row.docs, row.overlap, row.ndcg, row.build_s) == (7, 0.6667, None, None)


def test_ndcg_reads_ordinals_best_first(module: Module) -> None:
    found = np.array([[2, 0, -1], [1, 0, 2]])
    qrels = {"a": {"z": 1}, "b": {"x": 1}}
    value = module("judging").ndcg(found, qrels, ["a", "b"], ["x", "y", "z"])
    assert value == pytest.approx((1.0 + 1.0 / np.log2(3)) / 2)


def test_tables_name_what_a_row_is(module: Module) -> None:
    rows = [_row(module), _row(module, system="torch", mode="brute", build_s=None, ndcg=None)]
    text = "\n".join(module("report").latencies(rows))
    assert "scifact, 5,183 documents, dim 128, k = 10" in text
    busy = _row(module, load_at_build=3.0, build_s=42.0)
    assert "42.0*" in "\n".join(module("report").latencies([busy]))


def test_the_curve_of_a_knob_is_interpolated_in_the_logarithm(module: Module) -> None:
    interpolated = module("curves").interpolated
    points = [(0.90, 1.0), (0.94, 9.0), (0.98, 4.0)]
    assert interpolated(points, 0.94) == pytest.approx(2.0)
    assert interpolated(points, 0.5) == 1.0
    assert interpolated(points, 0.99) is None


def test_other_work_is_warned_of(module: Module) -> None:
    busy = module("processes").busy
    assert busy({"a": 1.1}) == []
    assert "2.5" in busy({"a": 1.1, "b": 2.5})[0]
