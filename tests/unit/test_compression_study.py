"""A study from a folder to its files: who is measured, what is learnt from, what is written."""

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lexmax import cli
from lexmax.encoders import Encoders
from lexmax.encoders.contract import DenseEncoder
from lexmax.errors import EvaluationError
from lexmax.eval.compression import Choice, Material, StudyEncoders, StudyPlan, gather, study
from lexmax.eval.compression.files import write_study
from lexmax.eval.compression.outcomes import MEASURES, recall_of
from lexmax.eval.compression.states import encoded_documents
from lexmax.eval.compression.table import markdown
from lexmax.eval.compression.training_queries import from_documents, from_queries, given_texts
from lexmax.types import Document

WORDS = [f"word{i}" for i in range(60)]
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="needs matplotlib"
)


def _text(rng: np.random.Generator, n: int) -> str:
    return " ".join(rng.choice(WORDS, n)) + "."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty documents, one of them empty; twelve queries of two splits, words of a document."""
    rng = np.random.default_rng(0)
    path = tmp_path / "toy"
    (path / "qrels").mkdir(parents=True)
    texts = ["", *(_text(rng, 9) for _ in range(39))]
    corpus = [{"_id": f"d{i}", "title": "", "text": text} for i, text in enumerate(texts)]
    queries = [
        {"_id": f"q{i}", "text": " ".join(texts[i + 1].rstrip(".").split()[:4])} for i in range(12)
    ]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for split, numbers in (("test", range(8)), ("train", range(8, 12))):
        lines = [f"q{i}\td{i + 1}\t1\n" for i in numbers]
        (path / "qrels" / f"{split}.tsv").write_text(
            "query-id\tcorpus-id\tscore\n" + "".join(lines)
        )
    return path


@pytest.fixture
def encoders(cheap_encoders: Encoders) -> StudyEncoders:
    return StudyEncoders(
        cheap_encoders.multivector("minilm"), cheap_encoders.dense("minilm-pooled")
    )


@pytest.fixture
def material(folder: Path, encoders: StudyEncoders, tmp_path: Path) -> Material:
    return gather(Choice(folder, tmp_path / "cache", train="train"), encoders)


def test_the_measured_are_never_learnt_from(
    folder: Path, encoders: StudyEncoders, tmp_path: Path
) -> None:
    choice = Choice(folder, tmp_path, most_queries=5, most_token_queries=2, train="test")
    found = gather(choice, encoders)
    assert len(found.query_ids) == 5
    assert found.token_query_ids == [found.query_ids[0], found.query_ids[-1]]
    assert found.training.pooled is not None
    assert len(found.training.pooled) == 3
    assert found.about["learnt_from"] == "3 other queries of the split test"
    with pytest.raises(EvaluationError, match="every query of the split 'test' is measured"):
        gather(Choice(folder, tmp_path, train="test"), encoders)


def test_queries_of_equal_words_are_left_out_too() -> None:
    measured = {"q1": "Vitamin D"}
    others = {"q1": "vitamin d", "q2": "vitamin  d", "q3": "bone density"}
    assert from_queries(others, measured, about="", seed=0).texts == ("bone density",)
    many = given_texts([f"text {i}" for i in range(3000)], measured, about="texts", seed=0)
    assert len(set(many.texts)) == 1000
    assert many.about == "1,000 texts"


def test_sentences_stand_in_for_queries() -> None:
    documents = [
        Document("a", "Short one. This is a sentence of six. And this one has five."),
        Document("b", "Too short."),
        Document("c", ""),
    ]
    found = from_documents(documents, seed=0)
    assert found.texts[0] in ("This is a sentence of six.", "And this one has five.")
    assert found.about == "1 sentences of documents, which stand in for queries"


def test_two_sources_of_training_queries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="expected one of the two"):
        Choice(tmp_path, tmp_path, train="train", training_queries=tmp_path / "q.txt")


def test_training_queries_of_a_file(folder: Path, encoders: StudyEncoders, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("word1 word2\nword3\n")
    found = gather(Choice(folder, tmp_path, training_queries=path), encoders)
    assert found.about["learnt_from"] == "2 queries of mine.txt"


class _Once:
    """An encoder that says how often it was asked."""

    dim, spec, fingerprint = 4, "once", "once"

    def __init__(self) -> None:
        self.asked = 0

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += 1
        return np.ones((len(texts), 4), np.float32)

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), 4), np.float32)


def test_documents_are_encoded_once(folder: Path, tmp_path: Path) -> None:
    encoder = _Once()
    for _ in range(2):
        gather(Choice(folder, tmp_path / "cache"), StudyEncoders(None, encoder))
    assert encoder.asked == 1
    corpus = folder / "corpus.jsonl"
    corpus.write_text(corpus.read_text() + '{"_id": "new", "text": "another"}\n')
    gather(Choice(folder, tmp_path / "cache"), StudyEncoders(None, encoder))
    assert encoder.asked == 2


class _Fails:
    """A dense encoder that ends a job in its third part."""

    def __init__(self, inner: DenseEncoder) -> None:
        self.inner, self.dim = inner, inner.dim
        self.spec, self.fingerprint = inner.spec, inner.fingerprint
        self.asked: list[int] = []
        self.fails = True

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(len(texts))
        if self.fails and len(self.asked) == 3:
            raise KeyboardInterrupt
        return self.inner.encode_documents(texts)

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self.inner.encode_queries(texts)


def test_a_stopped_job_goes_on_and_gives_the_same(
    tmp_path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lexmax.eval.compression.states._PART_DOCS", 2)
    documents = [Document(f"d{i}", f"word{i} and word{i + 1}" * (i != 3)) for i in range(7)]
    means = cheap_encoders.dense("minilm-pooled")
    tokens, failing = cheap_encoders.multivector("minilm"), _Fails(means)
    with pytest.raises(KeyboardInterrupt):
        encoded_documents(documents, StudyEncoders(tokens, failing), cache=tmp_path)
    failing.fails = False
    found = encoded_documents(documents, StudyEncoders(tokens, failing), cache=tmp_path)
    assert failing.asked == [2, 2, 2, 2, 1]
    texts = [document.full_text for document in documents]
    assert found.pooled is not None
    assert found.tokens is not None
    np.testing.assert_array_equal(found.pooled, means.encode_documents(texts))
    batch = tokens.encode_documents(texts)
    np.testing.assert_array_equal(found.tokens.offsets, batch.offsets)
    np.testing.assert_array_equal(found.tokens.vectors, batch.vectors)
    assert sorted(path.name for path in next(tmp_path.iterdir()).iterdir()) == [
        *("about.json", "offsets.npy", "pooled.npy", "tokens.npy")
    ]


def test_float32_is_exact_and_all_figures_are_there(material: Material) -> None:
    found = study(material, StudyPlan(n_seeds=2))
    assert [ladder.kind for ladder in found.ladders] == ["pooled", "tokens", "encodings"]
    for ladder in found.ladders[:2]:
        first = ladder.rows[0]
        assert first.name == ladder.baseline
        assert first.mean("recall@10") == first.mean("recall@100") == 1
        assert first.mean("nDCG@10") > 0.5
        assert ladder.change(first) is None
    for ladder in found.ladders:
        for row in ladder.rows:
            assert set(row.figures) == set(MEASURES)
            assert len(row.figures["nDCG@10"]) == ladder.n_queries == 8
            assert row.document_bytes > 0
    encodings = found.ladders[2]
    assert encodings.rows[0].name == "MaxSim, fp32 tokens"
    assert encodings.rows[0].mean("10 in 100") == 1
    assert encodings.rows[1].spread is not None


def test_kinds_without_an_encoder_are_left_out(folder: Path, tmp_path: Path) -> None:
    material = gather(Choice(folder, tmp_path), StudyEncoders(None, _Once()))
    found = study(material, StudyPlan())
    assert [ladder.kind for ladder in found.ladders] == ["pooled"]
    with pytest.raises(EvaluationError, match="both encoders are none"):
        StudyEncoders(None, None)


def test_a_plan_of_unknown_kinds_is_refused() -> None:
    with pytest.raises(EvaluationError, match="expected some of pooled, tokens, encodings"):
        StudyPlan(kinds=("sparse",))
    with pytest.raises(EvaluationError, match="0 seeds"):
        StudyPlan(n_seeds=0)


def test_recall_counts_the_exact_ones_only() -> None:
    assert recall_of(np.array([4, 2, -1]), np.array([2, 3, 4, -1])) == pytest.approx(2 / 3)
    assert np.isnan(recall_of(np.array([1]), np.array([-1, -1])))


def test_files_are_written_whole(material: Material, tmp_path: Path) -> None:
    found = study(material, StudyPlan(kinds=("pooled",)))
    paths = write_study(found, tmp_path / "out", picture=False)
    assert [path.name for path in paths] == ["toy.json", "toy.md"]
    written = json.loads(paths[0].read_text())
    rows = written["ladders"][0]["rows"]
    assert rows[0]["name"] == "fp32"
    assert rows[0]["recall@10"] == 1
    assert rows[0]["beside_baseline"] is None
    assert rows[2]["served"]
    assert written["learnt_from"] == "4 other queries of the split train"
    text = paths[1].read_text()
    assert text == markdown(found)
    assert "| fp32 |" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(rows)
    assert len({line.count("|") for line in lines}) == 1


@needs_matplotlib
def test_a_picture_is_drawn(material: Material, tmp_path: Path) -> None:
    found = study(material, StudyPlan(kinds=("pooled",)))
    paths = write_study(found, tmp_path, picture=True)
    drawn = paths[2].read_text()
    assert drawn.startswith("<?xml")
    assert "toy.svg" in paths[1].read_text()


def test_the_command_measures_a_folder(
    folder: Path, tmp_path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lexmax.encoders.Encoders", lambda: cheap_encoders)
    out = tmp_path / "out"
    asked = [
        *("compression-study", str(folder), str(out), "--kinds", "pooled", "--no-picture"),
        *("--multivector", "none", "--queries", "4", "--train", "train"),
    ]
    result = CliRunner().invoke(cli.app, asked)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "toy.json").read_text())["queries"] == 4
    assert "int8" in result.output


def test_without_matplotlib_the_tables_are_written(
    folder: Path, tmp_path: Path, cheap_encoders: Encoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lexmax.encoders.Encoders", lambda: cheap_encoders)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    out = tmp_path / "out"
    asked = [
        *("compression-study", str(folder), str(out), "--kinds", "pooled"),
        *("--multivector", "none", "--queries", "4", "--train", "train"),
    ]
    result = CliRunner().invoke(cli.app, asked)
    assert result.exit_code == 0, result.output
    assert "lexmax[report]" in result.stderr
    assert {path.name for path in out.iterdir()} >= {"toy.json", "toy.md"}
    assert "svg" not in (out / "toy.md").read_text()


def test_a_folder_without_documents_is_refused(
    folder: Path, encoders: StudyEncoders, tmp_path: Path
) -> None:
    (folder / "corpus.jsonl").unlink()
    with pytest.raises(EvaluationError):
        gather(Choice(folder, tmp_path), encoders)
