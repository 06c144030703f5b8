"""How does a configuration become a trained encoder?

What needs both rooms, encoders and indexes, stands here: hard negatives are mined and held-out
queries are measured with lexmax's own indexes. The steps themselves are
`lexmax.encoders.training.trainer`.
"""

import math
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from lexmax.corpus_sources import seen_from
from lexmax.dev_measures import DevMeasures, DevSet
from lexmax.encoders.training.batches import Batches, Selection
from lexmax.encoders.training.config import TrainingConfig
from lexmax.encoders.training.config_reading import read_config
from lexmax.encoders.training.curriculum import Curriculum
from lexmax.encoders.training.durable import remove, to_json, write_file
from lexmax.encoders.training.examples import Examples
from lexmax.encoders.training.machine import Machine
from lexmax.encoders.training.order import Order
from lexmax.encoders.training.task import Task
from lexmax.encoders.training.tasks import Place, read_task
from lexmax.encoders.training.trainer import Plan, Trainer, TrainingReport, Watcher
from lexmax.errors import LockedError, TrainingError
from lexmax.index.lock import WriterLock
from lexmax.mining import mined

Start: TypeAlias = Literal["same", "changed", "fresh"]
"""Go on if the configuration is the same; although it has changed; or begin anew."""

_MARK = "config.json"
_OF_A_RUN = ("checkpoints", "model", "metrics.jsonl", "curves.png", "curves.svg")
# What may change between two runs of which the second goes on from the first.
_FREE = ("output", "device", "log_every", "checkpoints", "early_stopping")
_FREE_INSIDE = (
    ("optimiser", "steps"),
    ("optimiser", "epochs"),
    ("data", "folder"),
    ("data", "max_rejects"),
)


@dataclass(frozen=True, slots=True)
class Trained:
    """What came out: the trainer's report, and how many examples there were."""

    report: TrainingReport
    n_examples: int
    n_broken: int
    n_dev_queries: int


def train(
    path: Path,
    overrides: tuple[str, ...] = (),
    *,
    watcher: Watcher,
    start: Start = "same",
    steps: int | None = None,
) -> Trained:
    """Train what the YAML file at `path` says, from where an interrupted run stopped.

    Args:
        path: The configuration; see docs/training.md.
        overrides: Such as "optimiser.lr=1e-4".
        watcher: Is told how far it has come; may stop it.
        start: Whether to go on from what the output holds.
        steps: Optimiser steps, in the place of the configuration's.

    Raises:
        TrainingError: if the configuration, the examples or the loss cannot be used.
        EncoderError: if the model cannot be loaded.
        CorpusError: if a file cannot be read.
        LockedError: if another process trains in the same output.
        DiskFullError: if there is no room; the last checkpoint stands.
        KeyboardInterrupt: if the watcher stopped it; run it again to go on.
    """
    if steps is not None:
        overrides = (*overrides, f"optimiser.steps={steps}")
    config, located = read_config(path, overrides)
    kind, values = read_task(located)
    machine = Machine.chosen(config.device, config.precision)
    with _alone_in(Path(config.output)) as output:
        if start == "fresh":
            _drop_run(output)
        examples = Examples(config.data, output=output, on_read=reading(watcher))
        dev, n_dev_queries = _dev(config, examples)
        to_train = mined(config, examples, output=output, watcher=watcher)
        torch.manual_seed(config.seed)  # pyright: ignore[reportUnknownMemberType]
        task = kind.make(values, Place(Path(config.data.folder), output / "cache"))
        plan = _plan(config, to_train, task_values=values.model_dump(mode="json"), start=start)
        write_file(output / _MARK, to_json(config.model_dump(mode="json")))
        report = Trainer(
            task,
            _batches(config, to_train),
            plan,
            output=output,
            machine=machine,
            watcher=watcher,
            evaluate=None if dev is None else _evaluation(dev),
        ).run()
        return Trained(report, sum(to_train.sizes), examples.n_broken, n_dev_queries)


def _evaluation(dev: DevMeasures) -> Callable[[Task], Mapping[str, float]]:
    return lambda task: dev(task.encoder())


def _dev(config: TrainingConfig, examples: Examples) -> tuple[DevMeasures | None, int]:
    section = config.data.dev
    if section.dataset is not None:
        place = seen_from(Path(config.data.folder), section.dataset)
        dev = DevSet.of_dataset(place, section.split)
    elif section.share:
        held_out = examples.held_out(section.most)
        dev = DevSet.of_examples(held_out, examples.some_documents(section.distractors))
    else:
        return None, 0
    return DevMeasures(dev, section.measures), len(dev.queries)


def _order(config: TrainingConfig, examples: Examples) -> Order:
    weights = [source.weight for source in config.data.train]
    run = config.optimiser.batch_size if config.data.one_source_batches else 1
    return Order(examples.sizes, weights, config.seed, run)


def _batches(config: TrainingConfig, examples: Examples) -> Batches:
    negatives, rules = config.negatives, config.curriculum
    return Batches(
        examples,
        _order(config, examples),
        config.optimiser.batch_size,
        Selection(negatives.per_query, negatives.take == "first", negatives.keep_below),
        config.teacher.scaling,
        config.teacher.factor,
        None if rules is None else Curriculum(**rules.model_dump()),
        config.seed,
    )


def _plan(
    config: TrainingConfig, examples: Examples, *, task_values: Mapping[str, Any], start: Start
) -> Plan:
    numbers = config.optimiser
    per_step = numbers.batch_size * numbers.accumulation
    draws = numbers.epochs * _order(config, examples).epoch_draws
    return Plan(
        numbers.steps or max(math.ceil(draws / per_step), 1),
        numbers,
        config.checkpoints,
        config.early_stopping,
        config.data.dev.every,
        config.log_every,
        config.seed,
        _run(config, examples, task_values),
        accept_changes=start == "changed",
    )


def _run(
    config: TrainingConfig, examples: Examples, task_values: Mapping[str, Any]
) -> dict[str, Any]:
    """What must stay the same while a run goes on, by dotted name."""
    written = config.model_dump(mode="json", exclude=set(_FREE))
    for section, name in _FREE_INSIDE:
        written[section].pop(name)
    written["task"] = {**task_values, "kind": written["task"].get("kind")}
    written["examples"] = examples.sizes
    return dict(_flat(written, ""))


def _flat(value: Any, name: str) -> Generator[tuple[str, Any], None, None]:
    if not isinstance(value, dict):
        yield name, value
        return
    members: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
    for key, below in members.items():
        yield from _flat(below, f"{name}.{key}" if name else key)


def reading(watcher: Watcher) -> Callable[[int], None]:
    """Counts bytes that were read; where the watcher stops it, no half-read file is in the cache.

    Raises:
        KeyboardInterrupt: by the function, if the watcher stopped it.
    """
    total = 0

    def on_read(n: int) -> None:
        nonlocal total
        total += n
        watcher.advance("read", total, 0)
        if watcher.stopped():
            raise KeyboardInterrupt

    return on_read


@contextmanager
def _alone_in(output: Path) -> Generator[Path, None, None]:
    """The output folder, made if it is not there, with no other process training in it."""
    if output.is_dir() and any(output.iterdir()) and not _is_ours(output):
        raise TrainingError(
            f"{output}: holds other files than those of a training run; expected an empty or new "
            "folder; give another output"
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(
            f"{output}: cannot be made ({error.strerror}); expected a folder to write to; give "
            "another output"
        ) from error
    lock = WriterLock(output / ".lock")
    try:
        lock.acquire()
    except LockedError as error:
        raise LockedError(
            f"{output}: another process trains here; expected one; wait until it ends, or give "
            "another output"
        ) from error
    try:
        yield output
    finally:
        lock.release()


def _is_ours(output: Path) -> bool:
    return any((output / name).exists() for name in (_MARK, "cache", ".lock"))


def _drop_run(output: Path) -> None:
    for name in _OF_A_RUN:
        path = output / name
        if path.is_dir():
            remove(path)
        else:
            path.unlink(missing_ok=True)
