"""`lexmax evaluate` on a folder of sub-collections."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lexmax.cli import app
from lexmax.collection import Collection
from lexmax.errors import EvaluationError
from lexmax.eval.group_evaluation import averaged_evaluation
from lexmax.eval.outcomes import Evaluation, Outcome
from lexmax.types import Document

PARTS = {"android": 2, "unix": 4}


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """Two sub-collections; in one all queries are answered at rank 1, in the other half of them."""
    for name, n_queries in PARTS.items():
        folder = tmp_path / "cqa" / name
        (folder / "qrels").mkdir(parents=True)
        texts = {f"d{i}": f"word{i}" for i in range(n_queries)}
        (folder / "corpus.jsonl").write_text(
            "".join(json.dumps({"_id": d, "text": text}) + "\n" for d, text in texts.items())
        )
        (folder / "queries.jsonl").write_text(
            "".join(
                json.dumps({"_id": f"q{i}", "text": f"word{i}"}) + "\n" for i in range(n_queries)
            )
        )
        wrong = 0 if name == "android" else n_queries // 2
        rows = (f"q{i}\td{(i + (i < wrong)) % n_queries}\t1\n" for i in range(n_queries))
        (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows))
        place = tmp_path / "indexes" / name
        with Collection.create(place, multivector=None) as collection:
            collection.add(Document(doc_id, text) for doc_id, text in texts.items())
            collection.flush()
    return tmp_path


def evaluate(group: Path, *rest: str) -> Any:
    arguments = ["evaluate", str(group / "cqa"), "--collection", str(group / "indexes"), *rest]
    return CliRunner().invoke(app, [*arguments, "--measures", "RR@10", "-k", "5"])


def test_each_part_counts_alike(group: Path) -> None:
    result = evaluate(group, "--pipelines", "bm25", "--json", str(group / "figures.json"))
    assert result.exit_code == 0, result.exception
    written = json.loads((group / "figures.json").read_text())
    # 1 and 1/2: their mean, though the second has twice as many queries.
    assert written["pipelines"]["bm25"]["RR@10"] == pytest.approx(0.75)
    assert written["queries"] == 6
    assert written["sub-collections"] == 2
    assert "cqa/android" in result.output
    assert "cqa/unix" in result.output


def test_a_collection_that_is_missing_is_named_before_any_is_asked(group: Path) -> None:
    (group / "indexes" / "unix").rename(group / "indexes" / "linux")
    result = evaluate(group)
    assert isinstance(result.exception, EvaluationError)
    assert "expected a collection for each sub-collection" in str(result.exception)
    assert "lexmax index" in str(result.exception)
    assert "android" not in result.output


def test_parts_that_were_asked_otherwise_are_refused() -> None:
    one, other = (
        Evaluation({name: Outcome({"AP": 1.0}, {}, 0)}, ("AP",), 1, {}) for name in ("a", "b")
    )
    with pytest.raises(EvaluationError, match="were not asked by the same pipelines"):
        averaged_evaluation("group", {"one": one, "two": other})
