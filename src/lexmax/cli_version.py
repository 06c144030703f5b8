"""What does `lexmax` say of itself: its version, what it can read, and which commands there are?"""

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Annotated

import typer
from typer.models import CommandInfo

_GROUPS = {
    "Make and search a collection": (
        "index", "search", "explain", "rerank", "calibrate", "value", "demo",
    ),
    "Keep it": ("verify", "merge", "rebuild", "snapshot", "restore", "import", "export"),
    "Serve it": ("serve", "keys"),
    "Measure": (
        "datasets", "evaluate", "compare", "experiment", "report", "qrels-study",
        "compression-study", "compression-summary", "limit", "lucene",
    ),
    "Train encoders": ("train", "mine"),
}  # fmt: skip
# The module that an extra of the package brings.
_EXTRAS = {
    "onnx": "onnxruntime",
    "parquet": "pyarrow",
    "datasets": "ir_datasets",
    "stem": "Stemmer",
    "report": "matplotlib",
    "client": "httpx",
    "lucene": "pyserini",
    "otel": "opentelemetry",
}


def add_front(app: typer.Typer) -> None:
    """Add `--version`, and put the commands that there are in groups, in their order."""
    app.callback()(_front)
    ordered = [(name, group) for group, names in _GROUPS.items() for name in names]
    group_of, names = dict(ordered), [name for name, _ in ordered]

    def name_of(command: CommandInfo) -> str:
        return command.name or str(getattr(command.callback, "__name__", ""))

    app.registered_commands.sort(key=lambda command: names.index(name_of(command)))
    for command in app.registered_commands:
        command.rich_help_panel = group_of[name_of(command)]
    for sub in app.registered_groups:
        typed = sub.typer_instance
        sub.rich_help_panel = group_of[str(sub.name or (typed and typed.info.name))]


def version_lines() -> Iterator[str]:
    """What a report of a fault should say, a line each."""
    yield f"lexmax {_of_package('lexmax')}"
    yield f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield from _formats()
    yield f"native kernels: {_kernels()}"
    extras = [name for name, module in _EXTRAS.items() if find_spec(module) is not None]
    yield f"extras that are installed: {', '.join(extras) or 'none'}"


def _show_version(asked: bool) -> None:
    if asked:
        sys.stdout.writelines(f"{line}\n" for line in version_lines())
        raise typer.Exit


def _front(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_show_version,
            help="Say the version, which formats on disk it reads, and which instructions its "
            "kernels run with here.",
        ),
    ] = False,
) -> None:
    """Options that stand before a command."""


def _formats() -> Iterator[str]:
    from lexmax.index import manifest, schema
    from lexmax.snapshot_tar import FORMAT_VERSION

    for what, oldest, newest in (
        ("collections", schema.OLDEST_READABLE, schema.FORMAT_VERSION),
        ("segments", manifest.OLDEST_READABLE, manifest.FORMAT_VERSION),
        ("snapshots", FORMAT_VERSION, FORMAT_VERSION),
    ):
        older = "" if oldest == newest else f", reads {oldest} to {newest}"
        yield f"format of {what}: {newest}{older}"


def _kernels() -> str:
    try:
        from lexmax.index._native import available_paths
    except ImportError as error:
        return f"cannot be loaded ({error}); install lexmax again"
    fastest, *others = available_paths()
    return f"{fastest}" + (f" (also {', '.join(others)})" if others else "")


def _of_package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "from a folder that is not installed"
