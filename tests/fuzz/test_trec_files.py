"""Broken runs, qrels and datasets give a result or an EvaluationError, never anything else."""

import contextlib
import gzip
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.errors import EvaluationError
from lexmax.eval.datasets import load_dataset
from lexmax.eval.experiment import evaluate_run
from lexmax.eval.qrels import read_qrels

RUN = b"q1 Q0 d1 1 3.5 tag\nq1 Q0 d2 2 3.5 tag\nq2 Q0 d1 1 -1e-3 tag\n"
RANKS = b"q1\td1\t1\nq1\td2\t2\nq2\td1\t1\n"
TREC = b"q1 0 d1 3\nq1 0 d2 -1\nq2 0 d1 0\n"
TSV = b"query-id\tcorpus-id\tscore\nq1\td1\t3\nq1\td2\t0\nq2\td1\t1\n"
JSON = b'{"query-id":"q1","corpus-id":"d1","score":1}\n{"query-id":"q2","corpus-id":"d1","score":0}'
QUERIES = b'{"_id":"q1","text":"one"}\n{"_id":"q2","text":"two \\u00e9"}\n'
SPLICED = [
    *(b"", b"\0", b" ", b"\t", b"\n", b"\r", b"\xff", b"\xed\xa0\x80", b"nan", b"-inf", b"1e999"),
    *(b"99999999999999999999", b"_", b"\xc2\xa0", b"\xef\xbb\xbf", b"[" * 3000, b'"', b"q1"),
]


def plain(content: bytes) -> bytes:
    return content


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": plain,
    ".gz": gzip.compress,
    ".zst": zstandard.compress,
}


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """Content with a few spans replaced, and perhaps its end cut off."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        stop = min(len(content), start + draw(st.integers(0, 8)))
        splice = draw(st.one_of(st.sampled_from(SPLICED), st.binary(max_size=6)))
        content = content[:start] + splice + content[stop:]
    return content[: draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(sorted(PACKINGS)), st.sampled_from([RUN, RANKS]))
def test_broken_runs(data: st.DataObject, ending: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "qrels").write_bytes(TREC)
        path = Path(folder) / f"run{ending}"
        path.write_bytes(data.draw(mutated(PACKINGS[ending](content))))
        with contextlib.suppress(EvaluationError):
            evaluation = evaluate_run(path, Path(folder) / "qrels")
            (outcome,) = evaluation.pipelines.values()
            assert all(0 <= value <= 1 for value in outcome.measures.values())


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(sorted(PACKINGS)), st.sampled_from([TREC, TSV, JSON]))
def test_broken_qrels(data: st.DataObject, ending: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "run").write_bytes(RUN)
        path = Path(folder) / f"qrels{ending}"
        path.write_bytes(data.draw(mutated(PACKINGS[ending](content))))
        with contextlib.suppress(EvaluationError):
            assert all(read_qrels(path).values())
            evaluate_run(Path(folder) / "run", path)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(sorted(PACKINGS)))
def test_broken_queries(data: st.DataObject, ending: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "qrels").mkdir()
        (Path(folder) / "qrels" / "test.tsv").write_bytes(TSV)
        path = Path(folder) / f"queries.jsonl{ending}"
        path.write_bytes(data.draw(mutated(PACKINGS[ending](QUERIES))))
        with contextlib.suppress(EvaluationError):
            dataset = load_dataset(folder, split="test")
            assert set(dataset.queries) == set(dataset.qrels) <= {"q1", "q2"}
            assert all(dataset.queries.values())


def test_what_is_mutated_is_whole_to_begin_with(tmp_path: Path) -> None:
    for content in (TREC, TSV, JSON):
        (tmp_path / "qrels").write_bytes(content)
        assert list(read_qrels(tmp_path / "qrels")) == ["q1", "q2"]
        for run in (RUN, RANKS):
            (tmp_path / "run").write_bytes(run)
            (outcome,) = evaluate_run(tmp_path / "run", tmp_path / "qrels").pipelines.values()
            assert outcome.measures["RR@10"] == pytest.approx(0.5, abs=0.5)
