"""The command that learns, from judged queries, which hits are relevant enough to be returned."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from lexmax.corpus_sources import DATASET_HELP
from lexmax.errors import CalibrationError

if TYPE_CHECKING:
    from lexmax.calibration import CalibrationReport, CalibrationRules
    from lexmax.relevance import Target

_RECALL = 0.95
_STOPPED = 130


class Form(StrEnum):
    """How a score becomes a probability."""

    RAW = "raw"
    LINEAR = "linear"
    SQUARE_ROOT = "square-root"
    QUADRATIC = "quadratic"
    POWER = "power"


class Inputs(StrEnum):
    """What of a query the map depends on."""

    AUTO = "auto"
    NONE = "none"
    VECTOR = "vector"
    FEATURES = "features"


class ScoreScale(StrEnum):
    """What scores are measured by."""

    AUTO = "auto"
    FIXED = "fixed"
    QUERY = "query"
    LIST = "list"


def add_relevance_commands(app: typer.Typer) -> None:
    """Add `calibrate`."""
    app.command()(calibrate)


def calibrate(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The collection's folder.")],
    dataset: Annotated[
        Path,
        typer.Argument(metavar="DATASET", help=DATASET_HELP),
    ],
    split: Annotated[str, typer.Option(help="The qrels to learn from: qrels/SPLIT.tsv.")] = "train",
    pipeline: Annotated[
        str | None,
        typer.Option("--pipeline", "-p", help="As of `lexmax search`; the threshold is for it."),
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option(
            help="Keep this share of the relevant documents among a query's candidates; 0.95 "
            "unless --precision is given."
        ),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(help="Or: keep as much as can be while this share of it is relevant."),
    ] = None,
    form: Annotated[Form, typer.Option(help="How a score becomes a probability.")] = Form.POWER,
    inputs: Annotated[
        Inputs,
        typer.Option(
            help="What of a query that depends on: nothing, its vector (needs thousands of "
            "queries), or its features, such as its rarest term and its best score. **auto** "
            "takes none or features, by what is better on held-out queries."
        ),
    ] = Inputs.AUTO,
    scale: Annotated[
        ScoreScale,
        typer.Option(
            help="Scores as they are (fixed), by the query's tokens or weights (query), or by "
            "mean and deviation of its candidates (list)."
        ),
    ] = ScoreScale.AUTO,
    depth: Annotated[
        int, typer.Option(help="Candidates a query, of a search as well.", min=2)
    ] = 100,
    relevant_from: Annotated[
        int, typer.Option(help="Grade from which on a document counts as relevant.")
    ] = 1,
    held_out: Annotated[
        float, typer.Option(help="Share of the queries that is held out, each in its turn.")
    ] = 0.2,
    name: Annotated[str, typer.Option(help="What searches call it by.")] = "default",
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="SCORER",
            help="Without qrels: what reads query and document, such as cross-encoder:PATH.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn.", min=0)] = 42,
) -> None:
    """Learn from judged queries which documents are relevant, and choose a threshold.

    The collection at PATH answers the queries of DATASET; an adapter learns to give every
    hit a probability of being relevant, and the threshold is chosen on queries that were held
    out. Both are stored in PATH/relevance/NAME, together with the pipeline and index version
    that they are valid for. A search then asks `--min-relevance`, or its pipeline has a stage
    `relevance`.

    Example: `lexmax calibrate scifact-index scifact --pipeline multivector --recall 0.95`
    """
    from lexmax.calibration import calibrate as run
    from lexmax.collection import Collection
    from lexmax.progress import watch
    from lexmax.stages import given_pipeline

    rules = _rules(
        form.value,
        inputs.value,
        scale.value,
        target=_target(recall, precision),
        depth=depth,
        relevant_from=relevant_from,
        held_out=held_out,
        seed=seed,
    )
    queries, qrels = _judgements(dataset, split, teacher)
    with Collection.open(path, merge_in_background=False) as collection, _stoppable():
        scorer = None if teacher is None else collection.encoders.registry.pairs(teacher)
        with watch(unit="queries") as watching:
            report = run(
                collection,
                queries,
                qrels,
                pipeline=None if pipeline is None else given_pipeline(pipeline),
                rules=rules,
                name=name,
                teacher=scorer,
                watcher=watching,
            )
    print_calibration(report, Console())


@contextmanager
def _stoppable() -> Generator[None, None, None]:
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing was written\n")
        raise typer.Exit(_STOPPED) from None


def print_calibration(report: "CalibrationReport", console: Console) -> None:
    """Prints what held-out queries say of the pipeline's scores and of the adapter's."""
    from lexmax.eval.relevance_measures import filter_measures, pr_auc, recall_threshold

    made = report.calibration
    adapter = made.adapter
    console.print(
        f"{made.name}: {made.n_queries:,} judged queries, {len(report.raw.labels):,} pairs; "
        f"{report.n_without:,} queries without anything relevant\n"
        f"adapter: map {adapter.form}, inputs {adapter.inputs}, scale {adapter.scaling.scale}",
        highlight=False,
        soft_wrap=True,
    )
    table = Table(title="on queries that were held out, 95 % of the relevant documents kept")
    for heading in ("", "PR-AUC", "removed", "precision", "no hit left", "MRR"):
        table.add_column(heading, justify="left" if not heading else "right")
    for label, pairs in (("raw score", report.raw), ("adapter", report.adapted)):
        at = filter_measures(pairs, recall_threshold(pairs, _RECALL))
        shares = (at.removed, at.precision, at.empty, at.mrr)
        table.add_row(label, f"{pr_auc(pairs):.4f}", *(f"{share:.4f}" for share in shares))
    console.print(table)
    at = filter_measures(report.adapted, made.threshold)
    console.print(
        f"threshold for {made.target}: {made.threshold:.6g}; recall {at.recall:.3f}, precision "
        f"{at.precision:.3f}, removed {at.removed:.3f}; no hit left for {at.empty:.3f} of the "
        f"queries, wrongly for {at.wrongly_empty:.3f}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"written: {report.path}", highlight=False, soft_wrap=True)


def _target(recall: float | None, precision: float | None) -> "Target":
    from lexmax.relevance import Target

    if recall is not None and precision is not None:
        raise CalibrationError("--recall and --precision contradict each other; give one of them")
    if precision is not None:
        return Target("precision", precision)
    return Target("recall", _RECALL if recall is None else recall)


def _rules(
    form: str,
    inputs: str,
    scale: str,
    *,
    target: "Target",
    depth: int,
    relevant_from: int,
    held_out: float,
    seed: int,
) -> "CalibrationRules":
    from lexmax.calibration import CalibrationRules
    from lexmax.relevance.adapter import INPUTS, SCALES
    from lexmax.relevance.designs import TrainingRules
    from lexmax.relevance.maps import FORMS

    return CalibrationRules(
        form=next(one for one in FORMS if one == form),
        inputs=next((one for one in INPUTS if one == inputs), None),
        scale=next((one for one in SCALES if one == scale), None),
        target=target,
        held_out=held_out,
        depth=depth,
        relevant_from=relevant_from,
        training=TrainingRules(seed=seed),
    )


def _judgements(
    dataset: Path, split: str, teacher: str | None
) -> "tuple[dict[str, str], dict[str, dict[str, int]] | None]":
    """Queries by id, and their qrels; none where a teacher judges."""
    from lexmax.eval import load_dataset
    from lexmax.eval.datasets import read_queries

    if teacher is not None:
        return read_queries(dataset if dataset.is_file() else dataset / "queries.jsonl"), None
    found = load_dataset(dataset, split=split)
    qrels = {query_id: dict(judged) for query_id, judged in found.qrels.items()}
    return dict(found.queries), qrels
