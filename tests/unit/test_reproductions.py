"""Published figures: the file that names them, the page made of it, and the comparison."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from lexmax.cli import app
from lexmax.collection import Collection
from lexmax.errors import EvaluationError, LexmaxError
from lexmax.eval.reproductions import (
    Compared,
    Reproduction,
    compared,
    named_reproduction,
    read_reproductions,
    verdict,
)
from lexmax.types import Document

DOCS = Path(__file__).parents[2] / "docs"
EVERY = read_reproductions(DOCS / "reproductions.yaml")

SMALL = """\
reproductions:
  pets:
    title: Pets
    folder: pets
    minutes: 1
    build: lexmax index $WORK/pets $DATA/pets --multivector none
    evaluate: lexmax evaluate $DATA/pets --collection $WORK/pets --pipelines bm25 --measures RR@10
    expected: {bm25: {RR@10: FIGURE}}
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reproductions", DOCS / "reproductions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pets(folder: Path) -> Path:
    (folder / "pets" / "qrels").mkdir(parents=True)
    (folder / "pets" / "corpus.jsonl").write_text(
        '{"_id": "a", "text": "a cat and a dog"}\n{"_id": "b", "text": "a cat, a cat"}\n'
    )
    (folder / "pets" / "queries.jsonl").write_text('{"_id": "q", "text": "cat"}\n')
    (folder / "pets" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t1\n")
    return folder


def test_the_page_is_made_of_the_file(script: ModuleType) -> None:
    assert script.PAGE.read_text(encoding="utf-8") == script.page(EVERY), (
        "run: python docs/reproductions.py write"
    )


@pytest.mark.parametrize("name", EVERY)
def test_commands_are_those_of_lexmax(script: ModuleType, name: str, tmp_path: Path) -> None:
    one = EVERY[name]
    for command in filter(None, [one.build, one.evaluate]):
        _, _, _, verb, *rest = script.words(command, tmp_path, tmp_path)
        found: Any = typer.main.get_command(app)
        asked = found.commands[verb].make_context(verb, rest)
        assert asked.params
    # What is compared is what is asked for.
    assert one.expected
    for system, figures in one.expected.items():
        assert figures
        assert all(measure in one.evaluate for measure in figures)
        assert system in one.evaluate or one.build is None
    # Those that ask another number of documents search what was built already.
    assert one.build is None or f"$WORK/{name.removesuffix('-1000')} " in one.build


def test_figures_of_the_readme_are_among_them() -> None:
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    for system in ("bm25", "multivector", "multivector-exact"):
        figures = EVERY["scifact"].expected[system]
        shown = " / ".join(f"{figures[m]:.4f}"[1:] for m in ("nDCG@10", "R@100"))
        assert f"| `{system}` | {shown} |" in readme


def test_every_official_run_is_among_them() -> None:
    figures = {**EVERY["dl19-official"].expected, **EVERY["dl20-official"].expected}
    assert len(EVERY["dl19-official"].expected) == len(EVERY["dl20-official"].expected) == 5
    assert set(figures) == set(EVERY["dl19-official"].expected)


def reproduction(**more: Any) -> Reproduction:
    given = {"title": "t", "folder": "f", "minutes": 1, "evaluate": "lexmax evaluate"}
    return Reproduction(**{**given, "expected": {"bm25": {"RR@10": 0.5, "R@10": 1.0}}, **more})


def test_figures_are_compared_within_the_tolerance() -> None:
    asked = reproduction(tolerance=0.01)
    lines = compared({"bm25": {"RR@10": 0.51, "R@10": 0.98}, "other": {"RR@10": 0.0}}, asked)
    assert [line.agrees for line in lines] == [True, False]
    assert list(verdict(lines)) == [
        "bm25 RR@10: expected 0.5000, found 0.5100: as expected",
        "bm25 R@10: expected 1.0000, found 0.9800: differs by more than 0.01",
        "1 of 2 figures as expected",
    ]


def test_what_was_not_found_does_not_agree() -> None:
    lines = compared({"bm25": {"R@10": None}}, reproduction())
    assert [line.agrees for line in lines] == [False, False]
    assert next(verdict(lines)).endswith("found none: differs by more than 0.0005")
    assert not Compared("a", "b", 0.0, float("nan"), 1.0).agrees


BAD = {
    "no YAML": ("a: [", "cannot be read"),
    "a list": ("[]", "the file: "),
    "unknown key": ("reproductions: {a: {titel: t}}", r"reproductions.a.*: "),
    "figure is text": (
        "reproductions: {a: {title: t, folder: f, minutes: 1, evaluate: e, expected: "
        '{b: {R: ".5"}}}}',
        r"reproductions\.a\.expected\.b\.R: Input should be a valid number",
    ),
    "negative tolerance": (
        "reproductions: {a: {title: t, folder: f, minutes: 1, evaluate: e, expected: {}, "
        "tolerance: -1}}",
        r"reproductions\.a\.tolerance",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD.keys())
def test_bad_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "figures.yaml"
    path.write_text(text)
    with pytest.raises(EvaluationError, match=rf"figures\.yaml: {message}"):
        read_reproductions(path)


def test_names_that_mean_nothing(tmp_path: Path) -> None:
    path = tmp_path / "figures.yaml"
    path.write_text(SMALL.replace("FIGURE", "1"))
    with pytest.raises(EvaluationError, match="expected FILE#NAME"):
        named_reproduction(str(path))
    with pytest.raises(EvaluationError, match="no reproduction 'cats'; expected one of pets"):
        named_reproduction(f"{path}#cats")
    with pytest.raises(EvaluationError, match="cannot be read"):
        named_reproduction(f"{tmp_path / 'none.yaml'}#pets")


@pytest.mark.parametrize(("figure", "code"), [("0.5", 0), ("1", 1)])
def test_evaluate_compares(tmp_path: Path, figure: str, code: int) -> None:
    data, figures = pets(tmp_path), tmp_path / "figures.yaml"
    figures.write_text(SMALL.replace("FIGURE", figure))
    with Collection.create(tmp_path / "ix", multivector=None) as collection:
        collection.add([Document("a", "a cat and a dog"), Document("b", "a cat, a cat")])
    asked = ["evaluate", str(data / "pets"), "--collection", str(tmp_path / "ix")]
    asked += ["--pipelines", "bm25", "--measures", "RR@10", "--expect", f"{figures}#pets"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == code, result.output
    assert f"bm25 RR@10: expected {float(figure):.4f}, found 0.5000" in result.output
    assert f"{1 - code} of 1 figures as expected" in result.output


def test_compare_compares(tmp_path: Path) -> None:
    figures, qrels = tmp_path / "figures.yaml", tmp_path / "qrels.txt"
    figures.write_text(SMALL.replace("FIGURE", "1"))
    qrels.write_text("q 0 a 1\n")
    runs = []
    for name in ("bm25", "other"):
        runs.append(tmp_path / f"{name}.trec")
        runs[-1].write_text(f"q Q0 a 1 1 {name}\n")
    asked = ["compare", *map(str, runs), "--qrels", str(qrels), "--measures", "RR@10"]
    result = CliRunner().invoke(app, [*asked, "--expect", f"{figures}#pets"])
    assert result.exit_code == 0, result.output
    assert "1 of 1 figures as expected" in result.output


def run(script: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["reproductions.py", *arguments])
    return script.main()


@pytest.fixture
def small(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The script's own files are others."""
    monkeypatch.setattr(script, "FIGURES", tmp_path / "figures.yaml")
    monkeypatch.setattr(script, "PAGE", tmp_path / "page.md")
    (tmp_path / "figures.yaml").write_text(SMALL.replace("FIGURE", "0.5"))
    return tmp_path


def test_the_script_builds_evaluates_and_goes_on(
    script: ModuleType,
    small: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folders = ("--data", str(pets(small)), "--work", str(small / "work"))
    assert run(script, monkeypatch, "run", "pets", *folders) == 0
    said = capfd.readouterr().out
    assert "$ lexmax index $WORK/pets" in said
    assert "bm25 RR@10: expected 0.5000, found 0.5000: as expected" in said
    # A second time only the figures are compared, here with others.
    (small / "figures.yaml").write_text(SMALL.replace("FIGURE", "0.7"))
    assert run(script, monkeypatch, "run", *folders) == 1
    said = capfd.readouterr().out
    assert "$ lexmax" not in said
    assert "pets: differs: 0 of 1 figures as expected" in said


def test_what_is_not_there_is_skipped(
    script: ModuleType,
    small: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folders = ("--data", str(small), "--work", str(small / "work"))
    assert run(script, monkeypatch, "run", *folders) == 0
    assert f"pets: skipped: there is no {small / 'pets'}" in capfd.readouterr().out
    assert run(script, monkeypatch, "run", "cats", *folders) == 1
    assert "found no reproduction cats; expected some of pets" in capfd.readouterr().err


def test_a_stale_page_is_told(
    script: ModuleType,
    small: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(script, monkeypatch, "write") == 0
    assert run(script, monkeypatch, "check") == 0
    (small / "figures.yaml").write_text(SMALL.replace("FIGURE", "0.1"))
    assert run(script, monkeypatch, "check") == 1
    assert "is stale" in capfd.readouterr().err


def test_other_commands_are_refused(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(LexmaxError, match=r"expected lexmax \.\.\."):
        script.words("rm -r $WORK", tmp_path, tmp_path)
