"""The command that says why a document stands where it stands."""

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console


def add_explain_command(app: typer.Typer) -> None:
    """Add `explain`."""
    app.command("explain")(explain)


def explain(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The collection's folder.")],
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to search for.")],
    doc: Annotated[
        str | None,
        typer.Option(
            "--doc", help="Explain this document only: why it is a hit, or where it was lost."
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many documents the search returns.")] = 3,
    pipeline: Annotated[
        str | None, typer.Option("--pipeline", "-p", help="As of `lexmax search`.")
    ] = None,
    filter_: Annotated[str | None, typer.Option("--filter", help="As of `lexmax search`.")] = None,
    min_relevance: Annotated[
        float | None, typer.Option(help="As of `lexmax search`.", min=0, max=1)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Search the collection at PATH, and say for each hit why it is where it is.

    Shows what each stage did; for each document the terms that it has in common with the query,
    the token that answers each token of the query, what it got in each ranking, and what filters
    decided. A * marks terms that the encoder added to the document's text, a + what feedback
    added to the query.

    Examples: `lexmax explain scifact-index "vitamin D and bone density"`,
    `lexmax explain scifact-index "vitamin D" --doc 4983 -k 10`
    """
    from lexmax.collection import Collection
    from lexmax.explain_report import print_explanation
    from lexmax.explaining import as_json
    from lexmax.stages import given_pipeline

    with Collection.open(path) as collection:
        explanation = collection.explain(
            query,
            k,
            doc_id=doc,
            pipeline=None if pipeline is None else given_pipeline(pipeline),
            filter=filter_,
            min_relevance=min_relevance,
        )
    if json:
        written = orjson.dumps(as_json(explanation), option=orjson.OPT_INDENT_2)
        sys.stdout.write(written.decode() + "\n")
    else:
        print_explanation(explanation, Console())
