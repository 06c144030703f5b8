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


QUERIES = [str(i) for i in range(20)]


def measured(figure: float, *, lower: float = 9.0, finite: int = 20) -> Outcome:
    """nDCG@10 near the figure, Candidates@R95 near another, infinite but for the first queries."""
    wobble = {q: 0.01 * (int(q) % 3) for q in QUERIES}
    by_query = {
        "nDCG@10": {q: figure + wobble[q] for q in QUERIES},
        "Candidates@R95": {
            q: lower + wobble[q] if i < finite else float("inf") for i, q in enumerate(QUERIES)
        },
    }
    return Outcome({"nDCG@10": figure, "Candidates@R95": lower}, by_query, 0)


def marked(**pipelines: Outcome) -> str:
    names = ("nDCG@10", "Candidates@R95")
    lower = frozenset({"Candidates@R95"})
    return shown(Evaluation(pipelines, names, 20, {}, (), lower), width=120)


def test_letters_name_the_rows_that_are_beaten() -> None:
    text = marked(worst=measured(0.1), mid=measured(0.5, lower=5), best=measured(0.9, lower=2))
    (worst,) = (line.split("│")[1:-1] for line in text.splitlines() if "0.1000" in line)
    assert [cell.strip() for cell in worst] == ["a", "worst", "0.1000", "9.0000"]
    assert "0.9000 ab" in text
    assert "2.0000 ab" in text
    assert "0.5000 a " in text
    assert "paired t test, Holm, 3 pairs a measure, p < 0.05" in text


def test_the_lower_figure_is_best_where_it_counts_work() -> None:
    what = Evaluation(
        {"a": measured(0.1, lower=2), "b": measured(0.5, lower=5)},
        ("Candidates@R95",),
        20,
        {},
        (),
        frozenset({"Candidates@R95"}),
    )
    text = shown(what, styled=True)
    bold = [part.split("\x1b[0m")[0] for part in text.split("\x1b[1m")[1:]]
    assert [figure.strip() for figure in bold if "." in figure] == ["2.0000"]


def test_queries_without_a_finite_figure_are_said_to_be_left_out() -> None:
    text = marked(a=measured(0.1, finite=15), b=measured(0.5, finite=12))
    assert "Candidates@R95: compared over the 12 queries that every row has" in text
