"""Tables over several studies: what each cell says, and that the page has them as they are."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lexmax import cli
from lexmax.errors import EvaluationError
from lexmax.eval.compression.summary import (
    CHOSEN,
    KINDS,
    WrittenStudy,
    read_written,
    table,
    with_tables,
)

DOCS = Path(__file__).parent.parent.parent / "docs"
# In the order of the columns, as the page's own command has them.
PUBLISHED = ("cranfield", "cacm", "squad-dev", "scifact")


def row(
    name: str, n_bytes: float, quality: float | None, recall: float, *, beside: Any = None
) -> dict[str, Any]:
    return {
        "name": name,
        "document_bytes": n_bytes,
        "vector_bytes": n_bytes / 10,
        "nDCG@10": quality,
        "recall@10": recall,
        "10 in 100": 0.5,
        "beside_baseline": beside,
    }


def beside(difference: float, *, significant: bool = False) -> dict[str, Any]:
    return {"difference": difference, "p": 0.1, "significant": significant}


def written(folder: Path, name: str, **kinds: list[dict[str, Any]]) -> WrittenStudy:
    ladders = [{"kind": kind, "rows": rows} for kind, rows in kinds.items()]
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"name": name, "ladders": ladders}))
    return read_written(path)


@pytest.fixture
def studies(tmp_path: Path) -> list[WrittenStudy]:
    a = [
        row("fp32", 1536, 0.4271, 1.0),
        row("int8", 388, 0.4266, 0.996, beside=beside(-0.0004)),
        row("new way", 1, 0.1, 0.1, beside=beside(-0.3271)),
        row("bits", 52, 0.35, 0.634, beside=beside(-0.0744, significant=True)),
    ]
    b = [
        row("fp32", 1540, 1.0, 1.0),
        row("bits", 52, None, 0.2, beside=beside(0.0)),
    ]
    return [
        written(tmp_path, "a", pooled=a, tokens=[row("fp32", 5120, 0.5, 1.0)]),
        written(tmp_path, "b", pooled=b),
    ]


def test_each_cell_by_hand(studies: list[WrittenStudy]) -> None:
    assert table(studies, "pooled") == [
        "| way | bytes | a | b |",
        "| --- | ---: | ---: | ---: |",
        "| fp32 | 1,536 to 1,540 | .427, 1.00 | 1.000, 1.00 |",
        "| int8 | 388 | -.000, 1.00 |  |",
        "| bits | 52 | -.074*, .63 |  |",
    ]
    every = table(studies, "pooled", every_way=True)
    assert [line.split(" | ")[0] for line in every[2:]] == [
        "| fp32",
        "| int8",
        "| new way",
        "| bits",
    ]
    # Only collections that have such vectors; bytes of a vector, not of a document.
    assert table(studies, "tokens")[0] == "| way | bytes | a |"
    assert table(studies, "tokens")[2] == "| fp32 | 512 | .500, 1.00 |"


def test_a_kind_that_nobody_studied(studies: list[WrittenStudy]) -> None:
    for kind in ("encodings", "words"):
        with pytest.raises(EvaluationError, match=f"of the kind '{kind}'; found pooled, tokens"):
            table(studies, kind)


def test_a_page_gets_its_tables_between_the_marks(studies: list[WrittenStudy]) -> None:
    page = "before\n<!-- compression: tokens -->\nold\n<!-- end -->\nbehind <!-- end -->\n"
    made = with_tables(page, studies)
    assert made.splitlines() == [
        "before",
        "<!-- compression: tokens -->",
        *table(studies, "tokens"),
        "<!-- end -->",
        "behind <!-- end -->",
    ]
    assert with_tables(made, studies) == made
    with pytest.raises(EvaluationError, match="the page has no place for a table"):
        with_tables("before\nbehind\n", studies)


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"name": "x", "ladders": [{"kind": "pooled", "rows": [{"name": "y"}]}]}'],
)
def test_a_file_of_something_else(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(EvaluationError, match=r"x\.json: is no study of compression .* name that"):
        read_written(path)
    with pytest.raises(EvaluationError, match=r"gone\.json: cannot be read"):
        read_written(tmp_path / "gone.json")


def test_the_published_page_is_what_its_studies_say() -> None:
    studies = [read_written(DOCS / "compression" / f"{name}.json") for name in PUBLISHED]
    page = (DOCS / "compression.md").read_text(encoding="utf-8")
    assert with_tables(page, studies) == page
    for kind in KINDS:
        assert f"<!-- compression: {kind} -->" in page
        # A way that is renamed in the study would leave the table without a word.
        assert set(CHOSEN[kind]) <= set(studies[0].rows[kind])
    assert "compression-summary docs/compression/{" + ",".join(PUBLISHED) + "}.json" in page


def test_the_command_writes_and_checks(tmp_path: Path, studies: list[WrittenStudy]) -> None:
    files = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    page = tmp_path / "page.md"
    page.write_text("<!-- compression: pooled -->\n<!-- end -->\n")
    runner = CliRunner()
    command = ["compression-summary", *files, "--into", str(page)]
    assert runner.invoke(cli.app, [*command, "--check"]).exit_code == 1
    assert page.read_text() == "<!-- compression: pooled -->\n<!-- end -->\n"
    assert runner.invoke(cli.app, command).exit_code == 0
    assert page.read_text() == with_tables(page.read_text(), studies)
    assert runner.invoke(cli.app, [*command, "--check"]).exit_code == 0
    printed = runner.invoke(cli.app, ["compression-summary", *files, "--kind", "tokens"])
    assert printed.output.splitlines() == ["### tokens", "", *table(studies, "tokens"), ""]
