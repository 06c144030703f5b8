"""The commands that train encoders, and look for the negatives that they learn from."""

import shutil
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lexmax.errors import TrainingError

if TYPE_CHECKING:
    from lexmax.mining import MiningReport
    from lexmax.progress import Watch
    from lexmax.training import Start, Trained

_STOPPED, _TERMINATED = 130, 143


def add_training_commands(app: typer.Typer) -> None:
    """Add `train` and `mine`."""
    app.command()(train)
    app.command()(mine)


def train(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG.yaml", help="What to train, on what, and how."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Another value for a key, such as `--set optimiser.lr=1e-4`, "
            "`--set data.train.0.path=pairs.jsonl.gz` or `--set curriculum=null`; the value is "
            "YAML. May be given again and again.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Optimiser steps, in the place of the configuration's.", min=1),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew: remove what the output holds of a run.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on from the last checkpoint although the configuration has changed, as with "
            "a lower learning rate.",
        ),
    ] = False,
    print_config: Annotated[
        str | None,
        typer.Option(
            "--print-config",
            metavar="PRESET",
            help="Print a whole configuration with comments, of a preset or a kind of task, and "
            "do nothing else; `list` prints the names.",
        ),
    ] = None,
) -> None:
    """Train an encoder as CONFIG.yaml says, and write it to the configuration's `output`.

    Begin with `lexmax train --print-config list`, choose a preset, write its configuration to a
    file and put your files and an output folder in. The output then holds `model`, which every
    command that takes an encoder takes (`splade:OUTPUT/model`); `metrics.jsonl` and `curves.png`
    with losses and dev measures; `checkpoints`; and `rejects.jsonl`, where lines of your files
    that give no example are written with their number and the reason.

    Ctrl-C and SIGTERM stop after the step at hand, with a checkpoint. After these, a kill, a
    full disk or a power cut, run the same command again: it goes on from the last checkpoint, on
    a CPU to the same bits as if nothing had happened.

    Examples: `lexmax train --print-config splade-doc > doc.yaml`,
    `lexmax train doc.yaml --set output=out --steps 20`
    """
    if print_config is not None:
        _print_config(print_config)
        return
    if config is None:
        raise TrainingError(
            "CONFIG.yaml is missing; expected the path of a configuration; "
            "`lexmax train --print-config list` says what there is to begin with"
        )
    if fresh and resume:
        raise TrainingError("--fresh and --resume contradict each other; give one of them")
    from lexmax.training import train as run

    start: Start = "fresh" if fresh else "changed" if resume else "same"
    with _stoppable() as watching:
        trained = run(config, tuple(set_ or ()), watcher=watching, start=start, steps=steps)
    _print_trained(trained, Console())


def mine(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for what is written.")],
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Examples: .jsonl with query and pos, .tsv of query and positive, either with "
            ".gz or .zst, or a BEIR folder.",
        ),
    ],
    encoder: Annotated[
        str,
        typer.Option(
            help="What ranks: bm25, minilm, splade:PATH, colbert:PATH, dense:PATH or the path of "
            "a model."
        ),
    ] = "bm25",
    collection: Annotated[
        Path | None, typer.Option(help="Search this collection, by its own encoder.")
    ] = None,
    corpus: Annotated[
        list[str] | None,
        typer.Option(help="More documents to search in, as files that `lexmax index` takes."),
    ] = None,
    ranks: Annotated[
        str, typer.Option(metavar="FIRST-LAST", help="Ranks that negatives are taken from.")
    ] = "1-100",
    keep: Annotated[int, typer.Option(help="Negatives a query, drawn from these.", min=1)] = 20,
    keep_below: Annotated[
        float,
        typer.Option(
            help="Leave out documents that score above this share of the positive's score; 0 keeps "
            "all.",
            min=0.0,
        ),
    ] = 0.95,
    positive_within: Annotated[
        int | None,
        typer.Option(help="Leave out queries whose positive is not in the first so many.", min=1),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="What scores the documents that are kept, such as minilm or cross-encoder:PATH; "
            "of several the mean of min-max scaled scores."
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=NAME",
            help="jsonl: another name of a member, such as `--field query=title --field pos=text`.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn.", min=0)] = 42,
) -> None:
    """Find hard negatives for the queries of SOURCE..., and write them with scores.

    Each query is searched for in an index of all documents of the examples, or in a collection.
    Of the ranks asked for, documents that any example names as relevant to the query are left
    out, and those that score nearly as high as the positive, which are probably relevant too.
    OUTPUT then holds a file for each source, a JSON line an example: query, docs with the
    positive first, scores, ranks; `lexmax train` reads it. In a configuration, `negatives.mine`
    does the same before training. Ctrl-C or a kill loses nothing: run the same command again.

    Example: `lexmax mine mined pairs.jsonl.gz --ranks 50-100 --keep 7 --teacher minilm`
    """
    from lexmax.encoders.training.config import DataSection, MiningSection
    from lexmax.encoders.training.config_reading import checked
    from lexmax.encoders.training.examples import Examples
    from lexmax.encoders.training.yaml_lines import Located
    from lexmax.mining import mine as run
    from lexmax.training import reading

    rules = {
        "encoder": encoder,
        "collection": None if collection is None else str(collection),
        "corpus": tuple(corpus or ()),
        "ranks": _window(ranks),
        "keep": keep,
        "keep_below": keep_below or None,
        "positive_within": positive_within,
        "teachers": tuple(teacher or ()),
    }
    names = dict(_pair(one) for one in field or ())
    places: dict[tuple[str | int, ...], str] = {(): "the command line"}
    data = {
        "train": tuple({"path": source, "fields": names} for source in sources),
        "dev": {"share": 0.0},
    }
    section = checked(DataSection, Located(data, places))
    with _stoppable() as watching:
        report = run(
            Examples(section, output=output, on_read=reading(watching)),
            checked(MiningSection, Located(rules, places)),
            folder=output / "mining",
            data_folder=Path(),
            seed=seed,
            watcher=watching,
        )
    files = [
        _named(file, output / f"{number}-{Path(source).name.split('.')[0]}.jsonl")
        for number, (file, source) in enumerate(zip(report.files, sources, strict=True), 1)
    ]
    _print_mined(report, files, Console())


@contextmanager
def _stoppable() -> "Generator[Watch, None, None]":
    """A watch that Ctrl-C and SIGTERM stop at a safe place; says how to go on."""
    from lexmax.progress import watch

    terminated = False

    def on_terminate(number: int, frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True
        watching.stop()

    with watch() as watching:
        before = signal.signal(signal.SIGTERM, on_terminate)
        try:
            yield watching
        except KeyboardInterrupt:
            sys.stderr.write("stopped; run the same command again to go on\n")
            raise typer.Exit(_TERMINATED if terminated else _STOPPED) from None
        finally:
            signal.signal(signal.SIGTERM, before)


def _print_config(name: str) -> None:
    from lexmax.encoders.training.config_text import config_text
    from lexmax.encoders.training.tasks import KINDS, presets

    if name != "list":
        sys.stdout.write(config_text(name))
        return
    by_kind = {kind: [p for p, of in presets().items() if of == kind] for kind in sorted(KINDS)}
    for kind, names in by_kind.items():
        sys.stdout.write(f"{kind}: {', '.join(names) or 'no presets'}\n")


def _print_trained(trained: "Trained", console: Console) -> None:
    report = trained.report
    done = "stopped early" if report.stopped_early else "done"
    console.print(
        f"{done}: {report.steps:,} steps over {trained.n_examples:,} examples, "
        f"{report.seconds:,.0f} s in this run",
        highlight=False,
    )
    if trained.n_broken:
        console.print(
            f"lines that gave no example: {trained.n_broken:,}, see rejects.jsonl", highlight=False
        )
    if report.best is not None:
        console.print(
            f"best on {trained.n_dev_queries:,} held-out queries: {report.best:.4f} "
            f"at step {report.best_step:,}",
            highlight=False,
        )
    console.print(f"model: {report.model}", highlight=False, soft_wrap=True)


def _named(file: Path, target: Path) -> Path:
    """The file under a name that says what it is; the next run finds it under its own."""
    from lexmax.encoders.training.durable import writing

    with writing(target):
        draft = target.with_name(target.name + ".tmp")
        shutil.copyfile(file, draft)
        return draft.replace(target)


def _print_mined(report: "MiningReport", files: list[Path], console: Console) -> None:
    console.print(
        f"{report.n_examples:,} examples with hard negatives; {report.n_without:,} left out",
        highlight=False,
    )
    for file in files:
        console.print(str(file), highlight=False, soft_wrap=True)


def _window(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not (dash and first.strip().isdecimal() and last.strip().isdecimal()):
        raise TrainingError(f"--ranks is {text!r}; expected first and last, such as 1-100")
    return int(first), int(last)


def _pair(text: str) -> tuple[str, str]:
    role, equals, name = text.partition("=")
    if not equals:
        raise TrainingError(f"--field is {text!r}; expected role=name, such as query=title")
    return role.strip(), name.strip()
