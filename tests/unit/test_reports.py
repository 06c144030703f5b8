"""Reports: what stands in them, and that texts of strangers stay texts."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from lexmax.encoders import Encoders
from lexmax.errors import EvaluationError
from lexmax.eval.experiments import Experiment, run_experiment
from lexmax.eval.experiments.results import read_results
from lexmax.eval.reports import report_of, write_report
from lexmax.eval.reports.differences import differences_of

EVIL = '<script>alert("x")</script> & <img src=http://evil.example/x> | `code` $x_1$'
MATRIX = {
    "name": "odd <b>name",
    "measures": ["RR@10", "R@5"],
    "k": 10,
    "latency": {"queries": 2},
    "collections": ["odd"],
    "indexes": {"all": {"sparse": "bm25", "multivector": "minilm"}},
    "systems": {
        "bm25": {"index": "all", "pipeline": "bm25"},
        "tokens": {"index": "all", "pipeline": "multivector-exact"},
        "fde": {
            "index": "all",
            "pipeline": "multivector:fde?candidates={n}",
            "grid": {"n": [2, 30]},
        },
    },
}


@pytest.fixture
def out(tmp_path: Path, cheap_encoders: Encoders) -> Path:
    """Results over documents that would run scripts, if a page let them."""
    folder = tmp_path / "odd"
    (folder / "qrels").mkdir(parents=True)
    docs = [{"_id": f"d{i}", "text": f"{EVIL} alpha{i % 4} beta{i % 5}"} for i in range(20)]
    queries = [{"_id": f"q{i}", "text": f"{EVIL} alpha{i % 4} beta{i % 5}"} for i in range(8)]
    for name, rows in (("corpus", docs), ("queries", queries)):
        lines = b"".join(orjson.dumps(row) + b"\n" for row in rows)
        (folder / f"{name}.jsonl").write_bytes(lines)
    judged = "".join(f"q{i}\td{(i * 7) % 20}\t1\n" for i in range(8))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    path = tmp_path / "matrix.yaml"
    path.write_text(yaml.safe_dump(MATRIX))
    asked = Experiment.read(path, out=tmp_path / "out", data=tmp_path)
    run_experiment(asked, encoders=cheap_encoders)
    return tmp_path / "out"


class Page(HTMLParser):
    """What a page would load or run, and whether its elements close."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [
            value
            for name, value in attrs
            if value and name in ("src", "href", "xlink:href", "data") and value[0] != "#"
        ]
        self.loads += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_loads_and_runs_nothing(out: Path, tmp_path: Path) -> None:
    write_report(report_of(out), tmp_path / "r.html", out)
    text = (tmp_path / "r.html").read_text()
    page = Page()
    page.feed(text)
    assert page.loads == []
    assert not {"script", "img", "b", "link", "iframe"} & set(page.tags)
    assert EVIL in page.text
    assert "odd <b>name" in page.text
    assert "default-src 'none'" in text
    assert page.tags.count("svg") == 3  # front, recall, grid
    assert "currentColor" in text
    assert "mathdefault" not in text


def test_the_same_results_give_the_same_bytes(out: Path, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_report(report_of(out), tmp_path / name, out)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_markdown_has_the_tables_and_no_markup_of_strangers(out: Path, tmp_path: Path) -> None:
    write_report(report_of(out), tmp_path / "r.md", out)
    text = (tmp_path / "r.md").read_text()
    assert "<script>" not in text
    assert re.search(r"^\| a \| bm25 \| ", text, re.MULTILINE)
    rows = [line for line in text.splitlines() if line.startswith("| a | ")]
    assert rows[0].replace("\\|", "").count("|") == 10
    assert "\\| \\`code\\`" in text


def test_json_has_the_results_and_the_queries_that_differ(out: Path, tmp_path: Path) -> None:
    write_report(report_of(out), tmp_path / "r.json", out)
    written: dict[str, Any] = json.loads((tmp_path / "r.json").read_text())
    assert written["name"] == MATRIX["name"]
    found = written["differences"][0]
    assert found["baseline"] == "bm25"
    assert found["better"] + found["worse"] + found["equal"] == 8


def test_differences_name_ranks_and_texts(out: Path) -> None:
    found = differences_of(read_results(out), out, "odd", baseline="tokens", shown=3)
    assert found is not None
    assert found.baseline == "tokens"
    for one in found.gains:
        assert one.figures[0] > one.figures[1]
        judged = one.judged[0]
        rank = judged.ranks[0]
        assert rank is not None
        assert one.figures[0] == pytest.approx(1 / rank)
        assert EVIL[:20] in judged.text
    for one in found.losses:
        assert one.figures[0] < one.figures[1]


def test_without_the_collection_texts_are_left_out_and_that_is_said(
    out: Path, tmp_path: Path
) -> None:
    (tmp_path / "odd").rename(tmp_path / "gone")
    found = report_of(out, plots=False).sections[0].differences
    assert found is not None
    assert "without texts" in found.notes[0]
    write_report(report_of(out, plots=False), tmp_path / "r.html", out)


def test_without_matplotlib_there_are_tables_and_a_note(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    before: Callable[..., Any] = importlib.import_module

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return before(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    found = report_of(out)
    assert found.sections[0].plots == ()
    assert "matplotlib is not installed" in found.notes[0]
    assert len(found.sections) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("results.json", b"{}", "holds no results of an experiment"),
        ("results.json", b"[", "cannot be read"),
        ("results.json", b'{"format": "lexmax experiment", "version": 1}', "lacks name, k, "),
        ("other", b"", "cannot be read"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EvaluationError, match=said):
        report_of(tmp_path)


def test_bad_requests_are_refused(out: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="there is no system 'nobody'"):
        report_of(out, baseline="nobody")
    with pytest.raises(EvaluationError, match=r"expected it to end in \.html"):
        write_report(report_of(out, plots=False), tmp_path / "r.pdf", out)


def test_results_of_another_version_are_refused(out: Path) -> None:
    path = out / "results.json"
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "version": 9}))
    with pytest.raises(EvaluationError, match="has version 9, this build reads 1"):
        report_of(out)
