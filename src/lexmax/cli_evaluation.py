"""The commands that compare systems and list, generate and study test collections."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lexmax.errors import EvaluationError

if TYPE_CHECKING:
    from lexmax.eval.outcomes import Evaluation
    from lexmax.eval.reproductions import Reproduction
    from lexmax.eval.significance import Comparison
    from lexmax.types import Json

_JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the figures here.")]
_RunFiles = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Runs, TREC or MS MARCO, packed or not.")
]
_QrelsOption = Annotated[Path, typer.Option(help="Judgements, TREC or BEIR.")]
ExpectOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE#NAME",
        help="Compare with the figures that a file such as docs/reproductions.yaml has under this "
        "name; exit code 1 where they differ.",
    ),
]


def add_evaluation_commands(app: typer.Typer) -> None:
    """Add `datasets`, `compare`, `qrels-study` and `limit`."""
    app.command("datasets")(list_datasets)
    app.command("compare")(compare_runs)
    app.command("qrels-study")(study_judgements)
    app.command("limit")(make_limit)


def list_datasets(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER...]", help="Where to look, or irds:NAME; by default here."),
    ] = None,
    count: Annotated[
        bool, typer.Option("--count", help="Count documents of corpora above 256 MiB too.")
    ] = False,
    json: _JsonOption = None,
) -> None:
    """List the test collections in FOLDER and the folders below it, and those that are missing.

    Finds the layouts of BEIR, MS MARCO and TREC, and says of each what it lacks. Licences are
    those that stand in a README, a metadata.json or a LICENSE beside the files. Missing are the
    collections of BEIR, MS MARCO and LIMIT that no folder is named after.

    Example: `lexmax datasets ~/collections`
    """
    from lexmax.eval.collections.survey import missing, survey
    from lexmax.eval.collections.survey_report import print_survey, survey_json

    found = [one for folder in folders or [Path()] for one in survey(folder, count_all=count)]
    if json is not None:
        _write(json, survey_json(found, missing(found)))
    print_survey(found, missing(found), Console())


def compare_runs(
    runs: _RunFiles,
    qrels: _QrelsOption,
    measures: Annotated[
        str, typer.Option(help="Names of ir-measures, separated by commas.")
    ] = "nDCG@10,RR@10,R@100,AP",
    test: Annotated[
        str,
        typer.Option(
            help="**randomisation**, **t** (paired), **wilcoxon**, or **tukey** (two-way ANOVA "
            "and honestly significant differences)."
        ),
    ] = "randomisation",
    correction: Annotated[
        str,
        typer.Option(
            help="For many pairs: **holm**, **bh** (Benjamini-Hochberg), **bonferroni** or "
            "**none**; tukey has its own."
        ),
    ] = "holm",
    baseline: Annotated[
        str | None, typer.Option(help="Compare only with this run, named by its tag or file.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="A corrected p below it is significant.")] = 0.05,
    resamples: Annotated[
        int, typer.Option(help="Draws of the randomisation test and the bootstrap.", min=1)
    ] = 10_000,
    seed: Annotated[int, typer.Option(help="Of what is drawn.", min=0)] = 0,
    json: _JsonOption = None,
    expect: ExpectOption = None,
) -> None:
    """Measure several runs against the same qrels, and mark which differences are significant.

    Letters after a figure name the runs that it is significantly better than. Below, every pair:
    the difference of means, its bootstrap interval, p before and after the correction, and for
    how many queries the first run is better or worse.

    Example: `lexmax compare bm25.trec splade.trec --qrels qrels.txt --measures nDCG@10,R@100`
    """
    from lexmax.eval.run_files import evaluate_runs
    from lexmax.eval.significance import Procedure
    from lexmax.eval.significance.marking import compared

    procedure = Procedure(test, correction, alpha, n_resamples=resamples, seed=seed)
    expected = expected_of(expect)
    evaluation = evaluate_runs(runs, qrels, _split(measures))
    if len(evaluation.pipelines) < 2:
        raise EvaluationError("one run alone; expected two or more to compare; name another")
    figures = {name: outcome.by_query for name, outcome in evaluation.pipelines.items()}
    comparisons = compared(
        figures,
        evaluation.measures,
        procedure,
        baseline=baseline,
        intervals=True,
        lower_is_better=evaluation.lower_is_better,
    )
    if json is not None:
        differences = [comparison.as_json() for comparison in comparisons.values()]
        _write(json, {**evaluation.as_json(), "comparisons": differences})
    _print_comparisons(evaluation, comparisons, Console())
    require_expected(evaluation, expected)


def study_judgements(
    runs: _RunFiles,
    qrels: _QrelsOption,
    measure: Annotated[str, typer.Option(help="What systems are compared by.")] = "nDCG@10",
    methods: Annotated[
        str,
        typer.Option(help="Of depth, move-to-front, max-mean, hedge and random, by commas."),
    ] = "depth,move-to-front,max-mean,hedge,random",
    budgets: Annotated[str, typer.Option(help="Judgements a topic, by commas.")] = "5,10,20,50,100",
    depth: Annotated[int, typer.Option(help="Documents pooled of each run.", min=1)] = 100,
    rel: Annotated[int, typer.Option(help="Least grade that is relevant.", min=1)] = 1,
    test: Annotated[
        str, typer.Option(help="**tukey** (two-way ANOVA, HSD), **t** or **wilcoxon**.")
    ] = "tukey",
    correction: Annotated[
        str, typer.Option(help="Of t and wilcoxon: **holm**, **bh**, **bonferroni**, **none**.")
    ] = "bh",
    alpha: Annotated[float, typer.Option(help="A corrected p below it is significant.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Of what is drawn.", min=0)] = 0,
    json: _JsonOption = None,
) -> None:
    """Find out how few of the judgements in QRELS would have told the same systems apart.

    Judging is simulated: each method chooses which document of the runs' pools is judged next,
    and the full qrels answer. At every budget, what is significant is compared with what the full
    qrels say (Otero et al. 2023): the share of claims that hold and that are found, the share of
    claims that name the wrong system (publication bias), and Kendall's tau of the ranking.

    Example: `lexmax qrels-study runs/*.trec --qrels qrels.txt --budgets 10,20,50`
    """
    from lexmax.eval.qrels import read_qrels
    from lexmax.eval.qrels_study import StudyPlan, study_qrels
    from lexmax.eval.qrels_study.report import print_study
    from lexmax.eval.run_files import read_runs

    plan = StudyPlan(
        tuple(_split(methods)),
        _numbers(budgets),
        measure,
        depth=depth,
        rel=rel,
        test=test,
        correction=correction,
        alpha=alpha,
        seed=seed,
    )
    study = study_qrels(read_runs(runs), read_qrels(qrels), plan)
    if json is not None:
        _write(json, study.as_json())
    print_study(study, Console())


def make_limit(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The new folder.")],
    docs: Annotated[int, typer.Option("-n", "--docs", help="Documents ever relevant.")] = 46,
    k: Annotated[int, typer.Option("-k", help="Relevant documents of each query.")] = 2,
    queries: Annotated[int, typer.Option(help="Queries, each for another combination.")] = 1000,
    distractors: Annotated[int, typer.Option(help="Documents relevant to nothing.")] = 0,
    liked: Annotated[int, typer.Option(help="Least things that a document names.")] = 45,
    synonyms: Annotated[
        bool,
        typer.Option(
            "--synonyms",
            help="Write a twin, FOLDER-synonyms, whose queries use words that no document does.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of what is drawn.", min=0)] = 0,
) -> None:
    """Generate a dataset like LIMIT (Weller et al. 2025), in BEIR layout.

    Its queries ask for every combination of k among n documents, more than vectors of few
    dimensions can rank apart, though each answer is plain to read.

    Example: `lexmax limit limit-16 -n 16 -k 2 --queries 120 --synonyms`
    """
    from lexmax.eval.collections.limit import LimitPlan, generate_limit, write_limit

    plan = LimitPlan(docs, k, queries, distractors, n_liked=liked, twin=synonyms, seed=seed)
    limit = generate_limit(plan)
    write_limit(folder, limit)
    Console().print(
        f"{len(limit.documents):,} documents, {len(limit.queries):,} queries, {k} relevant "
        f"documents each, in {folder}{f' and {folder}-synonyms' * synonyms}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def expected_of(text: str | None) -> "Reproduction | None":
    """The figures that `--expect` names; read before anything is searched."""
    from lexmax.eval.reproductions import named_reproduction

    return None if text is None else named_reproduction(text)


def require_expected(evaluation: "Evaluation", expected: "Reproduction | None") -> None:
    """Say whether the figures are as expected, and end with exit code 1 where they are not."""
    from lexmax.eval.reproductions import compared, figures_of, verdict

    if expected is None:
        return
    lines = compared(figures_of(evaluation), expected)
    for line in verdict(lines):
        Console().print(line, markup=False, highlight=False, soft_wrap=True)
    if not all(line.agrees for line in lines):
        raise typer.Exit(1)


def _print_comparisons(
    evaluation: "Evaluation", comparisons: "dict[str, Comparison]", console: Console
) -> None:
    from lexmax.eval.report import print_report
    from lexmax.eval.significance.report import print_differences

    print_report(evaluation, console, comparisons)
    for comparison in comparisons.values():
        print_differences(comparison, console)


def _write(path: Path, values: "dict[str, Json]") -> None:
    from lexmax.eval.outcomes import write_json

    write_json(path, values)


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in _split(text))
    except ValueError as error:
        raise EvaluationError(
            f"--budgets is {text!r}; expected whole numbers with commas between, such as "
            "10,20,50; change it"
        ) from error
