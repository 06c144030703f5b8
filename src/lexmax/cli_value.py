"""The command that says what the documents of a collection are worth."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lexmax.corpus_sources import DATASET_HELP

if TYPE_CHECKING:
    from lexmax.corpus_value import ValueReport


def add_value_commands(app: typer.Typer) -> None:
    """Add `value`."""
    app.command()(value)


def value(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The collection's folder.")],
    dataset: Annotated[
        Path,
        typer.Argument(metavar="DATASET", help=DATASET_HELP),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the weights are written.")
    ] = Path("weights.jsonl"),
    split: Annotated[str, typer.Option(help="The qrels to use: qrels/SPLIT.tsv.")] = "train",
    pipeline: Annotated[
        str | None,
        typer.Option("--pipeline", "-p", help="How queries are asked, as in `lexmax search`."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD",
            help="Value sources, which are the values of this entry of the metadata, instead of "
            "each document.",
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Documents that a search returns.", min=1)] = 10,
    depth: Annotated[
        int, typer.Option(help="Documents of each ranking that are looked at.", min=1)
    ] = 100,
    held_out: Annotated[
        float, typer.Option(help="Share of the queries that decide how much is dropped.")
    ] = 0.3,
    epochs: Annotated[int, typer.Option(help="Steps of the ascent at most.", min=0)] = 100,
    lr: Annotated[
        float | None,
        typer.Option(help="Step of the ascent; by default the first moves some source by 0.1."),
    ] = None,
    epsilon: Annotated[
        float,
        typer.Option(
            help="Leave out the ends of rankings where importance is surely less than this "
            "over k; 0 is exact.",
            min=0.0,
        ),
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of who is held out.", min=0)] = 0,
) -> None:
    """Learn from judged queries what documents, or sources of documents, are worth.

    Some queries teach weights from 0 to 1, the others decide below which weight a corpus is better
    without. Nothing of the collection changes: `lexmax index NEW CORPUS --keep weights.jsonl`
    makes one without what is not kept.

    Example: `lexmax value scifact-index scifact --split train -o weights.jsonl`
    """
    from lexmax.collection import Collection
    from lexmax.corpus_value import Valuation, value_corpus
    from lexmax.eval import load_dataset
    from lexmax.importance import Ascent
    from lexmax.progress import watch

    judged = load_dataset(dataset, split=split)
    rules = Valuation(k, depth, held_out, seed, Ascent(epochs, lr=lr, epsilon=epsilon))

    def progress(done: int, total: int) -> None:
        watching.advance("ask", done, total)
        if watching.stopped():
            raise KeyboardInterrupt

    with Collection.open(path) as collection, watch(unit="queries") as watching:
        report = value_corpus(
            collection,
            judged.queries,
            judged.qrels,
            pipeline=pipeline,
            by=by,
            rules=rules,
            progress=progress,
        )
    report.weights.write(output)
    for warning in judged.warnings:
        sys.stderr.write(f"{warning}\n")
    print_value_report(report, output, Console())


def print_value_report(report: "ValueReport", output: Path, console: Console) -> None:
    """What was learned, what is dropped, and what that does to queries that were held out."""
    what = "documents" if report.weights.field is None else f"values of {report.weights.field}"
    cut, n_sources = report.cut, len(report.weights.sources)
    n_dropped = sum(not one.keep for one in report.weights.sources)
    lines = [
        f"{report.n_queries:,} queries found {report.n_documents:,} documents; {n_sources:,} "
        f"{what} are valued, by {report.n_queries - report.n_held_out:,} queries",
        f"expected utility {report.utility[0]:.4f} before learning, {report.utility[1]:.4f} after",
        f"{report.n_held_out:,} queries held out: utility {cut.utility_before:.4f} with all, "
        f"{cut.utility:.4f} without {n_dropped:,} {what} (weights below {cut.threshold:.4f}, "
        f"percentile {cut.percentile})",
        f"{output}: written",
    ]
    if report.n_empty:
        lines.insert(1, f"{report.n_empty:,} judged queries found nothing and were left out")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
