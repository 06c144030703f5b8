"""What can it do, on this machine, now? The documentation strings of the running Python."""

import os
import platform
from pathlib import Path

from rich.console import Console

from lexmax.collection import Collection
from lexmax.docstrings import docstring_passages
from lexmax.indexing import index_documents
from lexmax.progress import watch
from lexmax.report import print_index_report, print_result

_QUERY = "temporary directory that is removed afterwards"


def run_demo(path: Path | None, *, port: int | None) -> None:
    """Index, search once, and serve on `port` unless it is None.

    Raises:
        StorageError: if the folder cannot be written.
    """
    console = Console()
    path = path or _cache_folder()
    console.print(f"indexing the documentation strings of Python {platform.python_version()}")
    with watch() as watching:
        report = index_documents(
            path, docstring_passages(), name=_name(), choice=None, watcher=watching
        )
    print_index_report(report, path, console)
    console.print(
        f'\nlexmax search {path} "{_QUERY}" -k 5', markup=False, highlight=False, soft_wrap=True
    )
    with Collection.open(path) as collection:
        print_result(collection.search(_QUERY, 5), console)
    if port is not None:
        _serve(path, port, console)


def _serve(path: Path, port: int, console: Console) -> None:
    from lexmax.service import Settings, serve

    console.print(
        f"\nserving on http://127.0.0.1:{port}, Ctrl-C stops; another shell may ask:\n"
        f"curl -s localhost:{port}/v1/collections/{path.name}/search"
        f' -H \'content-type: application/json\' -d \'{{"query": "{_QUERY}", "k": 3}}\'',
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    serve(Settings(data=path.parent, port=port))


def _name() -> str:
    return f"documentation of {platform.python_version()}"


def _cache_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "lexmax" / "demo"
