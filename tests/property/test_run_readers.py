"""The reader of blocks gives what the reader of lines gives, or leaves the file to it."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexmax.errors import EvaluationError
from lexmax.eval import files
from lexmax.eval.runs.blocks import read_blocks
from lexmax.eval.runs.lines import read_by_line

FIELDS = st.sampled_from(["q1", "q2", "Q0", "d1", "d2", "7", "1.5", "-2e3", "nan", "1_0", "é"])
GAPS = st.sampled_from([" ", "\t", "  ", "\x0b", "\x1c", "\x00", "\u00a0"])
ENDS = st.sampled_from(["\n", "\r\n", "\n\n", " \n", ""])


@st.composite
def regular(draw: st.DrawFn, n_fields: int) -> str:
    """A line as a run has it, now and then with a field more or less, or odd white space."""
    query, doc = draw(st.sampled_from(["q1", "q2"])), f"d{draw(st.integers(0, 10**6))}"
    rank = str(draw(st.integers(0, 10**8)))
    fields = [query, "Q0", doc, rank, draw(st.sampled_from(["1.5", "0", "-3"])), "tag"]
    row = fields if n_fields == 6 else [query, doc, rank]
    if draw(st.integers(0, 19)) == 0:
        row[draw(st.integers(0, len(row) - 1))] = draw(FIELDS)
    gap = draw(GAPS) if draw(st.integers(0, 19)) == 0 else " "
    return gap.join(row) + (draw(ENDS) if draw(st.integers(0, 9)) == 0 else "\n")


@settings(max_examples=400, deadline=None)
@given(st.data(), st.sampled_from([3, 6]), st.integers(20, 200))
def test_same_rows_or_none(data: st.DataObject, n_fields: int, block: int) -> None:
    text = "".join(data.draw(st.lists(regular(n_fields), min_size=1, max_size=12)))
    before, files._BLOCK = files._BLOCK, block
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run"
            path.write_bytes(text.encode())
            fast = read_blocks(path, is_msmarco=n_fields == 3)
            if fast is None:
                return
            slow = read_by_line(path, files.numbered_lines(path), is_msmarco=n_fields == 3)
    finally:
        files._BLOCK = before
    assert list(fast) == list(slow)
    for query_id, rows in fast.items():
        assert rows.doc_ids == slow[query_id].doc_ids
        assert rows.scores == slow[query_id].scores


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_well_formed_runs_are_read_by_blocks(tmp_path: Path, block: int) -> None:
    lines = [f"q{i // 5} Q0 d{i % 5} {i} {-i / 4} tag\n" for i in range(50)]
    (tmp_path / "run").write_text("".join(lines).rstrip())
    before, files._BLOCK = files._BLOCK, block
    try:
        rows = read_blocks(tmp_path / "run", is_msmarco=False)
    finally:
        files._BLOCK = before
    assert rows is not None
    assert [(q, len(row.doc_ids)) for q, row in rows.items()] == [(f"q{i}", 5) for i in range(10)]
    assert rows["q9"].scores.tolist() == [-i / 4 for i in range(45, 50)]


def test_an_endless_line_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_BLOCK", 1 << 10)
    monkeypatch.setattr(files, "LONGEST_LINE", 1 << 14)
    (tmp_path / "run").write_bytes(b"a" * (1 << 16))
    with pytest.raises(EvaluationError, match="longer than"):
        list(files.line_blocks(tmp_path / "run"))
    assert read_blocks(tmp_path / "run", is_msmarco=False) is None
