"""The `lexmax` command: batch indexing, searches, the service and evaluation from a shell.

Exit codes: 0 done, 1 an error that the message explains, 2 the command line itself is wrong,
130 stopped by Ctrl-C (run the same command again to go on).
"""

import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console

from lexmax.cli_compression import add_compression_command
from lexmax.cli_evaluation import (
    ExpectOption,
    add_evaluation_commands,
    expected_of,
    require_expected,
)
from lexmax.cli_experiments import add_experiment_commands
from lexmax.cli_explain import add_explain_command
from lexmax.cli_indexing import CollectionPath, add_indexing_commands, resumable
from lexmax.cli_interchange import add_commands
from lexmax.cli_keys import add_key_commands
from lexmax.cli_relevance import add_relevance_commands
from lexmax.cli_rerank import add_rerank_command
from lexmax.cli_snapshots import add_snapshot_commands
from lexmax.cli_training import add_training_commands
from lexmax.cli_value import add_value_commands
from lexmax.cli_version import add_front
from lexmax.corpus_sources import DATASET_HELP
from lexmax.errors import EvaluationError, LexmaxError
from lexmax.terminal import prepare_streams, visible

if TYPE_CHECKING:
    from lexmax.eval.outcomes import Evaluation

_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

app = typer.Typer(
    name="lexmax",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Retrieval and reranking with learned sparse and multi-vector indexes.",
    epilog="Start with `lexmax demo`, or `lexmax index my-index corpus.jsonl`.",
)

PipelineName = Annotated[
    str | None,
    typer.Option(
        "--pipeline",
        "-p",
        help="bm25, sparse, lucene, multivector, multivector-exact, pooled, hybrid or "
        "hybrid-pooled; by default the best that the collection has. After a colon, how to search: "
        "`bm25:query-mass?share=0.93` (sparse; else exact), `multivector:fde?candidates=500` "
        "(exact, auto, fde, centroids, warp, plaid, sparse, several joined by +; else auto). Or a "
        "YAML or JSON file that describes a pipeline: docs/pipelines.md.",
    ),
]


add_indexing_commands(app)


@app.command()
def search(
    path: CollectionPath,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to search for.")],
    pipeline: PipelineName = None,
    k: Annotated[int, typer.Option("-k", help="How many documents to return.")] = 10,
    offset: Annotated[int, typer.Option(help="How many to leave out before them.", min=0)] = 0,
    filter_: Annotated[
        str | None,
        typer.Option(
            "--filter",
            help="Conditions on declared fields: `year>=2020 and lang=en`; docs/filters.md.",
        ),
    ] = None,
    timeout_ms: Annotated[
        float | None,
        typer.Option(
            help="When to leave out the stages that can be left out, in milliseconds.", min=0
        ),
    ] = None,
    min_relevance: Annotated[
        float | None,
        typer.Option(
            help="Leave out what is less relevant, from 0 to 1; needs `lexmax calibrate`.",
            min=0,
            max=1,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Search the collection at PATH and print the best documents.

    Examples: `lexmax search scifact-index "vitamin D and bone density" -k 5`,
    `lexmax search scifact-index "vitamin D" -p my-pipeline.yaml --filter "year>=2015"`
    """
    from lexmax.collection import Collection
    from lexmax.report import print_result, result_json
    from lexmax.stages import given_pipeline

    with Collection.open(path) as collection:
        result = collection.search(
            query,
            k,
            pipeline=None if pipeline is None else given_pipeline(pipeline),
            filter=filter_,
            offset=offset,
            timeout_ms=timeout_ms,
            min_relevance=min_relevance,
        )
        unseen = collection.n_unseen
    if unseen:
        sys.stderr.write(
            f"{unseen:,} stored documents are not found yet: the job that brought them has not "
            "ended; run `lexmax index` again as before\n"
        )
    if json:
        sys.stdout.write(
            orjson.dumps(result_json(result), option=orjson.OPT_INDENT_2).decode() + "\n"
        )
    else:
        print_result(result, Console())


@app.command()
def evaluate(
    dataset: Annotated[
        Path | None,
        typer.Argument(metavar="DATASET", help=DATASET_HELP),
    ] = None,
    collection: Annotated[
        Path | None, typer.Option(help="Collection to search; its corpus must be the dataset's.")
    ] = None,
    pipelines: Annotated[
        str | None,
        typer.Option(
            help="Names as of `lexmax search --pipeline`, separated by commas; by default all "
            "that it can run."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="The qrels to use, such as qrels/SPLIT.tsv.")] = "test",
    measures: Annotated[
        str, typer.Option(help="Names of ir-measures, separated by commas.")
    ] = "nDCG@10,RR@10,R@100,R@1000,AP",
    k: Annotated[int, typer.Option("-k", help="Documents to retrieve for a query.")] = 1000,
    json: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    runs: Annotated[Path | None, typer.Option(help="Write a run a pipeline here.")] = None,
    run_format: Annotated[
        str, typer.Option(help="Of --runs: **trec**, or **msmarco**, whose ids may hold spaces.")
    ] = "trec",
    run: Annotated[Path | None, typer.Option(help="Score this TREC run instead.")] = None,
    qrels: Annotated[Path | None, typer.Option(help="Qrels for --run, TREC or BEIR.")] = None,
    expect: ExpectOption = None,
) -> None:
    """Measure pipelines on a dataset, or score a run file, with the field's official measures.

    Documents are searched that `lexmax index scifact-index scifact` has stored before.

    Examples: `lexmax evaluate scifact --collection scifact-index --pipelines bm25,hybrid`,
    `lexmax evaluate --run my.run --qrels qrels.txt`
    """
    names, expected = _split(measures), expected_of(expect)
    if run is not None or qrels is not None:
        evaluation = _evaluate_run(run, qrels, names, json)
    else:
        evaluation = _evaluate_pipelines(
            dataset, collection, _split(pipelines or ""), split, names, k, json, runs, run_format
        )
    require_expected(evaluation, expected)


@app.command()
def serve(
    data: Annotated[Path, typer.Option(help="Folder whose sub-folders are collections.")],
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    keys: Annotated[
        Path | None, typer.Option(help="File of keys to ask for: `lexmax keys create`.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Answer other machines without asking for a key.")
    ] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificates, PEM: serve HTTPS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key of the first, PEM.")] = None,
) -> None:
    """Serve the collections in a folder over HTTP until Ctrl-C; /docs describes the API.

    Every other setting is a variable in the environment whose name begins with LEXMAX_:
    docs/operations.md.

    Examples: `lexmax serve --data collections --port 8000`,
    `lexmax serve --data collections --host 0.0.0.0 --keys keys.json --tls-cert my.pem`
    """
    from lexmax.service import Settings, serve

    given = {"keys": keys, "insecure": insecure, "tls_cert": tls_cert, "tls_key": tls_key}
    serve(Settings(data=data, port=port, host=host, **{name: v for name, v in given.items() if v}))


@app.command()
def demo(
    path: Annotated[
        Path | None, typer.Option(help="Where to keep it; by default in your cache folder.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port to serve on.", min=0, max=65535)] = 8000,
    no_serve: Annotated[
        bool, typer.Option("--no-serve", help="Stop after the example search.")
    ] = False,
) -> None:
    """Index the documentation strings of this Python installation, search them, and serve them.

    Thousands of real passages, nothing to download; under two minutes on two cores.

    Example: `lexmax demo --no-serve`
    """
    from lexmax.demo import run_demo

    with resumable():
        run_demo(path, port=None if no_serve else port)


add_commands(app)
add_relevance_commands(app)
add_explain_command(app)
add_key_commands(app)
add_snapshot_commands(app)
add_rerank_command(app)
add_training_commands(app)
add_evaluation_commands(app)
add_compression_command(app)
add_value_commands(app)
add_experiment_commands(app)
add_front(app)


def main() -> None:
    """Run the command line; every error of ours is one message on stderr and exit code 1."""
    prepare_streams()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except LexmaxError as error:
        _say(str(error))
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.filename is not None or error.errno not in _UNWRITABLE:
            raise
        _say(f"the output cannot be written ({error.strerror}); expected room for it; free some")
        sys.stdout = None  # what is left in its buffer would fail again at the end
        sys.exit(1)


def _say(found: str) -> None:
    Console(stderr=True).print(
        f"error: {visible(found)}", style="red", markup=False, highlight=False, soft_wrap=True
    )


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _evaluate_run(
    run: Path | None, qrels: Path | None, measures: list[str], json: Path | None
) -> "Evaluation":
    from lexmax.eval import evaluate_run, print_report, to_json

    if run is None or qrels is None:
        missing = "--run" if run is None else "--qrels"
        raise EvaluationError(
            f"scoring a run needs --run and --qrels; {missing} is missing; add it"
        )
    evaluation = evaluate_run(run, qrels, measures)
    if json is not None:
        to_json(evaluation, json)
    print_report(evaluation, Console())
    return evaluation


def _evaluate_pipelines(
    dataset: Path | None,
    path: Path | None,
    names: list[str],
    split: str,
    measures: list[str],
    k: int,
    json: Path | None,
    runs: Path | None,
    run_format: str,
) -> "Evaluation":
    from lexmax.collection import Collection
    from lexmax.eval import evaluate_pipelines, print_report, to_json
    from lexmax.eval.collections import load_group
    from lexmax.eval.group_evaluation import averaged_evaluation, collection_of
    from lexmax.pipeline import runnable
    from lexmax.progress import watch
    from lexmax.stages import given_pipeline

    if dataset is None or path is None:
        missing = "DATASET" if dataset is None else "--collection"
        raise EvaluationError(
            f"evaluating needs DATASET and --collection; {missing} is missing; add it, or "
            "score a run with --run and --qrels"
        )
    datasets = load_group(dataset, split=split)
    is_group = len(datasets) > 1
    # All must be there before the first is asked.
    places = [collection_of(path, part, is_part=is_group) for part in datasets]

    def progress(pipeline: str, done: int, total: int) -> None:
        watching.advance(pipeline, done, total)
        if watching.stopped():
            raise KeyboardInterrupt

    parts: dict[str, Evaluation] = {}
    for part, place in zip(datasets, places, strict=True):
        with Collection.open(place) as collection, watch(unit="queries") as watching:
            parts[part.name] = evaluate_pipelines(
                collection,
                part,
                [given_pipeline(name) for name in names or runnable(collection.encoders)],
                measures=measures,
                k=k,
                runs_dir=runs,
                run_format=run_format,  # type: ignore[arg-type]
                progress=progress,
            )
    if is_group:
        for each in parts.values():
            print_report(each, Console())
        evaluation = averaged_evaluation(dataset.name, parts)
    else:
        (evaluation,) = parts.values()
    if json is not None:
        to_json(evaluation, json)
    print_report(evaluation, Console())
    return evaluation


if __name__ == "__main__":
    main()
