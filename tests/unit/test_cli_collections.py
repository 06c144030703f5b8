"""What is indexed under a name is evaluated under the same name."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from lexmax.cli import main

TEXTS = {"a": "a ship sails", "b": "milk and bones", "c": "wings in supersonic flow"}
QUERIES, QRELS = {"1": "ship", "2": "bones"}, {"1": "a", "2": "b"}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # noqa: ANN201
    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["lexmax", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.err

    return call


def hub(folder: Path) -> str:
    arrow = pytest.importorskip("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    tables: dict[str, dict[str, list[Any]]] = {
        "corpus/corpus-00000-of-00002.parquet": {
            "_id": ["a", "b"],
            "text": list(TEXTS.values())[:2],
        },
        "corpus/corpus-00001-of-00002.parquet": {"_id": ["c"], "text": [TEXTS["c"]]},
        "queries.parquet": {"_id": list(QUERIES), "text": list(QUERIES.values())},
        "qrels/test.parquet": {
            "query-id": list(QRELS),
            "corpus-id": list(QRELS.values()),
            "score": [1, 1],
        },
    }
    for name, columns in tables.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(arrow.table(columns), folder / name)
    return str(folder)


def msmarco(folder: Path) -> str:
    folder.mkdir()
    lines = {
        "collection.tsv": TEXTS.items(),
        "queries.test.tsv": QUERIES.items(),
    }
    for name, rows in lines.items():
        (folder / name).write_text("".join(f"{key}\t{text}\n" for key, text in rows))
    qrels = "".join(f"{query}\t0\t{doc}\t1\n" for query, doc in QRELS.items())
    (folder / "qrels.test.tsv").write_text(qrels)
    return str(folder)


def irds(folder: Path) -> str:
    return "irds:tiny/test"


class StandIn:
    """A dataset as ir_datasets gives it."""

    def has_docs(self) -> bool:
        return True

    has_queries = has_qrels = has_docs

    def docs_iter(self) -> list[Any]:
        return [SimpleNamespace(doc_id=key, text=text) for key, text in TEXTS.items()]

    def queries_iter(self) -> list[Any]:
        return [SimpleNamespace(query_id=key, text=text) for key, text in QUERIES.items()]

    def qrels_iter(self) -> list[Any]:
        return [SimpleNamespace(query_id=q, doc_id=d, relevance=1) for q, d in QRELS.items()]


@pytest.mark.parametrize("made", [hub, msmarco, irds])
def test_one_name_for_index_and_evaluate(
    tmp_path: Path,
    run,  # noqa: ANN001
    made: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load = {"tiny/test": StandIn()}.__getitem__
    monkeypatch.setitem(sys.modules, "ir_datasets", SimpleNamespace(load=load))
    name = made(tmp_path / "dataset")
    index, out = tmp_path / "ix", tmp_path / "out.json"
    assert run("index", index, name, "--multivector", "none")[0] == 0
    code, said = run(
        "evaluate", name, "--collection", index, "--measures", "RR@10", "-k", 3, "--json", out
    )
    assert code == 0, said
    assert orjson.loads(out.read_bytes())["pipelines"]["bm25"] == {"RR@10": 1.0}


def test_a_name_that_cannot_be_opened_makes_no_collection(tmp_path: Path, run) -> None:  # noqa: ANN001
    for name, message in (
        (tmp_path / "gone.parquet", "no such file"),
        (tmp_path, "a folder without a corpus"),
    ):
        code, said = run("index", tmp_path / "ix", name)
        assert code == 1
        assert message in said
        assert not (tmp_path / "ix").exists()
