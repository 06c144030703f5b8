"""The table on the screen."""

from rich.console import Console

from lexmax.eval.experiment import Evaluation, Outcome
from lexmax.eval.report import print_report


def outcome(ndcg: float, rr: float, *, n_missing: int = 0, ms: float | None = 1.25) -> Outcome:
    return Outcome({"nDCG@10": ndcg, "RR@10": rr}, {}, n_missing, ms)


def evaluation(*, warnings: tuple[str, ...] = (), **pipelines: Outcome) -> Evaluation:
    about = {"dataset": "tiny", "split": "test", "k": 10, "measures": {"not": "shown"}}
    return Evaluation(pipelines, ("nDCG@10", "RR@10"), 1234, about, warnings)


def shown(what: Evaluation, *, width: int = 100, styled: bool = False) -> str:
    console = Console(
        width=width, force_terminal=styled, color_system="standard" if styled else None, _environ={}
    )
    with console.capture() as capture:
        print_report(what, console)
    return capture.get()


def test_figures_to_four_digits() -> None:
    text = shown(evaluation(bm25=outcome(0.66666, 1.0), hybrid=outcome(0.7, 0.05)))
    assert text.startswith("dataset tiny, split test, k 10, 1,234 judged queries\n")
    rows = [line.split("│") for line in text.splitlines() if "bm25" in line or "hybrid" in line]
    assert [[cell.strip() for cell in row[1:-1]] for row in rows] == [
        ["bm25", "0.6667", "1.0000", "1.2"],
        ["hybrid", "0.7000", "0.0500", "1.2"],
    ]
    assert "missing" not in text


def test_best_of_each_column_is_bold() -> None:
    text = shown(evaluation(a=outcome(0.5, 0.2), b=outcome(0.25, 0.20001)), styled=True)
    bold = [part.split("\x1b[0m")[0] for part in text.split("\x1b[1m")[1:]]
    # 0.2 and 0.20001 are shown alike, so they are marked alike.
    assert [figure.strip() for figure in bold if "0." in figure] == [
        "0.5000",
        "0.2000",
        "0.2000",
    ]


def test_one_row_alone_is_not_called_best() -> None:
    text = shown(evaluation(a=outcome(0.5, 0.2)), styled=True)
    bold = [part.split("\x1b[0m")[0] for part in text.split("\x1b[1m")[1:]]
    assert not any("0." in figure for figure in bold)


def test_run_files_have_no_speed() -> None:
    assert "ms/query" not in shown(evaluation(run=outcome(0.5, 0.2, ms=None)))


def test_missing_queries_and_warnings_are_said() -> None:
    what = evaluation(a=outcome(0.5, 0.2, n_missing=1000), warnings=("2 have [red] no text",))
    text = shown(what)
    assert "missing" in text
    assert "1,000" in text
    assert "warning: 2 have [red] no text" in text


def test_names_are_not_read_as_markup() -> None:
    pipelines = {"[bold]a[/bold]": outcome(0.5, 0.2)}
    assert "[bold]a[/bold]" in shown(evaluation(**pipelines, warnings=()))


def test_narrow_screen_keeps_every_digit() -> None:
    text = shown(evaluation(bm25=outcome(0.66666, 1.0), hybrid=outcome(0.7, 0.05)), width=48)
    assert "0.6667" in text
