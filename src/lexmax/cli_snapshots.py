"""The commands that put a collection into one file, and make a collection of such a file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def add_snapshot_commands(app: typer.Typer) -> None:
    """Add `snapshot` and `restore`."""
    app.command()(snapshot)
    app.command()(restore)


def snapshot(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The collection's folder.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file, a tar.")],
) -> None:
    """Put the collection at PATH, as it is now, into one file; others may search and write.

    Documents that are deleted but not yet merged away are in it too: `lexmax merge PATH --all`
    before leaves them out.

    Example: `lexmax snapshot scifact-index scifact.tar`
    """
    from lexmax.archiving import write_snapshot

    report = write_snapshot(path, file)
    Console().print(
        f"generation {report.generation:,} of {path} is in {file}: {report.n_members:,} files, "
        f"{report.n_bytes:,} bytes",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `lexmax snapshot` wrote.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The new collection's folder.")],
) -> None:
    """Make a collection of a snapshot: whole and verified, or not at all.

    Every checksum is compared, and then the collection is verified as `lexmax verify` does it. A
    snapshot is checked against damage, not against malice: restore those that you trust.

    Example: `lexmax restore scifact.tar scifact-twin`
    """
    from lexmax.restoring import restore

    report = restore(file, path)
    Console().print(
        f"{path} has generation {report.generation:,} of the collection: {report.n_docs:,} "
        f"documents, {report.n_members:,} files, {report.n_bytes:,} bytes, all checked",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
