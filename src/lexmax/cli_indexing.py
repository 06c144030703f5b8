"""The commands that make a collection, bring documents into it, and keep it sound."""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from lexmax.corpus_sources import CORPUS_HELP
from lexmax.errors import InputError

if TYPE_CHECKING:
    from lexmax.creating import IndexChoice


CollectionPath = Annotated[Path, typer.Argument(metavar="PATH", help="The collection's folder.")]


def add_indexing_commands(app: typer.Typer) -> None:
    """Add `index`, `verify`, `merge` and `rebuild`."""
    for command in (index, verify, merge, rebuild):
        app.command()(command)


def index(
    path: CollectionPath,
    corpus: Annotated[
        list[str],
        typer.Argument(
            metavar="CORPUS...",
            help=CORPUS_HELP,
        ),
    ],
    sparse: Annotated[
        str | None,
        typer.Option(
            help="Encoder of term weights: bm25 (by default), bm25?stemmer=english, lexmax-sparse, "
            "splade:PATH and others of docs/encoding.md; or none."
        ),
    ] = None,
    multivector: Annotated[
        str | None,
        typer.Option(
            help="Encoder of token vectors: minilm (by default), minilm?max_tokens=128, "
            "lexmax-colbert, colbert:PATH; or none, which indexes many times faster."
        ),
    ] = None,
    pooled: Annotated[
        str | None,
        typer.Option(
            help="Encoder of one vector a document: minilm-pooled or dense:PATH; by default none."
        ),
    ] = None,
    pooled_codec: Annotated[
        str | None,
        typer.Option(
            help="How pooled vectors are stored: int8 (by default) or fp16, which take dim + 4 and "
            "2 dim bytes a document."
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            help="How token vectors are stored: int8 (by default), fp16, residual4 or residual2, "
            "which take about dim + 6, 2 dim, dim / 2 + 4 and dim / 4 + 4 bytes a token."
        ),
    ] = None,
    engines: Annotated[
        str | None,
        typer.Option(
            help="What finds candidates for MaxSim: centroids, fde, both joined by a comma (by "
            "default), or none, which scores all documents."
        ),
    ] = None,
    fde_store: Annotated[
        str | None,
        typer.Option(
            help="How encodings are kept: flat, sq8, bits, pq4, pq8, opq4, opq8, ivf-pq4, ivf-pq8 "
            "or hnsw, with parameters such as pq8?refine=4; by default by their number."
        ),
    ] = None,
    fde_dim: Annotated[
        int | None,
        typer.Option(help="Coordinates that encodings are projected to; 256 by default.", min=1),
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option(
            help="Share of the exact best documents that searches are to find, such as 0.95: how "
            "many candidates that takes is measured when segments are built.",
            min=0.0,
            max=1.0,
        ),
    ] = None,
    sample_queries: Annotated[
        Path | None,
        typer.Option(
            help="Queries to measure recall with: a text a line, or .jsonl with text. Without "
            "them pieces of the documents serve."
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:TYPE",
            help="An entry of the metadata that filters can name, such as year:integer; types are "
            "keyword, integer, float, boolean and datetime. Repeat it for several.",
        ),
    ] = None,
    neighbours: Annotated[
        int | None,
        typer.Option(
            help="Keep a graph of so many nearest neighbours of each document, such as 16, for "
            "pipelines with a graph stage.",
            min=1,
            max=256,
        ),
    ] = None,
    passages: Annotated[
        str | None,
        typer.Option(
            metavar="WINDOW/STRIDE",
            help="Split documents into passages of at most so many tokens, one beginning every so "
            "many, such as 180/90: docs/long-documents.md. By default they are not split.",
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="WEIGHTS",
            help="Pass over the documents that these weights do not keep: a file that "
            "`lexmax value` wrote.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say how long it will take and how large it will be."),
    ] = False,
    max_rejects: Annotated[
        int, typer.Option(help="Stop when more entries than this cannot be stored.", min=0)
    ] = 1000,
) -> None:
    """Index documents into the collection at PATH, which is made if it does not exist.

    Documents of a known id are replaced. Entries that cannot be stored are counted and written to
    PATH/rejects.jsonl. Ctrl-C, a kill or a full disk loses nothing: run the same command again.

    Examples: `lexmax index scifact-index scifact/corpus.jsonl.gz`,
    `lexmax index ix irds:cranfield --sparse bm25 --multivector none`
    """
    from lexmax.indexing import index_corpus
    from lexmax.progress import watch
    from lexmax.report import print_forecast, print_index_report

    choice = _choice(
        {
            "sparse": sparse,
            "multivector": multivector,
            "pooled": pooled,
            "pooled_codec": pooled_codec,
            "passages": passages,
            "neighbours": neighbours,
        },
        {
            "codec": codec,
            "engines": engines,
            "recall": recall,
            "fde_store": fde_store,
            "fde_dim": fde_dim,
        },
    )
    if dry_run:
        from lexmax.forecast import forecast

        with watch() as watching:
            predicted = forecast(corpus, choice=choice, watcher=watching)
        print_forecast(predicted, path, Console())
        return
    with resumable(), watch() as watching:
        report = index_corpus(
            path,
            corpus,
            choice=choice,
            watcher=watching,
            max_rejects=max_rejects,
            sample_queries=sample_queries,
            fields=_fields(field or []),
            keep=keep,
        )
    print_index_report(report, path, Console())


def verify(path: CollectionPath) -> None:
    """Re-check every checksum of the collection at PATH, and the catalog against the segments.

    Example: `lexmax verify scifact-index`
    """
    from lexmax.index.verification import verify
    from lexmax.report import print_verify_report

    report = verify(path)
    print_verify_report(report, path, Console())
    if report.problems:
        raise typer.Exit(1)


def merge(
    path: CollectionPath,
    all_: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Make as few segments as may be and drop every deleted document, however much "
            "there is to copy.",
        ),
    ] = False,
    neighbours: Annotated[
        int | None,
        typer.Option(
            help="Keep a graph of so many nearest neighbours of each document from now on, for "
            "pipelines with a graph stage, and rewrite segments that lack it; 0 for none.",
            min=0,
            max=256,
        ),
    ] = None,
) -> None:
    """Make many small segments of the collection at PATH few, and drop deleted documents.

    A search asks every segment, so fewer are faster; `lexmax index` and the service merge by
    themselves where it pays. Nothing is encoded again, no weight or vector changes. Searches go
    on meanwhile, also in other processes. Needs room for the new segments beside the old ones.
    Ctrl-C, a kill or a full disk loses nothing: run the same command again.

    Examples: `lexmax merge scifact-index`, `lexmax merge scifact-index --all`,
    `lexmax merge scifact-index --neighbours 16`
    """
    from lexmax.collection import Collection
    from lexmax.merging import COMPACT, TIERED
    from lexmax.progress import watch
    from lexmax.report import print_merge_report

    with (
        resumable(),
        watch() as watching,
        Collection.open(path, merge_in_background=False) as collection,
    ):
        if neighbours is not None:
            collection.writer.keep_neighbours(neighbours)
        report = collection.merge(watching, policy=COMPACT if all_ else TIERED)
    print_merge_report(report, path, Console())


def rebuild(path: CollectionPath) -> None:
    """Build damaged or lost segments of the collection at PATH anew from its stored documents.

    Reads every byte to find them; sound segments are left alone. Documents are encoded again, so
    it takes as long as indexing them did. Ctrl-C or a kill loses nothing: run it again.

    Example: `lexmax rebuild scifact-index`
    """
    from lexmax.progress import watch
    from lexmax.rebuilding import rebuild
    from lexmax.report import print_rebuild_report

    with resumable(), watch() as watching:
        report = rebuild(path, watching)
    print_rebuild_report(report, path, Console())


@contextmanager
def resumable() -> Generator[None, None, None]:
    """Say what Ctrl-C leaves, which typer would not."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("stopped; what was finished is kept, run the same command to go on\n")
        raise typer.Exit(130) from None


def _choice(options: Mapping[str, Any], over_tokens: Mapping[str, Any]) -> "IndexChoice | None":
    """The defaults with what was given, options by their names; None where nothing was."""
    from lexmax.creating import IndexChoice
    from lexmax.index.multivector_build import MultiVectorPlan
    from lexmax.passages import PassagePlan

    given = {name: value for name, value in options.items() if value is not None}
    tokens = {name: value for name, value in over_tokens.items() if value is not None}
    if not given and not tokens:
        return None
    for signal in ("sparse", "multivector", "pooled"):
        if given.get(signal) == "none":
            given[signal] = None
    if "passages" in given:
        given["passages"] = PassagePlan.parse(given["passages"])
    if "engines" in tokens:
        names = _engine_names(tokens.pop("engines"))
        tokens |= {name: name in names for name in ("centroids", "fde")}
    return IndexChoice(plan=MultiVectorPlan(**tokens), **given)


def _fields(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, colon, kind = text.partition(":")
        if not colon or name in found:
            raise InputError(
                f"--field is {text!r}; expected NAME:TYPE, such as year:integer, each name once"
            )
        found[name] = kind
    return found


def _engine_names(text: str) -> set[str]:
    names = {name.strip() for name in text.split(",")} - {"none", ""}
    if unknown := names - {"centroids", "fde"}:
        raise InputError(
            f"--engines names {', '.join(sorted(unknown))}; expected centroids, fde, both, or none"
        )
    return names
