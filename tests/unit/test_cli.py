import io
import sys
from pathlib import Path

import orjson
import pytest

from lexmax.cli import main

CORPUS = [
    {"_id": "bones", "title": "Bones", "text": "vitamin D keeps bones dense"},
    {"_id": "a/b 🙂", "title": "", "text": "wings in supersonic flow"},
    {"_id": "empty", "title": "", "text": ""},
    {"_id": "bones", "title": "Bones again", "text": "calcium keeps bones dense"},
]


def write_corpus(path: Path, lines: list[bytes] | None = None) -> Path:
    path.write_bytes(b"\n".join(lines or [orjson.dumps(line) for line in CORPUS]) + b"\n")
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # noqa: ANN201
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lexmax", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return call


@pytest.fixture
def indexed(tmp_path: Path, run) -> Path:  # noqa: ANN001
    path = tmp_path / "ix"
    code, out, _ = run(
        "index", path, write_corpus(tmp_path / "corpus.jsonl"), "--multivector", "none"
    )
    assert code == 0
    assert "3 documents added, 1 replaced" in out
    return path


def test_search_prints_json(indexed: Path, run) -> None:  # noqa: ANN001
    code, out, _ = run("search", indexed, "dense bones", "-k", 2, "--json")

    result = orjson.loads(out)
    assert code == 0
    assert [hit["doc_id"] for hit in result["hits"]] == ["bones"]
    assert result["hits"][0]["title"] == "Bones again"
    assert result["pipeline"] == "sparse"


def test_search_prints_a_table(indexed: Path, run) -> None:  # noqa: ANN001
    code, out, _ = run("search", indexed, "supersonic")
    assert code == 0
    assert "a/b 🙂" in out
    assert run("search", indexed, "unheard")[1] == "no document matches\n"


def test_indexing_again_changes_nothing(indexed: Path, run) -> None:  # noqa: ANN001
    corpus = write_corpus(indexed.parent / "again.jsonl", [orjson.dumps(CORPUS[3])])
    code, out, _ = run("index", indexed, corpus)

    assert code == 0
    assert "0 documents added, 0 replaced (the last wins), 1 unchanged" in out


def test_rejected_lines_are_counted_and_written_aside(tmp_path: Path, run) -> None:  # noqa: ANN001
    lines = [
        b'{"_id": "1", "text": "good"}',
        b'{"_id": "2", "text": broken}',
        b'{"_id": "3", "text": "\xff\xfe"}',
        b'{"text": "no name"}',
        b'{"_id": "5", "text": "good too"}',
    ]
    path = tmp_path / "ix"
    code, out, _ = run(
        "index", path, write_corpus(tmp_path / "c.jsonl", lines), "--multivector", "none"
    )

    assert code == 0
    assert "3 entries rejected" in out
    rejects = [orjson.loads(line) for line in (path / "rejects.jsonl").read_bytes().splitlines()]
    assert [reject["line_number"] for reject in rejects] == [2, 3, 4]


def test_too_many_rejects_stop_the_job(tmp_path: Path, run) -> None:  # noqa: ANN001
    corpus = write_corpus(tmp_path / "c.jsonl", [b'{"_id": "1", "text": "good"}'] + [b"bad"] * 4)
    code, _, err = run("index", tmp_path / "ix", corpus, "--max-rejects", 3)

    assert code == 1
    assert "expected at most 3" in err


def test_an_empty_corpus_writes_nothing(tmp_path: Path, run) -> None:  # noqa: ANN001
    (tmp_path / "empty.jsonl").touch()
    code, _, err = run("index", tmp_path / "ix", tmp_path / "empty.jsonl")

    assert code == 1
    assert "found no document" in err
    assert not (tmp_path / "ix").exists()


def test_stdin_is_a_corpus(
    tmp_path: Path,
    run,  # noqa: ANN001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = b"".join(orjson.dumps(line) + b"\n" for line in CORPUS)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    code, out, _ = run("index", tmp_path / "ix", "-", "--multivector", "none")

    assert code == 0
    assert "3 documents added" in out


def test_other_encoders_than_the_collections_are_refused(indexed: Path, run) -> None:  # noqa: ANN001
    corpus = indexed.parent / "corpus.jsonl"
    code, _, err = run("index", indexed, corpus, "--sparse", "bm25?k1=2", "--multivector", "none")

    assert code == 1
    assert "leave the option out" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "nowhere", "text"], "expected a collection's folder"),
        (["verify", "nowhere"], "expected a collection's folder"),
        (["merge", "nowhere"], "expected a collection's folder"),
        (["rebuild", "nowhere"], "expected a collection's folder"),
        (["index", "ix", "nowhere.jsonl"], "nowhere.jsonl"),
        (["index", "ix", "corpus.jsonl", "--sparse", "bm52"], "bm52"),
        (["evaluate"], "DATASET is missing"),
        (["evaluate", "--run", "x"], "--qrels is missing"),
    ],
)
def test_errors_are_one_message_and_exit_code_1(
    arguments: list[str],
    message: str,
    run,  # noqa: ANN001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path / "corpus.jsonl")
    code, out, err = run(*arguments)

    assert code == 1
    assert message in err.replace("\n", " ")
    assert "Traceback" not in err + out
    assert not (tmp_path / "ix").exists()


@pytest.mark.parametrize(
    ("query", "k", "message"),
    [
        ("bones", 0, "k is 0"),
        ("bones", -1, "k is -1"),
        ("", 5, "query is empty"),
        ("the of", 5, "no term to search for"),
        ("word " * 10_000, 5, "50,000 characters"),
    ],
)
def test_queries_that_cannot_be_answered(
    indexed: Path,
    run,  # noqa: ANN001
    query: str,
    k: int,
    message: str,
) -> None:
    code, _, err = run("search", indexed, query, "-k", k)

    assert code == 1
    assert message in err.replace("\n", " ")


def test_merge_says_what_it_did(indexed: Path, run) -> None:  # noqa: ANN001
    for i in range(3):
        line = orjson.dumps({"_id": "bones", "title": "", "text": f"bones, version {i}"})
        run("index", indexed, write_corpus(indexed.parent / f"{i}.jsonl", [line]))
    code, out, _ = run("merge", indexed, "--all")

    assert code == 0
    # The jobs themselves have merged what paid; the last version of each document is left.
    out = " ".join(out.split())
    assert f"{indexed}: now 1 segment, 3 documents in them, " in out
    assert "deleted documents dropped" in out
    code, out, _ = run("merge", indexed)
    assert code == 0
    assert "nothing to merge; 0 deleted documents dropped" in out
    assert orjson.loads(run("search", indexed, "version", "--json")[1])["hits"][0]["text"] == (
        "bones, version 2"
    )
    assert run("verify", indexed)[0] == 0


def test_rebuild_mends_a_damaged_segment(indexed: Path, run) -> None:  # noqa: ANN001
    code, out, _ = run("rebuild", indexed)
    assert code == 0
    assert "1 segment, no damage; 0 documents encoded" in " ".join(out.split())
    (segment,) = (indexed / "segments").iterdir()
    (segment / "segment.json").unlink()
    code, _, err = run("search", indexed, "bones")
    assert code == 1
    assert "run `lexmax rebuild` on the collection" in " ".join(err.split())
    code, out, _ = run("rebuild", indexed)
    assert code == 0
    assert f"segment {segment.name} was damaged and is built anew" in " ".join(out.split())
    assert run("verify", indexed)[0] == 0
    assert run("search", indexed, "bones")[0] == 0


def test_verify_names_the_damaged_file(indexed: Path, run) -> None:  # noqa: ANN001
    assert run("verify", indexed)[0] == 0
    (segment,) = (indexed / "segments").iterdir()
    path = segment / "forward.rows.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    code, out, _ = run("verify", indexed)
    assert code == 1
    assert "forward.rows.npy" in out.replace("\n", "")
    assert "1 problem;" in out


def test_evaluate_writes_json_and_runs(indexed: Path, run) -> None:  # noqa: ANN001
    dataset = indexed.parent / "dataset"
    (dataset / "qrels").mkdir(parents=True)
    (dataset / "queries.jsonl").write_text('{"_id": "q1", "text": "dense bones"}\n')
    (dataset / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tbones\t1\n")
    figures, runs = dataset / "figures.json", dataset / "runs"
    code, out, _ = run(
        "evaluate", dataset, "--collection", indexed, "--pipelines", "bm25,sparse",
        "--json", figures, "--runs", runs,
    )  # fmt: skip

    assert code == 0
    assert "nDCG@10" in out
    assert orjson.loads(figures.read_bytes())["pipelines"]["bm25"]["nDCG@10"] == 1.0
    assert len(list(runs.iterdir())) == 2


def test_help_teaches(run) -> None:  # noqa: ANN001
    for command in ("index", "search", "evaluate", "serve", "verify", "merge", "rebuild", "demo"):
        code, out, _ = run(command, "--help")
        assert code == 0
        assert "Usage" in out
