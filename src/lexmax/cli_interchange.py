"""The commands that bring vectors of other tools in, and take a collection's vectors out."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from lexmax.exporting import ExportReport


_SHOWN = 10


class Format(StrEnum):
    """The formats that `import` and `export` know."""

    CIFF = "ciff"
    ANSERINI = "anserini"
    CSR = "csr"


_FormatOption = Annotated[
    Format,
    typer.Option(
        "--format",
        help="**ciff**: posting lists as Lucene, PISA and Terrier exchange them; **anserini**: "
        "JsonVectorCollection, a line a document; **csr**: a scipy matrix, .npz.",
    ),
]


def add_commands(app: typer.Typer) -> None:
    """Add `import`, `export` and `lucene`."""
    app.command("import")(import_file)
    app.command("export")(export_file)
    lucene = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="markdown",
        help="Compare with Lucene; needs `pip install lexmax[lucene]`.",
    )
    lucene.command("check")(check_lucene)
    # A second command keeps `check` from being the group itself.
    lucene.callback()(lambda: None)
    app.add_typer(lucene, name="lucene")


def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="What to read, plain or .gz; for anserini also a folder of files."
        ),
    ],
    path: Annotated[Path, typer.Argument(metavar="COLLECTION", help="The new folder.")],
    form: _FormatOption,
    ids: Annotated[
        Path | None,
        typer.Option(help="csr: document ids, one a line; by default x.ids.txt beside x.npz."),
    ] = None,
    terms: Annotated[
        Path | None,
        typer.Option(help="csr: names of columns, one a line; by default x.terms.txt."),
    ] = None,
) -> None:
    """Make a collection from documents whose term weights another tool has computed.

    Queries of such a collection are given as weights too: `"hello^2 world"` weighs hello 2 and
    world 1. The score is the sum, over the query's terms, of its weight times the document's.
    Ctrl-C or damage in FILE leaves no collection.

    Example: `lexmax import splade.ciff.gz splade-index --format ciff`
    """
    from lexmax.importing import import_vectors
    from lexmax.progress import watch

    with _all_or_nothing(), watch() as watching:
        report = import_vectors(file, path, form=form.value, watcher=watching, ids=ids, terms=terms)
    Console().print(
        f"imported {report.n_docs:,} documents and {report.n_terms:,} terms in "
        f"{report.seconds:.1f} s to {path}",
        markup=False,
        highlight=False,
    )


def export_file(
    path: Annotated[Path, typer.Argument(metavar="COLLECTION", help="The collection's folder.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What to write; compressed if it ends in .gz.")
    ],
    form: _FormatOption,
    scale: Annotated[
        float | None,
        typer.Option(
            help="ciff, anserini: write round(weight * SCALE). By default weights that are all "
            "whole stay as they are, and others are spread over 8 bits, the largest being 255."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
) -> None:
    """Write the term weights of all documents for another tool.

    ciff and anserini hold whole numbers: the command says how much rounding may change. csr holds
    the exact weights; ids and terms are written beside it.

    Example: `lexmax export splade-index splade.ciff.gz --format ciff`
    """
    from lexmax.collection import Collection
    from lexmax.exporting import export_vectors
    from lexmax.progress import watch

    with _all_or_nothing(), Collection.open(path) as collection, watch() as watching:
        report = export_vectors(
            collection, file, form=form.value, watcher=watching, scale=scale, force=force
        )
    Console().print(_exported(report), markup=False, highlight=False)


def check_lucene(
    path: Annotated[Path, typer.Argument(metavar="COLLECTION", help="The collection's folder.")],
    queries: Annotated[Path, typer.Option(help='Queries, a line each: {"_id": ..., "text": ...}.')],
    k: Annotated[int, typer.Option("-k", help="Documents to compare for a query.", min=1)] = 1000,
) -> None:
    """Check that Lucene ranks the same documents in the same order, ties included.

    The collection's weights must be whole, as imported impacts are. Where those of a query are
    whole too, documents and scores must be equal to the last bit.

    Example: `lexmax lucene check splade-index --queries queries.jsonl -k 100`
    """
    from lexmax.collection import Collection
    from lexmax.eval.datasets import read_queries
    from lexmax.parity import compare
    from lexmax.progress import watch

    texts = read_queries(queries)
    with _all_or_nothing(), Collection.open(path) as collection, watch(unit="queries") as watching:
        report = compare(collection, texts, k=k, watcher=watching)
    console = Console()
    n_alike = report.n_queries - len(report.differences)
    how = "documents, order and scores" if report.exact else "scores, but for rounding of floats,"
    console.print(
        f"{n_alike:,} of {report.n_queries:,} queries: {how} are equal to Lucene's",
        highlight=False,
    )
    for query_id, difference in list(report.differences.items())[:_SHOWN]:
        console.print(f"{query_id}: {difference}", markup=False, highlight=False)
    if report.differences:
        raise typer.Exit(1)


def _exported(report: "ExportReport") -> str:
    names = ", ".join(str(path) for path in report.files)
    survey, quantiser = report.survey, report.quantiser
    lines = [
        f"exported {survey.n_docs:,} documents, {len(survey.term_ids):,} terms and "
        f"{survey.n_postings:,} weights in {report.seconds:.1f} s to {names}"
    ]
    if quantiser is None or (survey.whole and quantiser.scale == 1):
        lines.append("weights are exact")
    else:
        lines.append(
            f"weights up to {survey.max_weight:g} were multiplied by {quantiser.scale:g} and "
            f"rounded, at least to 1: they are off by up to {0.5 / quantiser.scale:.2g}, small "
            f"ones by up to {1 / quantiser.scale:.2g}"
        )
    if report.n_unnamed:
        lines.append(f"{report.n_unnamed:,} terms have no name; their ids stand instead")
    return "\n".join(lines)


@contextmanager
def _all_or_nothing() -> Generator[None, None, None]:
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing was written\n")
        raise typer.Exit(130) from None
