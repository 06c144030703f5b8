"""How explanations look in a terminal, and as JSON."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from lexmax.cli_explain import add_explain_command
from lexmax.collection import Collection
from lexmax.encoders import Encoders
from lexmax.explain_report import print_explanation
from lexmax.explaining import Explanation, as_json
from lexmax.explaining.explanation import (
    DocumentExplanation,
    RelevanceDecision,
    SparseMatch,
    TermMatch,
)
from lexmax.results import SearchResult
from lexmax.types import Document

DOCUMENTS = [
    Document("bones", "vitamin d keeps bones dense", "Bones [red]", {"year": 2020}),
    Document("milk", "milk has calcium and vitamin d", metadata={"year": 1990}),
    Document("wings", "wings in supersonic flow"),
]


@pytest.fixture
def collection(tmp_path: Path, cheap_encoders: Encoders) -> Iterator[Collection]:
    path = tmp_path / "ix"
    with Collection.create(path, encoders=cheap_encoders, fields={"year": "integer"}) as made:
        made.add(DOCUMENTS)
        yield made


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    with Collection.create(tmp_path / "terms", multivector=None) as made:
        made.add(DOCUMENTS)
    return tmp_path / "terms"


def shown(explanation: Explanation, *, width: int = 80, encoding: str = "utf-8") -> list[str]:
    """The lines, without milliseconds, which are others every time."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    print_explanation(explanation, Console(file=file, width=width))
    file.seek(0)
    lines = [line.rstrip() for line in file.read().split("\n")]
    assert max(map(len, lines)) <= width
    return [re.sub(r" +(ms|\d+\.\d)$", "", line) for line in lines]


def after(lines: list[str], start: str, n: int) -> list[str]:
    """The line that begins so, and those after it, n in all."""
    place = next(i for i, line in enumerate(lines) if line.startswith(start))
    return lines[place : place + n]


def test_a_hit_in_a_terminal(collection: Collection) -> None:
    explanation = collection.explain("vitamin bones", 1, filter="year>=2000")
    assert shown(explanation) == [
        "vitamin bones   pipeline hybrid",
        "  stage        in  out",
        "  encode        1    0",
        "  sparse        0    1",
        "  multivector   0    1",
        "  fuse          2    1",
        "",
        f"1  bones  score 1.0000 {'─' * 57}",
        "Bones [red]",
        "search filter: year>=2000 (met)",
        "  stage        rank   score",
        "  sparse          1  0.8744",
        "  multivector     1  1.9999",
        "  fuse            1  1.0000  weighted-sum: sparse 0.3000 + multivector 0.7000",
        "",
        "terms, sparse: 0.8744",
        "  term     query  document  product",
        "  bones    0.981     0.657    0.644  ████████████████",
        "  vitamin  0.470     0.489    0.230  ██████",
        "",
        "tokens, multivector: 1.9999",
        "  query    document  at  similarity",
        "  vitamin  vitamin    2       1.002  ████████████████",
        "  bones    bones      0       0.998  ████████████████",
        "",
    ]


def test_what_is_no_hit_says_why_even_where_there_is_ascii_alone(collection: Collection) -> None:
    explanation = collection.explain("vitamin bones", 1, doc_id="milk", pipeline="sparse")
    assert after(shown(explanation, encoding="ascii"), "not a hit", 9) == [
        f"not a hit  milk {'-' * 64}",
        "lost at retrieve: sparse: its score 0.2474 is below 0.8744, that of the last of",
        "1 found",
        "",
        "terms, sparse: 0.2474",
        "  term     query  document  product",
        "  vitamin  0.470     0.526    0.247  ################",
        "  not there: bones",
        "",
    ]


def test_what_feedback_added_is_marked(collection: Collection) -> None:
    pipeline = {"retrieve": [{"signal": "sparse"}], "feedback": {"method": "rocchio", "k": 1}}
    for encoding in ("utf-8", "ascii"):
        lines = shown(collection.explain("vitamin bones", 1, pipeline=pipeline), encoding=encoding)
        assert after(lines, "feedback", 4) == [
            "feedback: rocchio, after",
            "  sparse learned from bones",
            "  terms: +dense 0.28, +keeps 0.28, +red 0.28, bones 0.98 to 0.77, vitamin 0.47",
            "  to 0.32, +d 0.14",
        ]
        assert after(lines, "terms", 1) == ["terms, sparse-2: 1.1516   + by feedback"]
        assert [line.split()[0] for line in after(lines, "terms", 8)[2:5]] == [
            "bones",
            "vitamin",
            "+dense",
        ]


def made_up(*terms: TermMatch) -> Explanation:
    total = sum(term.contribution for term in terms)
    document = DocumentExplanation(
        "a",
        "",
        1,
        total,
        SparseMatch("sparse", total, terms),
        None,
        0.5,
        (),
        (),
        (),
        RelevanceDecision(0.75, 0.5, True),
        None,
    )
    result = SearchResult("q", "sparse", (), {}, 1, n_filtered=2, notes=("a note",))
    return Explanation(result, (document,), None)


def test_expansion_is_marked_and_many_terms_are_summed_up() -> None:
    terms = [TermMatch(f"t{i}", 1.0, 2.0, 2.0, i == 0, False) for i in range(15)]
    lines = shown(made_up(*terms))
    assert after(lines, "terms", 1) == ["terms, sparse: 30.0000   * not in the text"]
    rows = after(lines, "terms", 15)
    assert rows[2].startswith("  t0*     1.000     2.000    2.000  █")
    assert rows[-1] == "  3 more                     6.000"
    missing = [TermMatch(f"m{i}", 1.0, 0.0, 0.0, False, False) for i in range(14)]
    names = ", ".join(f"m{i}" for i in range(12))
    assert f"  not there: {names}, and 2 more" in shown(made_up(*missing))


def test_notes_decisions_and_the_pooled_product() -> None:
    lines = shown(made_up())
    assert "a note" in lines
    assert "2 hits were not relevant enough" in lines
    assert "relevance 0.750, least 0.500: kept" in lines
    assert "pooled: 0.5000" in lines


def test_without_hits(collection: Collection) -> None:
    explanation = collection.explain("vitamin", doc_ids=["wings"], pipeline="sparse")
    assert shown(explanation)[-2:] == ["no document matches", ""]


@pytest.fixture
def run() -> Any:
    app = typer.Typer()
    app.callback()(lambda: None)
    add_explain_command(app)

    def call(*arguments: object) -> str:
        done = CliRunner().invoke(app, ["explain", *map(str, arguments)], catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    return call


def test_the_command_prints_tables_or_json(stored: Path, run: Any) -> None:
    text = run(stored, "vitamin bones", "-k", 2, "-p", "sparse")
    assert re.search(r"^2  milk  score 0\.2474", text, flags=re.MULTILINE)
    found = orjson.loads(run(stored, "vitamin bones", "--doc", "wings", "--json"))
    with Collection.open(stored) as collection:
        said: Any = as_json(collection.explain("vitamin bones", 3, doc_id="wings"))
    assert found["documents"] == said["documents"]
    assert found["result"]["hits"] == said["result"]["hits"]
    assert found["documents"][0]["lost"] == {
        "stage": "retrieve",
        "reason": "sparse: query and document have no term in common",
    }


def test_the_command_reads_pipelines_from_files(stored: Path, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("retrieve: [{signal: sparse}, {signal: sparse}]\n", encoding="utf-8")
    found = orjson.loads(run(stored, "vitamin", "-p", path, "--json"))
    assert found["result"]["pipeline"] == "twice"
    (fusion,) = found["documents"][0]["fusions"]
    assert [share["stage"] for share in fusion["shares"]] == ["sparse", "sparse-2"]
