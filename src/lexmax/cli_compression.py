"""The commands that measure what compression of vectors costs and saves."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lexmax.corpus_sources import DATASET_HELP

_NONE = "none"


def add_compression_command(app: typer.Typer) -> None:
    """Add `compression-study` and `compression-summary`."""
    app.command("compression-study")(study_compression)
    app.command("compression-summary")(summarise_compression)


def study_compression(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help=DATASET_HELP)],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for what is found.")],
    split: Annotated[str, typer.Option(help="Whose queries are measured.")] = "test",
    kinds: Annotated[
        str, typer.Option(help="Of pooled, tokens and encodings (MUVERA), by commas.")
    ] = "pooled,tokens,encodings",
    multivector: Annotated[
        str, typer.Option(help="Encoder of token vectors, or none.")
    ] = "lexmax-colbert",
    pooled: Annotated[
        str, typer.Option(help="Encoder of one vector a document, or none.")
    ] = "minilm-pooled",
    train: Annotated[
        str | None,
        typer.Option(
            help="The split from whose queries codecs may learn; those that are measured are left "
            "out. By default sentences of documents stand in for queries."
        ),
    ] = None,
    training_queries: Annotated[
        Path | None,
        typer.Option(help="Queries to learn from instead: a text a line, or .jsonl with text."),
    ] = None,
    queries: Annotated[int, typer.Option(help="Queries to measure, evenly spread.", min=0)] = 0,
    token_queries: Annotated[
        int, typer.Option(help="Of these, for tokens and encodings; 0 for all.", min=0)
    ] = 0,
    seeds: Annotated[int, typer.Option(help="Seeds of encodings.", min=1)] = 3,
    seed: Annotated[int, typer.Option(help="Of codecs, and the first of encodings.", min=0)] = 42,
    cache: Annotated[
        Path | None,
        typer.Option(help="Where vectors of documents are kept; by default in OUT."),
    ] = None,
    picture: Annotated[bool, typer.Option(help="Draw a picture, with matplotlib.")] = True,
) -> None:
    """Measure ways to store the vectors of a collection: bytes, what is lost, queries a second.

    Compares what `lexmax index` offers with codecs that are only studied (int4, product
    quantisation, binary, LeanVec, ColBERTv2's residuals) against the exact answer over float32
    vectors, which are encoded anew and kept. Writes NAME.json, NAME.md and NAME.svg to OUT.
    Speeds are of this machine, one thread; see docs/compression.md.

    Examples: `lexmax compression-study scifact study --train train`,
    `lexmax compression-study cranfield study --kinds pooled --multivector none`
    """
    from lexmax.encoders import Encoders
    from lexmax.eval.compression import Choice, StudyEncoders, StudyPlan, gather, study
    from lexmax.eval.compression.files import write_study
    from lexmax.eval.compression.picture import can_draw
    from lexmax.eval.compression.table import print_study
    from lexmax.progress import watch

    if picture and not can_draw():  # said before hours of work, not behind them
        sys.stderr.write(
            "without a picture: matplotlib is not installed; `pip install 'lexmax[report]'`\n"
        )
        picture = False
    plan = StudyPlan(_split(kinds), seed, seeds)
    known = Encoders()
    encoders = StudyEncoders(
        None if multivector == _NONE else known.multivector(multivector),
        None if pooled == _NONE else known.dense(pooled),
    )
    choice = Choice(
        dataset,
        out if cache is None else cache,
        split,
        queries,
        token_queries,
        train,
        training_queries,
        seed,
    )
    with watch(unit="ways") as watching:

        def progress(stage: str, done: int, total: int) -> None:
            watching.advance(stage, done, total)
            if watching.stopped():
                raise KeyboardInterrupt

        material = gather(choice, encoders, progress=progress)
        found = study(material, plan, progress=progress)
    paths = write_study(found, out, picture=picture)
    console = Console()
    print_study(found, console)
    console.print(f"written: {', '.join(map(str, paths))}", highlight=False, soft_wrap=True)


def summarise_compression(
    studies: Annotated[
        list[Path],
        typer.Argument(
            metavar="STUDY...", help="NAME.json of each collection, in the order of the columns."
        ),
    ],
    kind: Annotated[
        str | None, typer.Option(help="pooled, tokens or encodings; by default all.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All ways, and not only those that differ much.")
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="PAGE.md",
            help="Write the tables there, between lines `<!-- compression: KIND -->` and "
            "`<!-- end -->`.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say, by exit code 1, whether that page is stale.")
    ] = False,
) -> None:
    """Put what several studies found side by side, a table for each kind of vectors, in Markdown.

    A cell has nDCG@10 of whole vectors, or what is gained or lost against it (`*`: significantly),
    and the share of the exact best documents that is found.

    Examples: `lexmax compression-summary study/scifact.json study/cranfield.json --kind pooled`,
    `lexmax compression-summary study/*.json --into page.md`
    """
    from lexmax.eval.compression.summary import KINDS, read_page, read_written, table, with_tables
    from lexmax.eval.files import replace_file

    found = [read_written(path) for path in studies]
    if into is not None:
        page = read_page(into)
        written = with_tables(page, found)
        if check and written != page:
            sys.stderr.write(f"{into} is stale; run the same command without --check\n")
            raise typer.Exit(1)
        if not check:
            replace_file(into, [written.encode()])
        return
    there = [one for one in KINDS if any(one in study.rows for study in found)]
    for one in [kind] if kind else there:
        sys.stdout.writelines(
            f"{line}\n" for line in [f"### {one}", "", *table(found, one, every_way=every), ""]
        )


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())
