"""Runs: both formats, trec_eval's order, scores that strictly descend."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from lexmax.errors import EvaluationError
from lexmax.eval.runs import Run, descending, read_run, write_run


def f32(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def read(tmp_path: Path, text: str | bytes) -> Run:
    path = tmp_path / "system.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_run(path)


def test_trec_run_with_any_white_space(tmp_path: Path) -> None:
    run = read(
        tmp_path, "q1 Q0 d/1🦊 1 2.5 mine\r\nq2\tQ0\td2\t1\t-1e3\tmine\n\nq1  Q0 d3 2 2 mine"
    )
    assert run.name == "mine"
    assert run.doc_ids == {"q1": ["d/1🦊", "d3"], "q2": ["d2"]}
    assert run.scores["q1"].tolist() == [2.5, 2.0]
    assert run.scores["q2"].tolist() == [-1000.0]
    assert run.scores["q1"].dtype == np.float32


def test_order_is_that_of_trec_eval(tmp_path: Path) -> None:
    # By score whatever the rank column says; equal scores by doc_id descending, byte by byte
    # ("é" is 0xC3..., after "z"); 1 and 1.00000001 are one 32-bit float.
    run = read(
        tmp_path,
        "q Q0 a 1 1 t\nq Q0 z 2 1.00000001 t\nq Q0 é 3 1 t\nq Q0 Z 4 1 t\nq Q0 top 9 1.5 t\n",
    )
    assert run.doc_ids["q"] == ["top", "é", "z", "a", "Z"]


def test_scores_beyond_32_bits_keep_their_side(tmp_path: Path) -> None:
    run = read(tmp_path, "q Q0 low 1 -1e300 t\nq Q0 high 2 1e300 t\n")
    assert run.doc_ids["q"] == ["high", "low"]
    assert np.isfinite(run.scores["q"]).all()


def test_msmarco_run_is_ordered_by_rank(tmp_path: Path) -> None:
    run = read(tmp_path, "1\t30\t2\n1\t20\t10\n1\t10\t1\n2\t10\t1\n")
    assert run.name == "system"
    assert run.doc_ids == {"1": ["10", "30", "20"], "2": ["10"]}
    assert run.scores["1"].tolist() == [-1, -2, -10]


def test_a_run_from_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = "q Q0 a 1 2 t\nq Q0 b 2 1 t\n"
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    assert read_run(pipe).doc_ids == {"q": ["a", "b"]}
    writer.join()


BAD = {
    "no line": ("\n", "holds no line"),
    "commas": ("q,Q0,d,1,2,t\n", r":1: found 'q,Q0,d,1,2,t'; expected `query_id Q0"),
    "field missing": ("q Q0 d 1 2 t\nq Q0 e 2 1\n", r":2: found 'q Q0 e 2 1'; expected `query_id"),
    "space in an id": ("q Q0 d 1 2 t\nq Q0 d e 2 1 t\n", r":2: found .* expected `query_id Q0"),
    "header": ("query-id Q0 doc-id rank score tag\n", r":1: found .* the score a number"),
    "NaN": ("q Q0 d 1 2 t\nq Q0 e 2 nan t\n", r":2: found .* expected a finite number"),
    "infinity": ("q Q0 d 1 inf t\n", r":1: found .* expected a finite number"),
    "underscore": ("q Q0 d 1 1_0 t\n", r":1: found .* expected a finite number"),
    "document twice": (
        "q Q0 d 1 3 t\np Q0 d 1 3 t\nq Q0 e 2 2 t\nq Q0 d 3 1 t\n",
        r":4: found 'd'; expected a document once a query; line 1 ranks it already",
    ),
    "rank twice": ("q d 1\nq e 01\n", r":2: found 'q e 01'; expected each rank once a query"),
    "rank no integer": ("q d 1.0\n", r":1: found 'q d 1.0'; expected `query_id doc_id rank`"),
    "document twice by rank": ("q d 1\nq d 2\n", r":2: found 'd'; expected a document once"),
    "format changes": ("q d 1\nq Q0 d 1 2 t\n", r":2: found .* expected `query_id doc_id rank`"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD.keys())
def test_bad_runs_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=r"system\.txt.*" + message):
        read(tmp_path, text)


def test_ids_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"system\.txt:2: byte 1 .* not UTF-8"):
        read(tmp_path, b"q Q0 d 1 2 t\nq Q0 d\xff 2 1 t\n")
    with pytest.raises(EvaluationError, match=r"system\.txt:2: byte 0 .* not UTF-8"):
        read(tmp_path, b"q Q0 d 1 2 t\n\xff Q0 d 2 1 t\n")


def test_scores_are_lowered_by_the_least_that_parts_them() -> None:
    below = [float(np.nextafter(np.float32(1), np.float32(0)))]
    below.append(float(np.nextafter(np.float32(below[0]), np.float32(0))))
    assert descending(f32(3, 1, 1, 1, 0.5)).tolist() == [3, 1, *below, 0.5]
    # Order given wins over scores that rise.
    assert descending(f32(1, 5, 0.5)).tolist() == [1, below[0], 0.5]
    # Through zero, where neighbours are the smallest floats there are.
    tiny = float(np.float32(1e-45))
    assert descending(f32(0, 0, -0.0)).tolist() == [0, -tiny, -2 * tiny]


def test_descending_scores_stay_as_they_are() -> None:
    scores = f32(1e30, 7.25, 0, -3, -1e30)
    assert descending(scores).tolist() == scores.tolist()
    assert descending(f32()).tolist() == []


def test_scores_that_cannot_be_ordered_are_refused() -> None:
    for bad in (f32(np.nan), f32(np.inf), f32(1, -np.inf)):
        with pytest.raises(EvaluationError, match="NaN or infinity"):
            descending(bad)
    lowest = float(np.finfo(np.float32).min)
    with pytest.raises(EvaluationError, match="cannot be told apart"):
        descending(f32(lowest, lowest))


def test_written_run(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    ranked = {"q1": ["b", "a/🦊"], "q2": [], "q3": ["c"]}
    write_run(path, Run("bm25", ranked, {"q1": f32(2, 2), "q2": f32(), "q3": f32(0.1)}))
    assert path.read_text() == (
        "q1 Q0 b 1 2.0 bm25\nq1 Q0 a/🦊 2 1.9999998807907104 bm25\n"
        "q3 Q0 c 1 0.10000000149011612 bm25\n"
    )
    again = read_run(path)
    assert again.doc_ids == {"q1": ["b", "a/🦊"], "q3": ["c"]}
    assert again.name == "bm25"


@pytest.mark.parametrize(
    ("name", "query_id", "doc_id"), [("a b", "q", "d"), ("a", "q 1", "d"), ("a", "q", "d\u20281")]
)
def test_white_space_is_not_written(tmp_path: Path, name: str, query_id: str, doc_id: str) -> None:
    path = tmp_path / "run.trec"
    with pytest.raises(EvaluationError, match="cannot stand in a TREC file"):
        write_run(path, Run(name, {query_id: [doc_id]}, {query_id: f32(1)}))
    assert list(tmp_path.iterdir()) == []


def test_run_needs_one_score_a_document() -> None:
    for scores in ({}, {"q": f32(1)}, {"p": f32(1, 2)}):
        with pytest.raises(EvaluationError, match="differ in queries or lengths"):
            Run("bm25", {"q": ["d1", "d2"]}, scores)


@pytest.mark.parametrize(("ending", "magic"), [("zst", b"\x28\xb5\x2f\xfd"), ("gz", b"\x1f\x8b")])
def test_a_run_is_packed_as_its_name_says(tmp_path: Path, ending: str, magic: bytes) -> None:
    run = Run("name", {"q": ["b", "a"]}, {"q": np.array([2, 1], np.float32)})
    for name in ("one", "two"):
        write_run(tmp_path / f"{name}.trec.{ending}", run)
    content = (tmp_path / f"one.trec.{ending}").read_bytes()
    assert content.startswith(magic)
    assert content == (tmp_path / f"two.trec.{ending}").read_bytes()
    assert read_run(tmp_path / f"one.trec.{ending}").doc_ids == run.doc_ids
