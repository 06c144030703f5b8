"""The command that orders given documents, without a collection."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import orjson
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lexmax.terminal import visible

if TYPE_CHECKING:
    from lexmax.corpus import Reject
    from lexmax.types import Document

_SHOWN_CHARS = 120
_CANNOT = (
    "{} gives no token vectors and reads no pairs; expected an encoder such as minilm, "
    "colbert:PATH, cross-encoder:PATH or yes-no:PATH"
)


def add_rerank_command(app: typer.Typer) -> None:
    """Add `rerank`."""
    app.command()(rerank)


def rerank(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What the documents answer.")],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Documents as for `lexmax index`; - reads them from a pipe."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="minilm or another encoder of token vectors (MaxSim), cross-encoder:PATH or "
            "yes-no:PATH.",
        ),
    ] = "minilm",
    k: Annotated[int | None, typer.Option("-k", help="How many to print; by default all.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a document.")] = False,
) -> None:
    """Order the documents in FILE by how well they answer QUERY; nothing is stored.

    Example: `lexmax rerank "how are segments stored?" passages.jsonl -k 5`
    """
    from lexmax.corpus import read_documents
    from lexmax.results import check_query

    check_query(query, 1 if k is None else k)
    documents = list(read_documents([source], on_reject=_refused))
    scores = _scores(query, [one.full_text for one in documents], model)
    order = np.argsort(-scores, kind="stable")[:k]
    places: list[int] = order.tolist()
    ranked = [(documents[place], float(scores[place])) for place in places]
    if json:
        _print_json(ranked)
    else:
        _print_table(ranked)


def _scores(query: str, texts: list[str], model: str) -> NDArray[np.float32]:
    """Of each text; -inf for one without words."""
    from lexmax.encoders import PairScorer, load
    from lexmax.errors import EncoderError
    from lexmax.pipeline import rerank_texts
    from lexmax.reranking import PairReranker
    from lexmax.types import TokenBatch

    encoder: Any = load(model)
    if not isinstance(encoder, PairScorer):
        # What an encoder gives tells dense ones from those of token vectors; sparse ones ask for
        # the statistics of a collection.
        dense_or_tokens = hasattr(encoder, "dim")
        if not dense_or_tokens or not isinstance(encoder.encode_queries([query]), TokenBatch):
            raise EncoderError(_CANNOT.format(model))
        return rerank_texts(query, texts, encoder=encoder)
    outcome = PairReranker(encoder).score(query, texts)
    if outcome.problem is not None:
        raise EncoderError(outcome.problem)
    return outcome.scores


def _refused(reject: "Reject") -> None:
    sys.stderr.write(f"{reject.source}, line {reject.line_number}: {reject.reason}; left out\n")


def _print_json(ranked: "list[tuple[Document, float]]") -> None:
    for rank, (document, score) in enumerate(ranked, start=1):
        line = {
            "rank": rank,
            "doc_id": document.doc_id,
            "score": score if np.isfinite(score) else None,
        }
        sys.stdout.write(orjson.dumps(line).decode() + "\n")


def _print_table(ranked: "list[tuple[Document, float]]") -> None:
    table = Table(box=None, padding=(0, 1))
    table.add_column("rank", justify="right")
    table.add_column("score", justify="right")
    table.add_column("doc_id", style="bold", overflow="fold")
    table.add_column("document", overflow="fold")
    for rank, (document, score) in enumerate(ranked, start=1):
        shown = Text(visible(document.full_text[:_SHOWN_CHARS]))
        table.add_row(str(rank), f"{score:.4f}", Text(visible(document.doc_id)), shown)
    Console().print(table)
